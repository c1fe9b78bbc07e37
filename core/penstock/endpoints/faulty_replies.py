"""Streams and bodies with faults, as options of the synthetic model ask for them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from functools import partial

from penstock.dialects.synthetic.wire_faults import WireFaults
from penstock.engine import Run
from penstock.engine.upstreams.synthetic.event_formats import (
    EventFormat,
    ResponsesEvents,
    WebSocketEvents,
    failure,
)
from penstock.engine.upstreams.synthetic.faulty_stream import FaultyStream, faulty_body, faulty_sse
from penstock.http import Stream


class FaultySse:
    """A stream of server-sent events with faults."""

    def __init__(self, stream: Stream, faulty: FaultyStream) -> None:
        self._stream = stream
        self._pieces = faulty_sse(aiter(stream), faulty)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces

    async def aclose(self) -> None:
        """End the stream, whether or not anything was read."""
        await self._pieces.aclose()
        await self._stream.aclose()


def events_with(faults: WireFaults, stream: Stream, run: Run) -> Stream:
    """A stream of server-sent events with faults."""
    return FaultySse(stream, _stream(faults, ResponsesEvents(), run))


def json_with(faults: WireFaults, body: bytes) -> bytes | Stream:
    """A body with faults."""
    return faulty_body(body, faults, WebSocketEvents())


def messages_with(faults: WireFaults, batches: AsyncGenerator[list[bytes]], run: Run) -> AsyncGenerator[list[bytes]]:
    """Messages of a WebSocket with faults."""
    return _with_faults(batches, _stream(faults, WebSocketEvents(), run))


async def _with_faults(batches: AsyncGenerator[list[bytes]], faulty: FaultyStream) -> AsyncGenerator[list[bytes]]:
    async with aclosing(batches):
        async for messages in faulty.read(batches):
            yield messages


def _stream(faults: WireFaults, form: EventFormat, run: Run) -> FaultyStream:
    return FaultyStream(faults, form, fail=partial(run.fail, failure), is_over=lambda: run.is_over)
