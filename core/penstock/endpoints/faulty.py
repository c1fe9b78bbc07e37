"""Replies with the faults that options of the synthetic model ask for. All other replies are returned unchanged."""

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


def faulty_events(stream: Stream, run: Run) -> Stream:
    """The stream of a run, with its faults."""
    faults = _faults(run)
    return stream if faults is None else FaultySse(stream, _stream(faults, ResponsesEvents(), run))


def faulty_json(body: bytes, run: Run) -> bytes | Stream:
    """The JSON of a run's Response, with its faults."""
    faults = _faults(run)
    return body if faults is None else faulty_body(body, faults, WebSocketEvents())


def faulty_messages(batches: AsyncGenerator[list[bytes]], run: Run) -> AsyncGenerator[list[bytes]]:
    """The messages of a run on a WebSocket, with its faults."""
    faults = _faults(run)
    return batches if faults is None else _with_faults(batches, _stream(faults, WebSocketEvents(), run))


async def _with_faults(batches: AsyncGenerator[list[bytes]], faulty: FaultyStream) -> AsyncGenerator[list[bytes]]:
    async with aclosing(batches):
        async for messages in faulty.read(batches):
            yield messages


def _faults(run: Run) -> WireFaults | None:
    decide = run.plan.route.wire_faults
    return None if decide is None else decide(run.plan.turn)


def _stream(faults: WireFaults, form: EventFormat, run: Run) -> FaultyStream:
    return FaultyStream(faults, form, fail=partial(run.fail, failure), is_over=lambda: run.is_over)
