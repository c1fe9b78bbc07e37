"""Who waits for events is woken by a message: all of them over one connection, and nobody polls.

A message says how far a response's events have come, or that it has ended; the events themselves are read from the
log. A wait may end too early, when the connection was lost say, but it never sleeps through what it waits for.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import msgspec

from .pipeline import Link, unavailable
from .scripts import PREFIX

CHANNEL = f"{PREFIX}w:"
QUIET_S = 10.0
"""After that long without a message the server is asked whether it is there; without an answer it is not."""
LINGER_S = 30.0
"""How long a channel is kept for who has gone to send what he was woken for."""


class _Followed(msgspec.Struct, eq=False):
    """A response that somebody here waits for, or did lately."""

    response_id: str
    subscribed: asyncio.Event = msgspec.field(default_factory=asyncio.Event)
    changed: asyncio.Event = msgspec.field(default_factory=asyncio.Event)
    ready: asyncio.Task[None] | None = None
    last: int = -1
    """The number of the first event of the last batch."""
    runs: bool = True
    """Whether there is anything to wait for, as far as we could hear."""
    waiting: int = 0
    left_at: float = 0.0

    def wake(self) -> None:
        """Whoever waits looks again, and then waits for the next change."""
        self.changed.set()
        self.changed = asyncio.Event()

    def end(self) -> None:
        """Nobody waits any longer."""
        self.runs = False
        self.subscribed.set()
        self.wake()


class Wakeups:
    """The waits of one store."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._followed: dict[str, _Followed] = {}
        self._pubsub: Any = None
        self._listener: asyncio.Task[None] | None = None
        self._speaking = asyncio.Lock()

    async def wait(self, response_id: str, *, after: int, timeout_s: float) -> None:
        """See `EventLog.wait_for_events`."""
        followed = self._followed.get(response_id) or self._follow(response_id)
        followed.waiting += 1
        try:
            async with asyncio.timeout(timeout_s):
                assert followed.ready
                await asyncio.shield(followed.ready)
                while followed.runs and followed.last <= after:
                    await followed.changed.wait()
        except TimeoutError:
            return
        finally:
            followed.waiting -= 1
            followed.left_at = asyncio.get_running_loop().time()

    async def aclose(self) -> None:
        """Wake everybody and close the connection."""
        beginning = [followed.ready for followed in self._followed.values() if followed.ready]
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.wait([self._listener])
        self._end_all()
        await asyncio.gather(*beginning, return_exceptions=True)
        self._speaking = asyncio.Lock()  # the next one may be of another event loop

    def _follow(self, response_id: str) -> _Followed:
        followed = self._followed[response_id] = _Followed(response_id)
        followed.ready = asyncio.create_task(self._begin(followed))
        followed.ready.add_done_callback(lambda task: task.cancelled() or task.exception())  # perhaps nobody is left
        return followed

    async def _begin(self, followed: _Followed) -> None:
        """Subscribe first and look then, so that nothing happens unheard in between."""
        try:
            await self._subscribe(followed)
            runs, last = await self._link.run("tail", followed.response_id)
        except BaseException:
            followed.end()
            self._followed.pop(followed.response_id, None)
            raise
        followed.last = max(followed.last, int(last.partition(b"-")[0]) - 1)
        if not runs:
            await self._drop(followed)

    async def _subscribe(self, followed: _Followed) -> None:
        """Subscribe, and wait until that is so. The link's patience is lent for a server that restarts."""
        from redis.exceptions import RedisError

        try:
            await self._say_subscribe(followed)
        except (RedisError, OSError):
            await self._link.command("PING")
            try:
                await self._say_subscribe(followed)
            except (RedisError, OSError):
                raise unavailable() from None
        try:
            await asyncio.wait_for(followed.subscribed.wait(), QUIET_S)
        except TimeoutError:
            raise unavailable() from None

    async def _say_subscribe(self, followed: _Followed) -> None:
        async with self._speaking:
            if self._pubsub is None:
                self._pubsub = self._link.client().pubsub()
            await self._pubsub.subscribe(CHANNEL + followed.response_id)
            if self._listener is None:
                self._listener = asyncio.create_task(self._listen(self._pubsub))

    async def _listen(self, pubsub: Any) -> None:
        """Hear messages until the connection is lost. Everybody is woken then, and begins anew."""
        from redis.exceptions import RedisError

        loop = asyncio.get_running_loop()
        tidy_at = loop.time() + QUIET_S
        try:
            with suppress(RedisError, OSError):
                while await self._hear(pubsub):
                    if loop.time() >= tidy_at:
                        tidy_at = loop.time() + QUIET_S
                        await self._tidy(loop.time() - LINGER_S)
        finally:
            self._pubsub = self._listener = None
            self._end_all()
            with suppress(RedisError, OSError):
                await pubsub.aclose()

    async def _hear(self, pubsub: Any) -> bool:
        """Hear one message; False where the server says nothing even when it is asked."""
        message = await pubsub.get_message(timeout=QUIET_S)
        if message is None:
            async with self._speaking:
                await pubsub.ping()
            message = await pubsub.get_message(timeout=QUIET_S)
        if message is None:
            return False
        followed = self._followed.get((message["channel"] or b"").decode().removeprefix(CHANNEL))
        if followed is not None:
            await self._understand(followed, message["type"], message["data"])
        return True

    async def _understand(self, followed: _Followed, kind: str, data: Any) -> None:
        if kind == "subscribe":
            followed.subscribed.set()
        elif kind == "message" and data == b"end":
            await self._drop(followed)
        elif kind == "message":
            followed.last = max(followed.last, int(data))
            followed.wake()

    async def _tidy(self, left_before: float) -> None:
        """Drop what nobody has waited for lately."""
        for followed in list(self._followed.values()):
            if followed.subscribed.is_set() and not followed.waiting and followed.left_at < left_before:
                await self._drop(followed)

    async def _drop(self, followed: _Followed) -> None:
        """End a following whose subscription was heard of. A new one may have begun by the time that we may speak."""
        from redis.exceptions import RedisError

        if self._followed.get(followed.response_id) is followed:
            del self._followed[followed.response_id]
        followed.end()
        async with self._speaking:
            if self._pubsub is not None and followed.response_id not in self._followed:
                with suppress(RedisError, OSError):  # the listener will notice, and end all
                    await self._pubsub.unsubscribe(CHANNEL + followed.response_id)

    def _end_all(self) -> None:
        for followed in self._followed.values():
            followed.end()
        self._followed.clear()
