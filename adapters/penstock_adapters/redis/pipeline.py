"""The link to the server: whatever is asked at the same time goes there together, over a few connections.

It knows redis-py and failures, and nothing of what is stored. A command waits only while all connections are busy,
and then travels with every other that waits: one write and one read for the lot, which costs a fifth of sending each
alone. What the server's restart cut off is sent again, for a while; so every script must bear being run twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec

from penstock.errors import ApiError, untraced
from penstock.secrets import Secret
from penstock.telemetry import OutageLog, leave

from .scripts import PREFIX, Script, script

CONNECTIONS_MAX = 4
"""How many batches are on their way at a time, each over a connection of its own."""
CONNECTIONS_MAX = CONNECTIONS_MAX + 2
"""One for the wake-ups, and one more while theirs is replaced."""
BATCH_CALLS_MAX = 128
BATCH_BYTES_MAX = 2**20
"""A batch ends with the call that reaches this."""
WAITING_MAX = 10_000
"""How many calls may wait for a connection; one more is refused."""
TIMEOUT_S = 10.0
"""How long the server may take to take a connection, or a batch, or to answer one."""
RETRY_S = 3.0
"""How long is tried again what a lost connection cut off."""
BACKOFF_S = 0.05
"""The wait before the first further attempt; it doubles."""

Word: TypeAlias = bytes | str | int | float

_log = logging.getLogger("penstock.redis")


class _Call(msgspec.Struct, eq=False):
    """A command on its way, or a script with its arguments."""

    words: tuple[Word, ...]
    answer: asyncio.Future[Any]
    script: Script | None = None

    def size(self) -> int:
        return sum(len(word) for word in self.words if isinstance(word, bytes | str))


class Link:
    """The connections of one store. They are made at the first call, in the running loop."""

    def __init__(self, url: str) -> None:
        self._url = Secret(url)
        self._redis: Any = None
        self._waiting: deque[_Call] = deque()
        self._connections: set[asyncio.Task[None]] = set()
        self._outage = OutageLog(_log, "The store in Redis")

    async def run(self, name: str, *words: Word) -> Any:
        """Run a script. Raises `ApiError` where the server cannot be reached."""
        known = script(name)
        return await self._send(("EVALSHA", known.digest, 1, PREFIX, *words), known)

    async def command(self, *words: Word) -> Any:
        """Run one command. Raises as `run` does."""
        return await self._send(words, None)

    def client(self) -> Any:
        """The client of redis-py."""
        if self._redis is None:
            self._redis = _client(self._url.reveal())
        return self._redis

    async def aclose(self) -> None:
        """Let what is on its way arrive, then close every connection."""
        while self._connections:
            await asyncio.wait(self._connections)
        if self._redis is not None:
            await self._redis.aclose(close_connection_pool=True)
            self._redis = None

    async def _send(self, words: tuple[Word, ...], known: Script | None) -> Any:
        if len(self._waiting) >= WAITING_MAX:
            raise unavailable()
        call = _Call(words, asyncio.get_running_loop().create_future(), known)
        self._waiting.append(call)
        if len(self._connections) < CONNECTIONS_MAX:
            self._connections.add(asyncio.create_task(self._drive()))
        return await call.answer

    async def _drive(self) -> None:
        """Carry batches on one connection for as long as calls wait."""
        leave()
        try:
            while self._waiting:
                await self._carry(self._batch())
        finally:
            self._connections.discard(asyncio.current_task())  # at once: nobody counts on it more

    def _batch(self) -> list[_Call]:
        batch: list[_Call] = []
        size = 0
        while self._waiting and len(batch) < BATCH_CALLS_MAX and size < BATCH_BYTES_MAX:
            call = self._waiting.popleft()
            if not call.answer.done():
                batch.append(call)
                size += call.size()
        return batch

    async def _carry(self, batch: list[_Call]) -> None:
        """See to it that every call of a batch is answered, one way or another."""
        try:
            await self._persist(batch)
        except Exception as error:
            _fail(batch, error)
        except BaseException:
            for call in batch:
                call.answer.cancel()
            raise

    async def _persist(self, batch: list[_Call]) -> None:
        """Send a batch until it is answered, or time is up."""
        from redis.exceptions import ConnectionError, ReadOnlyError, TimeoutError

        loop = asyncio.get_running_loop()
        end, backoff_s = loop.time() + RETRY_S, BACKOFF_S
        while batch:
            try:
                await self._attempt(batch)
            except (ConnectionError, TimeoutError, ReadOnlyError, OSError) as error:
                if loop.time() + backoff_s > end:
                    self._outage.failed(f"the server cannot be reached or answers too late ({type(error).__name__})")
                    raise unavailable() from None
                untraced(error)  # it may be one of the answers, which its traceback's frames hold
                await self.client().connection_pool.disconnect(inuse_connections=False)
                await asyncio.sleep(backoff_s)
                backoff_s *= 2
            batch = [call for call in batch if not call.answer.done()]

    async def _attempt(self, batch: list[_Call]) -> None:
        """Send a batch once. Not answered is what the server lacked the script for; it has that afterwards."""
        answers = await self._exchange([call.words for call in batch])
        refusals = [answer for answer in answers if _is_for_now(answer)]
        if refusals:
            self._outage.failed(f"the server refuses: {refusals[0]}")
        else:
            self._outage.succeeded()
        unknown = {call.script for call, answer in zip(batch, answers, strict=True) if not _settle(call, answer)}
        if unknown:
            loaded = await self._exchange([("SCRIPT", "LOAD", each.text) for each in unknown if each])
            for refusal in loaded:
                if isinstance(refusal, Exception):
                    raise refusal

    async def _exchange(self, commands: Sequence[tuple[Word, ...]]) -> list[Any]:
        async with self.client().pipeline(transaction=False) as pipeline:
            for words in commands:
                pipeline.execute_command(*words)
            answers: list[Any] = await pipeline.execute(raise_on_error=False)
        return answers


def unavailable() -> ApiError:
    """What is told where the server cannot be reached, or cannot take any more."""
    message = "The store is not available."
    return ApiError(message, status=503, type="server_error", code="server_error", retry_after_s=1.0)


def _settle(call: _Call, answer: Any) -> bool:
    """Give a call its answer; False where it has to be sent again. A failover is not an answer."""
    from redis.exceptions import NoScriptError, ReadOnlyError

    if isinstance(answer, NoScriptError):
        return False
    if isinstance(answer, ReadOnlyError):
        raise answer
    if call.answer.done():
        return True
    if not isinstance(answer, Exception):
        call.answer.set_result(answer)
    elif _is_for_now(answer):
        call.answer.set_exception(unavailable())
    else:
        call.answer.set_exception(answer)
    return True


def _is_for_now(answer: Any) -> bool:
    """Whether the server says that it cannot at this time: it is full, busy, or without its disk or its replicas."""
    if not isinstance(answer, Exception):
        return False
    from redis.exceptions import ClusterDownError, MasterDownError, OutOfMemoryError, TryAgainError

    named = isinstance(answer, ClusterDownError | MasterDownError | OutOfMemoryError | TryAgainError)
    return named or str(answer).startswith(("BUSY ", "MISCONF ", "NOREPLICAS ", "LOADING "))


def _fail(batch: list[_Call], error: Exception) -> None:
    """Tell the calls of a batch; of ours each gets its own, since a traceback grows where an error is raised."""
    for call in batch:
        if not call.answer.done():
            call.answer.set_exception(unavailable() if isinstance(error, ApiError) else error)


def _client(url: str) -> Any:
    """A client whose own retries are off: it would not know what may be sent twice. The URL may have options too."""
    from redis.asyncio import BlockingConnectionPool, Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    scheme, _, rest = url.partition("://")
    try:
        pool = BlockingConnectionPool.from_url(
            f"{_SCHEMES.get(scheme, scheme)}://{rest}",
            max_connections=CONNECTIONS_MAX,
            timeout=TIMEOUT_S,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
    except ValueError:
        raise ValueError("the store's URL is not one of Redis") from None  # what it says may be a piece of a password
    return Redis.from_pool(pool)


_SCHEMES = {"valkey": "redis", "valkeys": "rediss"}
