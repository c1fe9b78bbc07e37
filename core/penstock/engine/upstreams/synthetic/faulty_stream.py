"""Faulty streams: streams of events on which the faults of the options happen.

It waits, and ends streams and connections. Which event a fault concerns is decided in
`penstock.dialects.synthetic.wire_faults`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator

from penstock.dialects.synthetic.wire_faults import FaultyEvents, Step, Steps, WireFaults
from penstock.errors import upstream_failed
from penstock.telemetry import current

from .event_formats import COMMENT, EventFormat, failure, split_events

_STEP_S = 0.25
"""How long a stall may go on after the stream has ended."""


def _never() -> bool:
    return False


class FaultyStream:
    """The pieces of a stream with faults. A piece is a list of events.

    `fail` lets the response fail, where the stream fails or ends with an error: the last event of the response is then
    changed to the last one of the stream. Without `fail`, it is the event at which the stream ends. `is_over` is
    whether the stream has ended, so that a stall need not go on. Raises `ConnectionAbortedError` to cut the connection.
    """

    def __init__(
        self,
        faults: WireFaults,
        form: EventFormat,
        *,
        fail: Callable[[], None] | None = None,
        is_over: Callable[[], bool] = _never,
    ) -> None:
        self._events = FaultyEvents(faults, form.malformed)
        self._stall_s = faults.stall_s
        self._form = form
        self._fail = fail
        self._is_over = is_over
        self._unsent = b""
        """The last event of the current piece, until it is sent."""

    async def read(self, pieces: AsyncIterator[list[bytes]]) -> AsyncGenerator[list[bytes]]:
        """The pieces with the faults. An empty piece is a heartbeat. None is sent during a stall."""
        async for piece in pieces:
            if self._events.are_over:
                yield piece
                continue
            for part in self._parts(piece):
                if isinstance(part, list):
                    yield part
                elif part is Step.STALL:
                    await self._stall()
                elif part is Step.DISCONNECT:
                    raise _cut()
                else:
                    yield await self._end(part, pieces)
                    return
        yield [event for event in self._events.end() if isinstance(event, bytes)]

    def _parts(self, piece: list[bytes]) -> Iterator[list[bytes] | Step]:
        """What is sent together, and the steps between. An empty piece stays one."""
        self._unsent = self._last_of(piece)
        sent: list[bytes] = []
        for step in self._steps(piece):
            if isinstance(step, bytes):
                sent.append(step)
                continue
            if sent:
                yield sent
                sent = []
            yield step
        if sent or not piece:
            yield sent
        self._unsent = b""
        if self._fail is not None and self._events.fails_next:
            yield Step.FAIL  # before the next event is made: the failed response has no text that is not sent

    def _steps(self, piece: list[bytes]) -> Steps:
        for event in piece:
            if self._form.is_event(event):
                yield from self._events.receive(event)
                continue
            if not event.startswith(COMMENT):
                yield from self._events.end()
            yield event

    async def _end(self, step: Step, pieces: AsyncIterator[list[bytes]]) -> list[bytes]:
        """The last event of a stream that fails, or ends with an error. None where the response has ended before."""
        number, last = self._events.number, self._unsent
        if self._fail is None:
            record = current()
            record.failed(failure(), by_upstream=True)
            record.upstream_failed("upstream")
            record.response_status = "failed"
        else:
            self._fail()
            async for piece in pieces:
                last = self._last_of(piece) or last
        write = self._form.error if step is Step.ERROR else self._form.failed
        return [write(last, number)] if last else []

    def _last_of(self, piece: list[bytes]) -> bytes:
        return next((event for event in reversed(piece) if self._form.is_event(event)), b"")

    async def _stall(self) -> None:
        left_s = self._stall_s
        while left_s > 0 and not self._is_over():
            await asyncio.sleep(min(left_s, _STEP_S))
            left_s -= _STEP_S


async def faulty_sse(pieces: AsyncIterator[bytes | bytearray], faulty: FaultyStream) -> AsyncGenerator[bytes]:
    """The pieces of a stream of server-sent events with faults. No event spans two pieces."""
    async for events in faulty.read(_split(pieces)):
        if events:
            yield b"".join(events)


async def _split(pieces: AsyncIterator[bytes | bytearray]) -> AsyncGenerator[list[bytes]]:
    async for piece in pieces:
        yield split_events(piece)


async def faulty_body(body: bytes, faults: WireFaults, form: EventFormat) -> AsyncGenerator[bytes]:
    """A body without events, which is faulty as a whole. Raises `ConnectionAbortedError` after its first half."""
    if faults.disconnect_at is not None:
        yield body[: len(body) // 2]
        raise _cut()
    yield body if faults.malformed_at is None else form.malformed(body)


def _cut() -> ConnectionAbortedError:
    """The error that cuts the connection. The record of the request has the reason."""
    record = current()
    record.is_cut = True
    record.failed(upstream_failed("The connection was cut, as the options of the synthetic model ask."))
    return ConnectionAbortedError()
