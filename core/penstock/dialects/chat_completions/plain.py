"""The plain chunk: a piece of the answer's text, or of a thought, and nothing else. Nearly every chunk is one.

And the plain reply: a whole completion with a text, and nothing else. Both know a part of what `wire` knows, in structs
that take a third of the time. What they do not take is read as `wire.ReadReply`; what they take means the same there.
"""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from penstock.transcript.deltas import ReasoningRun, TextRun

from .usage import ReadUsage

_MISSES_MAX = 8
"""How many chunks of a reply may be no plain ones; then all of them are read in the other way, without a first try."""


class _Plain(msgspec.Struct, kw_only=True, gc=False):
    """A JSON object that we read; unknown keys are skipped. It holds nothing that could be part of a cycle."""


class _Delta(_Plain, forbid_unknown_fields=True):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    role: str | None = None
    refusal: None = None
    tool_calls: None = None
    function_call: None = None


class _Choice(_Plain):
    delta: _Delta
    index: Literal[0] | None = None
    message: None = None
    finish_reason: None = None
    native_finish_reason: None = None
    error: None = None
    usage: None = None
    logprobs: None = None


class _Chunk(_Plain):
    choices: tuple[_Choice]
    usage: None = None
    error: None = None


_decode = msgspec.json.Decoder(_Chunk).decode

_Nothing: TypeAlias = Annotated[list[Any], msgspec.Meta(max_length=0)] | None
"""What stands where there are none of something."""


class PlainMessage(_Plain, forbid_unknown_fields=True):
    """A message with a text, and nothing else."""

    content: Annotated[str, msgspec.Meta(min_length=1)]
    role: str | None = None
    refusal: None = None
    annotations: _Nothing = None
    audio: None = None
    tool_calls: _Nothing = None
    function_call: None = None
    reasoning_content: None = None
    reasoning: None = None


class PlainChoice(_Plain):
    """The only choice."""

    message: PlainMessage
    index: Literal[0] | None = None
    delta: None = None
    finish_reason: str | None = None
    native_finish_reason: None = None
    error: None = None
    usage: None = None
    logprobs: None = None


class PlainReply(_Plain):
    """A whole completion. Without usage it is no plain one, since few backends report that by another name."""

    choices: tuple[PlainChoice]
    usage: ReadUsage
    error: None = None
    citations: _Nothing = None
    search_results: _Nothing = None
    service_tier: str | None = None


_decode_reply = msgspec.json.Decoder(PlainReply).decode


def read_plain_reply(body: bytes | bytearray) -> PlainReply | None:
    """The completion, if it is a plain one."""
    try:
        return _decode_reply(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


class PlainReader:
    """Reads the plain chunks of one reply."""

    def __init__(self) -> None:
        self._misses_left = _MISSES_MAX

    def run(self, chunks: list[bytes], start: int) -> TextRun | ReasoningRun | None:
        """The text, or the reasoning, of the chunks from `start` on. None where the first is no plain one.

        The chunk after a run is no plain one either, or has another kind of content.
        """
        texts: list[str] = []
        thoughts: list[str] = []
        try:
            for at in range(start, len(chunks) if self._misses_left else start):
                delta = _decode(chunks[at]).choices[0].delta
                text, thought = delta.content, delta.reasoning_content or delta.reasoning
                if text and not (thought or thoughts):
                    texts.append(text)
                elif thought and not (text or texts):
                    thoughts.append(thought)
                else:
                    break
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            self._misses_left -= 1
        return TextRun(texts) if texts else ReasoningRun(thoughts) if thoughts else None
