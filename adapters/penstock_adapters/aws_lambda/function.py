"""The function: the service of the environment's settings, and its answers to events.

It knows what is different in a function: nothing outlives a request, background work is an event of its own, other
machines can always reach it, and the time of each request is limited. It does not know how events arrive.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from msgspec.structs import replace

from penstock.errors import upstream_failed
from penstock.http import Reply, Stream, error_reply
from penstock.ports import BackgroundRunner
from penstock.service import Service
from penstock.settings import Settings, SettingsError, load
from penstock.telemetry import configure_logging
from penstock_adapters.drivers import create_asgi_app

from .background import do_work
from .events import Event, read_event, request_of
from .results import bytes_max, result, too_long


def function_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of the `PENSTOCK_…` variables. Without a store in them, nothing is stored. Raises `SettingsError`.

    A function is always reachable by others, so it needs keys, or `allow_anonymous`.
    """
    settings = load({}, environment)
    # spec: exposed-functions
    if not settings.has_keys and not settings.allow_anonymous:
        problem = "a function can be reached by others: set keys, or PENSTOCK_ALLOW_ANONYMOUS=true"
        raise SettingsError("PENSTOCK_API_KEYS", problem)
    configure_logging(settings.log_level, settings.log_format)
    return replace(settings, store=settings.store or "none://", websocket=False)


def _open_runner(settings: Settings) -> BackgroundRunner | None:
    """The runner of background responses, if there is one. Raises `SettingsError` for one that cannot be used."""
    if settings.background_runner is None or not settings.background:
        return None
    from .runners import open_runner

    scheme = (settings.store or "none://").partition("://")[0]
    if scheme in _OF_ONE_INSTANCE:
        problem = f"the instances of a function cannot share {scheme}://: choose dynamodb://, redis:// or postgresql://"
        raise SettingsError("background_runner", problem)
    try:
        return open_runner(settings.background_runner)
    except ValueError as error:
        raise SettingsError("background_runner", str(error)) from None


_OF_ONE_INSTANCE = frozenset({"memory", "sqlite", "none"})
"""The stores that the instances of a function cannot share."""


class Function:
    """Answers events by the service of some settings. A managed runtime has one event at a time."""

    def __init__(self, settings: Settings) -> None:
        # spec: exposed-functions
        runner = _open_runner(settings)
        self.service: Service = create_asgi_app(settings, location="function", runner=runner).service
        self._loop: asyncio.AbstractEventLoop | None = None

    def answer(self, event: Any, context: Any) -> dict[str, Any] | None:
        """The result for an event of a managed runtime. Raises `EventError`, and `NotDone`."""
        read = read_event(event)
        remaining = getattr(context, "get_remaining_time_in_millis", None)
        deadline_s = time.monotonic() + remaining() / 1000 if remaining else None
        if self._loop is None:  # one for all events, so that connections to upstreams stay open
            self._loop = asyncio.new_event_loop()
        answer = self.work(read, deadline_s) if read.is_work else self.buffered(read, deadline_s)
        return self._loop.run_until_complete(answer)

    def close(self) -> None:
        """Close the connections to upstreams and stores. The next event opens them again."""
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.run_until_complete(self.service.aclose())
            loop.close()

    async def work(self, event: Event, deadline_s: float | None) -> dict[str, Any] | None:
        """The result of background work. Raises `EventError`, `NotDone`, and `ApiError`."""
        return await do_work(event, partial(self.service.perform, deadline_s=deadline_s))

    async def reply(self, event: Event, deadline_s: float | None) -> Reply:
        """The reply to an event."""
        return await self.service.handle(request_of(event, deadline_s))

    async def buffered(self, event: Event, deadline_s: float | None) -> dict[str, Any]:
        """The result for an event, with the whole body in it."""
        reply = await self.reply(event, deadline_s)
        try:
            body = await _whole(reply.body, bytes_max(event.form))
        except OSError:  # the service cuts a relay whose upstream was cut
            reply, body = _failed(error_reply(upstream_failed("The upstream's reply was cut.")))
        if body is None:
            reply, body = _failed(error_reply(too_long(event.form)))
        return result(event.form, reply.status, reply.headers, body)


def _failed(reply: Reply) -> tuple[Reply, bytes]:
    assert isinstance(reply.body, bytes)
    return reply, reply.body


async def _whole(body: bytes | Stream | None, bytes_max: int) -> bytes | None:
    """The whole body. None where it is too long. Raises `OSError` where it is cut."""
    if body is None or isinstance(body, bytes):
        return body or b""
    pieces = bytearray()
    try:
        async for piece in body:
            pieces += piece
            if len(pieces) > bytes_max:
                return None
    finally:
        await body.aclose()
    return bytes(pieces)
