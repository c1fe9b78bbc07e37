"""The replies to chat clients: streams of chunks, whole bodies, and bodies in several pieces.

They read the deltas of all choices in turn, so that slow choices of one request do not wait for each other.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

from penstock.dialects.chat_completions.serve.chunks import ChunkWriter
from penstock.dialects.chat_completions.serve.whole import CompletionWriter
from penstock.errors import ApiError
from penstock.ports import Deltas
from penstock.telemetry import AccessRecord

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


class ChunkedReply:
    """A stream of chunks, one batch of deltas after the other, in turn for each choice."""

    status = 200
    headers: Mapping[str, str] = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}

    def __init__(self, choices: Sequence[Deltas], writer: ChunkWriter, record: AccessRecord) -> None:
        self._choices = choices
        self._open = deque(enumerate(choices))
        self._writer = writer
        self._record = record
        self._is_ended = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """The chunks of the next batch. A cancelled call loses nothing."""
        while self._open:
            choice, deltas = self._open[0]
            try:
                batch = await anext(aiter(deltas))
            except StopAsyncIteration:
                self._open.popleft()
            except ApiError as error:
                return self._fail(error)
            else:
                self._open.rotate(-1)
                if chunks := self._writer.write(choice, batch):
                    return chunks
        return self._end()

    async def aclose(self) -> None:
        """End all choices."""
        for deltas in self._choices:
            await deltas.aclose()

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
