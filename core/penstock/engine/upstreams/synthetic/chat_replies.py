"""The replies to chat clients: streams of chunks, whole bodies, and bodies in several pieces.

They read the deltas of all choices in turn, so that slow choices of one request do not wait for each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from functools import partial

from penstock.dialects.chat_completions.serve.chunks import ChunkWriter
from penstock.dialects.chat_completions.serve.whole import CompletionWriter
from penstock.errors import ApiError
from penstock.ports import Deltas, DirectSource, Outlet
from penstock.telemetry import AccessRecord
from penstock.transcript.deltas import Delta

_JSON = "application/json"


class WholeReply:
    """A reply whose body is complete."""

    status = 200

    def __init__(self, body: bytes) -> None:
        self.headers: Mapping[str, str] = {"content-type": _JSON, "content-length": str(len(body))}
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The body."""
        yield self._body

    async def aclose(self) -> None:
        """There is nothing to close."""


class PiecesReply:
    """A JSON body that is made while it is sent."""

    status = 200
    headers: Mapping[str, str] = {"content-type": _JSON}

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """The next piece. It yields to the event loop first."""
        await asyncio.sleep(0)
        for piece in self._pieces:
            return piece
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """There is nothing to close."""


class ChunkedReply(DirectSource[bytes]):
    """A stream of chunks, one batch of deltas after the other, in turn for each choice."""

    status = 200
    headers: Mapping[str, str] = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}

    def __init__(self, choices: Sequence[Deltas], writer: ChunkWriter, record: AccessRecord) -> None:
        self._choices = choices
        self._open = dict(enumerate(choices))
        """The choices that have not ended, in the order of their turns."""
        self._reading: dict[int, asyncio.Future[list[Delta] | None]] = {}
        self._writer = writer
        self._record = record
        self._is_ended = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """The chunks of the next batch. A cancelled call loses nothing."""
        while self._open:
            try:
                choice, batch = await self._next()
            except ApiError as error:
                return self._fail(error)
            deltas = self._open.pop(choice)
            if batch is None:
                continue
            self._open[choice] = deltas  # after the others
            if chunks := self._writer.write(choice, batch):
                return chunks
        return self._end()

    def send_to(self, outlet: Outlet[bytes]) -> None:
        """Send the chunks of choices directly, if the model can."""
        for choice, deltas in enumerate(self._choices):
            if isinstance(deltas, DirectSource):
                deltas.send_to(Outlet(outlet.is_ready, partial(self._write_now, choice, outlet.send)))

    def _write_now(self, choice: int, send: Callable[[bytes], None], batch: list[Delta]) -> None:
        if chunks := self._writer.write(choice, batch):
            send(chunks)

    async def aclose(self) -> None:
        """End all choices."""
        for reading in self._reading.values():
            if not reading.cancel() and not reading.cancelled():
                reading.exception()  # it is of no use any longer
        for deltas in self._choices:
            await deltas.aclose()

    async def _next(self) -> tuple[int, list[Delta] | None]:
        """The next batch of any choice, or None at the end of one. A choice may wait until another one has ended."""
        if len(self._choices) == 1:
            return 0, await anext(aiter(self._choices[0]), None)
        for choice, deltas in self._open.items():
            if choice not in self._reading:
                self._reading[choice] = asyncio.ensure_future(anext(aiter(deltas), None))
        await asyncio.wait(self._reading.values(), return_when=asyncio.FIRST_COMPLETED)
        choice = next(choice for choice in self._open if self._reading[choice].done())
        return choice, self._reading.pop(choice).result()

    def _fail(self, error: ApiError) -> bytes:
        """The end of a stream that failed after it had begun."""
        self._open.clear()
        self._is_ended = True
        self._record.failed(error, by_upstream=True)
        return self._writer.fail(error)

    def _end(self) -> bytes:
        if self._is_ended:
            raise StopAsyncIteration
        self._is_ended = True
        note_end(self._record, self._writer)
        return self._writer.close()


def note_end(record: AccessRecord, writer: ChunkWriter | CompletionWriter) -> None:
    """Note how a completion has ended, and what it cost."""
    usage, reason = writer.usage(), writer.incomplete()
    record.response_status = "incomplete" if reason else "completed"
    record.response_reason = reason or ""
    record.input_tokens, record.output_tokens = usage.prompt_tokens, usage.completion_tokens
    record.cached_tokens = usage.prompt_tokens_details.cached_tokens
    record.reasoning_tokens = usage.completion_tokens_details.reasoning_tokens
