"""The responders: a run as a stream of server-sent events, as WebSocket messages, or as a JSON body.

They know bytes and runs. They never make or change an event, except for the padding of `obfuscation`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, get_args

from penstock.engine import Follower, Run, View
from penstock.engine.running.request_deadline import RequestDeadline
from penstock.errors import ApiError, internal_error, out_of_time, stopping, untraced
from penstock.json_codec import encode
from penstock.obfuscation import padding
from penstock.ports import DirectSource, Headers, Outlet
from penstock.sse import DONE, HEARTBEAT, encode_events
from penstock.telemetry import current
from penstock.text_runs import Recorded, TextRun, one_by_one
from penstock.wire import Event, Response, StreamEvent

_log = logging.getLogger("penstock.responders")

_PADDED: frozenset[type[Any]] = frozenset(
    cls for cls in get_args(StreamEvent) if "obfuscation" in cls.__struct_fields__
)


class SseStream(DirectSource[bytes | bytearray]):
    """The stream of a run: one buffer for each batch of events, and comments as heartbeats. `aclose` ends the run."""

    def __init__(self, run: Run, *, done_marker: bool) -> None:
        self._run = run
        view = self._view = _padded_buffer if run.plan.obfuscate else _buffer
        self._buffers = run.batches(view, partial(_last_buffer, view) if done_marker else view)

    def __aiter__(self) -> AsyncIterator[bytes | bytearray]:
        return self._buffers

    def send_to(self, outlet: Outlet[bytes | bytearray]) -> None:
        """Send the buffers of text directly, if the upstream can."""
        self._run.send_to(Outlet(outlet.is_ready, partial(_send_buffer, self._view, outlet.send)))

    async def aclose(self) -> None:
        """End the run, whether or not anything was read."""
        await self._buffers.aclose()
        await self._run.aclose()


class FollowStream:
    """The stream of a background response, from its event log. The end of the stream does not end the response."""

    def __init__(
        self,
        follower: Follower,
        *,
        done_marker: bool,
        disconnected: Callable[[], Awaitable[None]] | None,
        deadline: RequestDeadline | None = None,
    ) -> None:
        self._follower = follower
        self._batches = follower.batches()
        self._record = current()
        self._record.is_cut = True  # until it has been read to its end
        self._done_marker = done_marker
        self._disconnected = disconnected
        self._next: asyncio.Future[list[bytes] | None] | None = None
        self._ended_by: Callable[[], ApiError] | None = None
        self._timer: asyncio.TimerHandle | None = None
        if deadline is not None:
            loop = asyncio.get_running_loop()
            # spec: request-deadline
            self._timer = loop.call_at(deadline.ends_s, self.end_early, out_of_time)
        self._buffers = self._write()

    def __aiter__(self) -> AsyncIterator[bytes | bytearray]:
        return self._buffers

    async def aclose(self) -> None:
        """Stop reading the log."""
        if self._timer is not None:
            self._timer.cancel()
        await self._buffers.aclose()
        await self._batches.aclose()

    def end_early(self, error: Callable[[], ApiError] = stopping) -> None:
        """The server has to stop: end the stream with an error. The response continues in another process."""
        self._ended_by = error
        if self._next is not None:
            self._next.cancel()

    async def _write(self) -> AsyncGenerator[bytes | bytearray]:
        client_left = asyncio.ensure_future(self._disconnected()) if self._disconnected else None
        try:
            while (events := await self._next_in_order(client_left)) is not None:
                yield b"".join(events) if events else HEARTBEAT
            self._record.is_cut = client_left is not None and client_left.done()
            if self._ended_by is not None:
                yield self._follower.error(self._ended_by())
            if self._done_marker:
                yield DONE
        finally:
            if client_left is not None:
                client_left.cancel()

    async def _next_in_order(self, client_left: asyncio.Future[None] | None) -> list[bytes] | None:
        """The next batch, or an error as the last batch where the store cannot be read."""
        try:
            return await self._next_unless(client_left)
        # spec: stored-streams
        except ApiError as error:
            return [self._follower.error(untraced(error))]
        except Exception as error:
            _log.exception("a response could not be followed by a fault of this server")
            untraced(error)
            return [self._follower.error(internal_error())]

    async def _next_unless(self, client_left: asyncio.Future[None] | None) -> list[bytes] | None:
        """The next batch. None at the end, when the client has left, or when the server has to stop."""
        if self._ended_by is not None:
            return None
        following = self._next = asyncio.ensure_future(anext(self._batches, None))
        waited: set[asyncio.Future[Any]] = {following, client_left} if client_left else {following}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if not following.done():
            following.cancel()
            await asyncio.wait({following})
        return None if following.cancelled() else following.result()


async def read_messages(run: Run, headers: Headers, stream_id: str | None) -> AsyncGenerator[list[bytes]]:
    """The events as JSON messages, in batches. An empty batch is a heartbeat.

    Each message has the id of its stream, if there is one. The first has the headers of an HTTP reply in `headers`.
    """
    tail = b',"stream_id":%b}' % encode(stream_id) if stream_id else b"}"
    more = b',"headers":%b' % encode(dict(headers)) if headers else b""
    view = partial(_padded_messages if run.plan.obfuscate else _messages, tail)
    async with aclosing(run.batches(view, view)) as batches:
        async for messages in batches:
            if more:
                messages[0] = messages[0].removesuffix(tail) + more + tail
                more = b""
            yield messages


def json_body(run: Run) -> bytes:
    """The Response of a finished run as JSON. Raises `ApiError` for a failed one, of which nothing was sent."""
    if run.error is not None:
        raise run.error
    return run.body


async def read_response(run: Run) -> Response:
    """The final Response."""
    await run.finish()
    return run.response


def _buffer(batch: Sequence[Recorded]) -> bytes | bytearray:
    """A batch as bytes of a stream. An empty batch is a heartbeat."""
    # spec: heartbeats
    return encode_events(batch) if batch else HEARTBEAT


def _send_buffer(
    view: View[bytes | bytearray], send: Callable[[bytes | bytearray], None], batch: list[Recorded]
) -> None:
    """Send a batch as bytes of a stream."""
    send(view(batch))


def _padded_buffer(batch: list[Recorded]) -> bytes | bytearray:
    """A batch as bytes of a stream, with padded deltas."""
    events = one_by_one(batch)
    _obfuscate(events)
    return _buffer(events)


def _last_buffer(view: View[bytes | bytearray], batch: list[Recorded]) -> bytes | bytearray:
    """The last batch, and `[DONE]` after it."""
    # spec: framing
    return view(batch) + DONE


def _messages(tail: bytes, batch: Sequence[Recorded]) -> list[bytes]:
    """The events of a batch as JSON. Each ends with `tail`, which contains no per cent sign."""
    messages: list[bytes] = []
    for recorded in batch:
        if isinstance(recorded, TextRun):
            messages += recorded.write(recorded.text.form[:-1] + tail)
        else:
            messages.append(encode(recorded)[:-1] + tail)
    return messages


def _padded_messages(tail: bytes, batch: list[Recorded]) -> list[bytes]:
    """The events of a batch as JSON, with padded deltas."""
    events = one_by_one(batch)
    _obfuscate(events)
    return _messages(tail, events)


def _obfuscate(events: list[Event]) -> None:
    """Pad every delta, so that the size of an event does not show the length of its text."""
    for event in events:
        if type(event) in _PADDED:
            event.obfuscation = padding(event.delta)  # type: ignore[attr-defined]
