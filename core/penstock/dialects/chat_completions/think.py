"""Inline thoughts: text in which `<think>…</think>` stands for reasoning, split while it comes.

It knows the two tags and holds back what may be the beginning of one. Where a model's template begins the thought, only
the second tag comes. But for the blank lines behind the tags it never loses or adds a character. Logprobs go with the
text; those of thoughts are dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from penstock.transcript.deltas import Delta, ReasoningDelta, TextDelta
from penstock.wire import Logprob

InlineThink: TypeAlias = bool | Literal["opened"]
"""Whether a text has thoughts, and whether it begins within one."""

_OPEN = "<think>"
_CLOSE = "</think>"


class ThinkSplitter:
    """Text in, text and thoughts out. Thoughts stand at the start of the text or nowhere: later tags are text."""

    def __init__(self, *, is_opened: bool = False) -> None:
        self.is_opened = is_opened
        """Whether the text begins within a thought, with or without the first tag."""
        self._held = ""
        self._where = "start"
        self._fed_chars = 0
        self._logprobs: list[tuple[int, Logprob]] = []
        """Those of what is held back, each with where its token ends."""

    def feed(self, text: str, logprobs: Sequence[Logprob] = ()) -> list[Delta]:
        """What is certain by now of the text so far."""
        end = self._fed_chars
        for logprob in logprobs:
            end += len(logprob.token)
            self._logprobs.append((end, logprob))
        self._fed_chars += len(text)
        self._held += text
        out: list[Delta] = []
        if self._where == "start":
            self._leave_start()
        if self._where == "opened":
            self._skip_newlines("thought")
        if self._where == "thought":
            self._read_thought(out)
        if self._where == "closed":
            self._skip_newlines("text")
        if self._where == "text" and self._held:
            out.append(self._held_text())
        return out

    def expect_whole(self, text: str) -> None:
        """Begin within a thought if this text, the only one that follows, has the second tag without the first."""
        thought, tag, _ = text.partition(_CLOSE)
        # spec: thoughts-without-beginning
        if tag and _OPEN not in thought:
            self.is_opened = True

    def close(self) -> list[Delta]:
        """What was held back."""
        if not self._held:
            return []
        is_thought = self._where == "thought" or (self._where == "start" and self.is_opened)
        return [ReasoningDelta(self._held) if is_thought else self._held_text()]

    def _held_text(self) -> TextDelta:
        """What is held as text, with the logprobs of all tokens that reach into it."""
        delta = TextDelta(self._held, [logprob for _, logprob in self._reaching()])
        self._held, self._logprobs = "", []
        return delta

    def _reaching(self) -> list[tuple[int, Logprob]]:
        """The logprobs of tokens that reach into what is held."""
        begins = self._fed_chars - len(self._held)
        return [(end, logprob) for end, logprob in self._logprobs if end > begins]

    def _leave_start(self) -> None:
        text = self._held.lstrip()
        # spec: quirk-thoughts
        if text.startswith(_OPEN):
            self._where = "opened"
            self._held = text[len(_OPEN) :]
        elif not _OPEN.startswith(text):
            self._where = "opened" if self.is_opened else "text"

    def _skip_newlines(self, where: str) -> None:
        """Go on to `where` at the first character that is no line end."""
        self._held = self._held.lstrip("\n")
        if self._held:
            self._where = where

    def _read_thought(self, out: list[Delta]) -> None:
        thought, tag, rest = self._held.partition(_CLOSE)
        if tag:
            self._where = "closed"
            self._held = rest
        else:
            keep = _partial_tag(thought)
            thought, self._held = thought[: len(thought) - keep], thought[len(thought) - keep :]
        if thought:
            out.append(ReasoningDelta(thought))
        self._logprobs = self._reaching()


def _partial_tag(text: str) -> int:
    """How many characters at the end of a text may be the beginning of the closing tag."""
    return next((n for n in range(len(_CLOSE) - 1, 0, -1) if text.endswith(_CLOSE[:n])), 0)
