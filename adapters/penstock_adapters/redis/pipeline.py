"""The pipeline to the server: simultaneous commands are sent together, over a few connections.

It knows redis-py and its errors, not what is stored. A command waits only while all connections are busy, and
is then sent with all others that wait: one write and one read for all of them, which costs a fifth of single commands.
Commands that a restart of the server interrupted are sent again, for a while; so every script must be repeatable.
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
"""How many batches are in progress at a time, each over its own connection."""
CONNECTIONS_MAX = CONNECTIONS_MAX + 2
"""One for the subscriptions, and one more while that one is replaced."""
BATCH_CALLS_MAX = 128
BATCH_BYTES_MAX = 2**20
"""A batch ends with the call that reaches this size."""
WAITING_MAX = 10_000
"""How many calls may wait for a connection; one more is rejected."""
TIMEOUT_S = 10.0
"""How long the server may take to take a connection, or a batch, or to answer one."""
RETRY_S = 3.0
"""How many seconds interrupted calls are repeated."""
BACKOFF_S = 0.05
"""The wait before the first repetition, in seconds; it doubles."""

Argument: TypeAlias = bytes | str | int | float

_log = logging.getLogger("penstock.redis")


class _Call(msgspec.Struct, eq=False):
    """A command in progress, or a script with its arguments."""

    arguments: tuple[Argument, ...]
    answer: asyncio.Future[Any]
    script: Script | None = None

    def size(self) -> int:
        return sum(len(word) for word in self.arguments if isinstance(word, bytes | str))


class Pipeline:
    """The connections of one store. They are made at the first call, in the running loop."""

    def __init__(self, url: str) -> None:
        self._url = Secret(url)
        self._redis: Any = None
        self._waiting: deque[_Call] = deque()
        self._connections: set[asyncio.Task[None]] = set()
        self._outage = OutageLog(_log, "The store in Redis")

    async def run(self, name: str, *arguments: Argument) -> Any:
        """Run a script. Raises `ApiError` where the server cannot be reached."""
        known = script(name)
        return await self._send(("EVALSHA", known.digest, 1, PREFIX, *arguments), known)

    async def command(self, *arguments: Argument) -> Any:
        """Run one command. Raises as `run` does."""
        return await self._send(arguments, None)

    def client(self) -> Any:
        """The client of redis-py."""
        if self._redis is None:
            self._redis = _client(self._url.reveal())
        return self._redis

    async def aclose(self) -> None:
        """Wait for the calls in progress, then close every connection."""
        while self._connections:
            await asyncio.wait(self._connections)
        if self._redis is not None:
            await self._redis.aclose(close_connection_pool=True)
            self._redis = None

    async def _send(self, arguments: tuple[Argument, ...], known: Script | None) -> Any:
        if len(self._waiting) >= WAITING_MAX:
            raise unavailable()
        call = _Call(arguments, asyncio.get_running_loop().create_future(), known)
        self._waiting.append(call)
        if len(self._connections) < CONNECTIONS_MAX:
            self._connections.add(asyncio.create_task(self._drive()))
        return await call.answer

    async def _drive(self) -> None:
        """Send batches on one connection for as long as calls wait."""
        leave()
        try:
            while self._waiting:
                await self._answer(self._batch())
        finally:
            self._connections.discard(asyncio.current_task())  # at once, so that no further call uses it

    def _batch(self) -> list[_Call]:
        batch: list[_Call] = []
        size = 0
        while self._waiting and len(batch) < BATCH_CALLS_MAX and size < BATCH_BYTES_MAX:
            call = self._waiting.popleft()
            if not call.answer.done():
                batch.append(call)
                size += call.size()
        return batch

    async def _answer(self, batch: list[_Call]) -> None:
        """Answer every call of a batch, with a result or an error."""
        try:
            await self._persist(batch)
        except Exception as error:
            _fail(batch, error)
        except BaseException:
            for call in batch:
                call.answer.cancel()
            raise

    async def _persist(self, batch: list[_Call]) -> None:
        """Send a batch until it is answered, or the time is over."""
        from redis.exceptions import ConnectionError, ReadOnlyError, TimeoutError

        loop = asyncio.get_running_loop()
        end, backoff_s = loop.time() + RETRY_S, BACKOFF_S
        while batch:
            try:
                await self._attempt(batch)
            except (ConnectionError, TimeoutError, ReadOnlyError, OSError) as error:
                if loop.time() + backoff_s > end:
                    does = (
                        "takes no writes"
                        if isinstance(error, ReadOnlyError)
                        else "cannot be reached or answers too late"
                    )
                    self._outage.failed(f"the server {does} ({type(error).__name__})")
                    raise unavailable() from None
                untraced(error)  # it may be one of the answers, which its traceback's frames hold
                await self.client().connection_pool.disconnect(inuse_connections=False)
                await asyncio.sleep(backoff_s)
                backoff_s *= 2
            batch = [call for call in batch if not call.answer.done()]

    async def _attempt(self, batch: list[_Call]) -> None:
        """Send a batch once. Calls whose script the server did not have stay unanswered; it is loaded then."""
        answers = await self._exchange([call.arguments for call in batch])
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

    async def _exchange(self, commands: Sequence[tuple[Argument, ...]]) -> list[Any]:
        async with self.client().pipeline(transaction=False) as pipeline:
            for arguments in commands:
                pipeline.execute_command(*arguments)
            answers: list[Any] = await pipeline.execute(raise_on_error=False)
        return answers


def unavailable() -> ApiError:
    """The error where the server cannot be reached, or accepts no more: 503."""
    message = "The store is not available."
    return ApiError(message, status=503, type="server_error", code="server_error", retry_after_s=1.0)


def _settle(call: _Call, answer: Any) -> bool:
    """Set the result of a call; False if it must be sent again. A failover is not a result."""
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
    """Whether the server reports a temporary problem: it is full, busy, or without its disk or its replicas."""
    if not isinstance(answer, Exception):
        return False
    from redis.exceptions import ClusterDownError, MasterDownError, OutOfMemoryError, TryAgainError

    named = isinstance(answer, ClusterDownError | MasterDownError | OutOfMemoryError | TryAgainError)
    return named or str(answer).startswith(("BUSY ", "MISCONF ", "NOREPLICAS ", "LOADING "))


def _fail(batch: list[_Call], error: Exception) -> None:
    """Set the error of all calls of a batch; each gets its own copy, since raising adds to a traceback."""
    for call in batch:
        if not call.answer.done():
            call.answer.set_exception(unavailable() if isinstance(error, ApiError) else error)


def _client(url: str) -> Any:
    """A client without its own retries, which would repeat unsafe commands. The URL may have options too."""
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
        raise ValueError(
            "the store's URL is not one of Redis"
        ) from None  # its message may contain a piece of a password
    return Redis.from_pool(pool)


_SCHEMES = {"valkey": "redis", "valkeys": "rediss"}
