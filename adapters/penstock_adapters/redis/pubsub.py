"""Pub/sub: readers that wait for events are woken by messages, all over one connection, without polling.

A message contains the number of a response's last batch, or that the response has ended; the events are read from the
log. A wait may end too early, for instance with the connection, but never too late.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import msgspec

from .pipeline import Pipeline, unavailable
from .scripts import PREFIX

CHANNEL = f"{PREFIX}w:"
QUIET_S = 10.0
"""After how many seconds without a message the server is pinged; without an answer the connection is lost."""
LINGER_S = 30.0
"""How many seconds a subscription stays after its last reader was woken."""


class _Subscription(msgspec.Struct, eq=False):
    """A response that readers wait for, or did lately."""

    response_id: str
    subscribed: asyncio.Event = msgspec.field(default_factory=asyncio.Event)
    changed: asyncio.Event = msgspec.field(default_factory=asyncio.Event)
    ready: asyncio.Task[None] | None = None
    last: int = -1
    """The number of the first event of the last batch."""
    runs: bool = True
    """Whether the response still runs, as far as is known."""
    waiting: int = 0
    left_at: float = 0.0

    def wake(self) -> None:
        """Wake the readers, which look again and then wait for the next change."""
        self.changed.set()
        self.changed = asyncio.Event()

    def end(self) -> None:
        """Wake the readers for the last time."""
        self.runs = False
        self.subscribed.set()
        self.wake()


class PubSub:
    """The subscriptions of one store."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._subscriptions: dict[str, _Subscription] = {}
        self._pubsub: Any = None
        self._listener: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()

    async def wait(self, response_id: str, *, after: int, timeout_s: float) -> None:
        """See `EventLog.wait_for_events`."""
        subscription = self._subscriptions.get(response_id) or self._add(response_id)
        subscription.waiting += 1
        try:
            async with asyncio.timeout(timeout_s):
                assert subscription.ready
                await asyncio.shield(subscription.ready)
                while subscription.runs and subscription.last <= after:
                    await subscription.changed.wait()
        except TimeoutError:
            return
        finally:
            subscription.waiting -= 1
            subscription.left_at = asyncio.get_running_loop().time()

    async def aclose(self) -> None:
        """Wake all readers and close the connection."""
        beginning = [subscription.ready for subscription in self._subscriptions.values() if subscription.ready]
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.wait([self._listener])
        self._end_all()
        await asyncio.gather(*beginning, return_exceptions=True)
        self._lock = asyncio.Lock()  # the next use may be in another event loop

    def _add(self, response_id: str) -> _Subscription:
        subscription = self._subscriptions[response_id] = _Subscription(response_id)
        subscription.ready = asyncio.create_task(self._begin(subscription))
        subscription.ready.add_done_callback(
            lambda task: task.cancelled() or task.exception()
        )  # perhaps no reader is left
        return subscription

    async def _begin(self, subscription: _Subscription) -> None:
        """Subscribe first and then look, so that no change is missed in between."""
        try:
            await self._subscribe(subscription)
            runs, last = await self._pipeline.run("tail", subscription.response_id)
        except BaseException:
            subscription.end()
            self._subscriptions.pop(subscription.response_id, None)
            raise
        subscription.last = max(subscription.last, int(last.partition(b"-")[0]) - 1)
        if not runs:
            await self._drop(subscription)

    async def _subscribe(self, subscription: _Subscription) -> None:
        """Subscribe, and wait for the confirmation, as long as the pipeline repeats calls during a restart."""
        from redis.exceptions import RedisError

        try:
            await self._send_subscribe(subscription)
        except (RedisError, OSError):
            await self._pipeline.command("PING")
            try:
                await self._send_subscribe(subscription)
            except (RedisError, OSError):
                raise unavailable() from None
        try:
            await asyncio.wait_for(subscription.subscribed.wait(), QUIET_S)
        except TimeoutError:
            raise unavailable() from None

    async def _send_subscribe(self, subscription: _Subscription) -> None:
        async with self._lock:
            if self._pubsub is None:
                self._pubsub = self._pipeline.client().pubsub()
            await self._pubsub.subscribe(CHANNEL + subscription.response_id)
            if self._listener is None:
                self._listener = asyncio.create_task(self._listen(self._pubsub))

    async def _listen(self, pubsub: Any) -> None:
        """Receive messages until the connection is lost. Then all readers are woken, and subscribe again."""
        from redis.exceptions import RedisError

        loop = asyncio.get_running_loop()
        tidy_at = loop.time() + QUIET_S
        try:
            with suppress(RedisError, OSError):
                while await self._receive(pubsub):
                    if loop.time() >= tidy_at:
                        tidy_at = loop.time() + QUIET_S
                        await self._tidy(loop.time() - LINGER_S)
        finally:
            self._pubsub = self._listener = None
            self._end_all()
            with suppress(RedisError, OSError):
                await pubsub.aclose()

    async def _receive(self, pubsub: Any) -> bool:
        """Receive one message; False if the server does not answer a ping."""
        message = await pubsub.get_message(timeout=QUIET_S)
        if message is None:
            async with self._lock:
                await pubsub.ping()
            message = await pubsub.get_message(timeout=QUIET_S)
        if message is None:
            return False
        subscription = self._subscriptions.get((message["channel"] or b"").decode().removeprefix(CHANNEL))
        if subscription is not None:
            await self._handle(subscription, message["type"], message["data"])
        return True

    async def _handle(self, subscription: _Subscription, kind: str, data: Any) -> None:
        if kind == "subscribe":
            subscription.subscribed.set()
        elif kind == "message" and data == b"end":
            await self._drop(subscription)
        elif kind == "message":
            subscription.last = max(subscription.last, int(data))
            subscription.wake()

    async def _tidy(self, left_before: float) -> None:
        """Unsubscribe from responses without a recent reader."""
        for subscription in list(self._subscriptions.values()):
            if subscription.subscribed.is_set() and not subscription.waiting and subscription.left_at < left_before:
                await self._drop(subscription)

    async def _drop(self, subscription: _Subscription) -> None:
        """Unsubscribe. A new subscription may have begun before the lock is acquired."""
        from redis.exceptions import RedisError

        if self._subscriptions.get(subscription.response_id) is subscription:
            del self._subscriptions[subscription.response_id]
        subscription.end()
        async with self._lock:
            if self._pubsub is not None and subscription.response_id not in self._subscriptions:
                with suppress(RedisError, OSError):  # the listener will notice, and end all
                    await self._pubsub.unsubscribe(CHANNEL + subscription.response_id)

    def _end_all(self) -> None:
        for subscription in self._subscriptions.values():
            subscription.end()
        self._subscriptions.clear()
