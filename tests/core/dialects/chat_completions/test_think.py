"""Thoughts within the text, separated while they come."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.kit import CUTS
from penstock.dialects.chat_completions.think import ThinkSplitter
from penstock.transcript.deltas import ReasoningDelta, TextDelta

THOUGHT = re.compile(r"\s*<think>\n*(.*?)(?:</think>\n*(.*))?", re.DOTALL)


def result(pieces: list[str]) -> tuple[str, str]:
    splitter = ThinkSplitter()
    deltas = [delta for piece in pieces for delta in splitter.feed(piece)] + splitter.close()
    assert all(delta.text for delta in deltas if isinstance(delta, ReasoningDelta | TextDelta))
    thought, text = (
        "".join(delta.text for delta in deltas if isinstance(delta, cls)) for cls in (ReasoningDelta, TextDelta)
    )
    return thought, text


TEXTS: dict[str, tuple[str, str]] = {
    "": ("", ""),
    "Hi": ("", "Hi"),
    " Hi": ("", " Hi"),
    "<think>Hm</think>Hi": ("Hm", "Hi"),
    "<think>\n\nHm\n</think>\n\n Hi\n": ("Hm\n", " Hi\n"),
    " \n<think>Hm</think>": ("Hm", ""),
    "<think></think>Hi": ("", "Hi"),
    "<think>Hm": ("Hm", ""),
    "<think>Hm</thi": ("Hm</thi", ""),
    "<thi": ("", "<thi"),
    "<thing>": ("", "<thing>"),
    "Hi <think>Hm</think>": ("", "Hi <think>Hm</think>"),
    "<think>a</think>b<think>c</think>": ("a", "b<think>c</think>"),
    "<think>1 < 2 </ </think </think>Hi": ("1 < 2 </ </think ", "Hi"),
}


@pytest.mark.parametrize(("text", "apart"), TEXTS.items(), ids=map(repr, TEXTS))
def test_it_separates_thoughts_from_text(text: str, apart: tuple[str, str]) -> None:
    assert result([text]) == apart
    assert result(list(text)) == apart


@given(st.lists(st.sampled_from(["<think>", "</think>", "</thin", "<", "\n", " ", "a"])).map("".join), CUTS)
@example("<think>\n</think>\na", [7, 8, 16, 17])
def test_any_split_gives_the_same(text: str, cuts: list[int]) -> None:
    ends = sorted({at % (len(text) + 1) for at in cuts})
    pieces = [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]
    thought = THOUGHT.fullmatch(text)
    assert result(pieces) == ((thought[1], thought[2] or "") if thought else ("", text))


def test_nothing_waits_that_is_certain() -> None:
    splitter = ThinkSplitter()
    assert splitter.feed("<think>Hm <") == [ReasoningDelta("Hm ")]
    assert splitter.feed("b></th") == [ReasoningDelta("<b>")]
    assert splitter.feed("ink>\nHi <") == [TextDelta("Hi <")]
