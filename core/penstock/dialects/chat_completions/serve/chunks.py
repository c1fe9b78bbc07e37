"""Deltas as the chunks of a stream: the reverse of `penstock.dialects.chat_completions.decode`.

It knows the chunks of chat completions and of completions. Chunks of one stream differ only in a few values, so their
common bytes are made once, and a run of texts is joined with them in one step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, TypeAlias

import msgspec

from penstock.errors import ApiError
from penstock.sse import DONE
from penstock.transcript.deltas import (
    Delta,
    Finish,
    ReasoningDelta,
    ReasoningRun,
    RefusalDelta,
    TextDelta,
    TextRun,
    ToolCallDelta,
    UsageDelta,
)
from penstock.wire import IncompleteReason, Logprob, Usage

from .logprobs import text_logprobs
from .replies import ChatUsage
from .turns import Generation
from .usage import finish_reason, sum_usage

_encoder = msgspec.json.Encoder()
_encode = _encoder.encode
_encode_lines = _encoder.encode_lines

_NOT_ENDED = b',"logprobs":null,"finish_reason":null'
_USAGE = b'}],"usage":{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}}\n\n'
_ROLE = b'"delta":{"role":"assistant","content":""}' + _NOT_ENDED

Write: TypeAlias = Callable[[Any, int, Any], bytes]


class _Progress(msgspec.Struct):
    """What was written of one choice."""

    tokens: int = 0
    chars: int = 0
    """The characters of its text, where it has logprobs."""
    has_calls: bool = False
    is_begun: bool = False
    usage: Usage | None = None
    incomplete: IncompleteReason | None = None


class ChunkWriter:
    """Writes the chunks of one stream. Each choice has its deltas written in their order."""

    kind: ClassVar[str]
    """The `object` of each chunk."""
    end: ClassVar[bytes]
    """The last content of a choice, which is empty."""
    writers: ClassVar[dict[type[Any], Write]] = {}
    """How a delta of each class is written. Others have no form in these chunks."""

    def __init__(self, generation: Generation, *, id: str, created: int) -> None:
        self._generation = generation
        head = {"id": id, "object": self.kind, "created": created, "model": generation.model}
        self._head = b"data: %b," % _encode(head)[:-1]
        self._prompt_tokens, self._tokens_per_delta = 0, 1
        self._choices = [_Progress() for _ in generation.turns]
        self._tail = b'}],"usage":null}\n\n' if generation.includes_usage else b"}]}\n\n"

    def count(self, *, prompt_tokens: int, tokens_per_delta: int) -> None:
        """Note what is needed where each chunk has the usage so far."""
        self._prompt_tokens, self._tokens_per_delta = prompt_tokens, tokens_per_delta

    def write(self, choice: int, deltas: Sequence[Delta]) -> bytes:
        """The chunks of these deltas of a choice, after its first chunk. Empty where they have none."""
        progress, writers = self._choices[choice], self.writers
        for delta in deltas:
            if type(delta) is UsageDelta:
                progress.usage = delta.usage
        first = b"" if progress.is_begun else self._first(choice)
        chunks = b"".join([writers[type(delta)](self, choice, delta) for delta in deltas if type(delta) in writers])
        progress.is_begun = progress.is_begun or bool(chunks)
        return first + chunks if chunks else b""

    def usage(self) -> ChatUsage:
        """The usage of all choices, when all their deltas were written."""
        return sum_usage(self._generation, [choice.usage for choice in self._choices])

    def incomplete(self) -> IncompleteReason | None:
        """Why a choice is incomplete, if one is."""
        return next((choice.incomplete for choice in self._choices if choice.incomplete), None)

    def close(self) -> bytes:
        """The end of the stream, with its usage where the client asked for it."""
        if not self._generation.includes_usage:
            return DONE
        return b'%b"choices":[],"usage":%b}\n\n%b' % (self._head, _encode(self.usage()), DONE)

    def fail(self, error: ApiError) -> bytes:
        """The end of a stream that failed."""
        return b"data: %b\n\n%b" % (error.body(), DONE)

    def _chunks(
        self, choice: int, before: bytes, values: Sequence[bytes], after: bytes, tokens: int | None = None
    ) -> bytes:
        """A chunk for each of these values, which are JSON. Each value is of one delta, or of `tokens` tokens."""
        before = b'%b"choices":[{"index":%d,%b' % (self._head, choice, before)
        if self._generation.counts_tokens:
            tokens = self._tokens_per_delta if tokens is None else tokens
            ends = self._counted(choice, tokens, len(values))
            return b"".join([before + value + after + end for value, end in zip(values, ends, strict=True)])
        after += self._tail
        return before + (after + before).join(values) + after

    def _counted(self, choice: int, tokens: int, chunks: int) -> Iterator[bytes]:
        """The ends of so many chunks of a choice, each with the usage so far."""
        progress, prompt = self._choices[choice], self._prompt_tokens
        others = sum([each.tokens for each in self._choices]) - progress.tokens
        own = progress.tokens
        # The last delta may have fewer tokens than the others.
        own_max = own + tokens * chunks if progress.usage is None else progress.usage.output_tokens
        for _ in range(chunks):
            own = min(own + tokens, own_max)
            yield _USAGE % (prompt, others + own, prompt + others + own)
        progress.tokens = own

    def _first(self, choice: int) -> bytes:
        """The chunk before those of the deltas, if there is one."""
        return b""

    def _finish(self, choice: int, delta: Finish) -> bytes:
        progress = self._choices[choice]
        progress.incomplete = delta.incomplete
        if progress.usage is not None:
            progress.tokens = progress.usage.output_tokens
        reason = _encode(finish_reason(delta.incomplete, has_calls=progress.has_calls))
        return self._chunks(choice, self.end + b',"logprobs":null,"finish_reason":', [reason], b"", tokens=0)


class ChatChunks(ChunkWriter):
    """The chunks of a chat completion. The first chunk of a choice has its role."""

    kind = "chat.completion.chunk"
    end = b'"delta":{}'

    def _first(self, choice: int) -> bytes:
        return self._chunks(choice, _ROLE, [b""], b"", tokens=0)

    def _text_run(self, choice: int, run: TextRun) -> bytes:
        return self._chunks(choice, b'"delta":{"content":', _lines(run.texts), b"}" + _NOT_ENDED)

    def _text(self, choice: int, delta: TextDelta) -> bytes:
        if not delta.logprobs:
            return self._chunks(choice, b'"delta":{"content":', [_encode(delta.text)], b"}" + _NOT_ENDED)
        value = b'%b},"logprobs":{"content":%b' % (_encode(delta.text), _encode(delta.logprobs))
        after = b',"refusal":null},"finish_reason":null'
        return self._chunks(choice, b'"delta":{"content":', [value], after, len(delta.logprobs))

    def _refusal(self, choice: int, delta: RefusalDelta) -> bytes:
        return self._chunks(choice, b'"delta":{"refusal":', [_encode(delta.text)], b"}" + _NOT_ENDED)

    def _thoughts(self, choice: int, run: ReasoningRun) -> bytes:
        if not self._generation.includes_reasoning:
            return b""
        values = [b'%b,"reasoning":%b' % (line, line) for line in _lines(run.texts)]
        return self._chunks(choice, b'"delta":{"reasoning_content":', values, b"}" + _NOT_ENDED)

    def _thought(self, choice: int, delta: ReasoningDelta) -> bytes:
        return self._thoughts(choice, ReasoningRun([delta.text]))

    def _call(self, choice: int, delta: ToolCallDelta) -> bytes:
        self._choices[choice].has_calls = True
        before = b'"delta":{"tool_calls":[{"index":%d,' % delta.index
        if delta.call_id or delta.name:
            before += b'"id":%b,"type":"function",' % _encode(delta.call_id)
        name = b'"name":%b,' % _encode(delta.name) if delta.name else b""
        before += b'"function":{%b"arguments":' % name
        return self._chunks(choice, before, [_encode(delta.arguments)], b"}}]}" + _NOT_ENDED)

    writers: ClassVar[dict[type[Any], Write]] = {
        TextRun: _text_run,
        TextDelta: _text,
        RefusalDelta: _refusal,
        ReasoningRun: _thoughts,
        ReasoningDelta: _thought,
        ToolCallDelta: _call,
        Finish: ChunkWriter._finish,
    }


class TextChunks(ChunkWriter):
    """The chunks of a completion, which are text only."""

    kind = "text_completion"
    end = b'"text":""'

    def _text_run(self, choice: int, run: TextRun) -> bytes:
        return self._chunks(choice, b'"text":', _lines(run.texts), _NOT_ENDED)

    def _text(self, choice: int, delta: TextDelta) -> bytes:
        if not delta.logprobs:
            return self._chunks(choice, b'"text":', [_encode(delta.text)], _NOT_ENDED)
        value = b'%b,"logprobs":%b' % (_encode(delta.text), self._logprobs(choice, delta.logprobs))
        return self._chunks(choice, b'"text":', [value], b',"finish_reason":null', len(delta.logprobs))

    def _logprobs(self, choice: int, logprobs: list[Logprob]) -> bytes:
        encoded = _encode(text_logprobs(logprobs, self._choices[choice].chars))
        self._choices[choice].chars += sum(len(each.token) for each in logprobs)
        return encoded

    writers: ClassVar[dict[type[Any], Write]] = {
        TextRun: _text_run,
        TextDelta: _text,
        Finish: ChunkWriter._finish,
    }


def _lines(texts: list[str]) -> list[bytes]:
    """The JSON of each text, which contains no line break."""
    return [_encode(texts[0])] if len(texts) == 1 else _encode_lines(texts).splitlines()
