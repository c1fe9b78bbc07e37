"""The plain chunk: a piece of the answer's text, or of a thought, and nothing else. Nearly every chunk is one.

It knows a part of what `wire` knows, in structs that take a third of the time. What it does not take is read as
`wire.ReadReply`; what it takes means the same there.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from penstock.transcript.deltas import ReasoningRun, TextRun

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
