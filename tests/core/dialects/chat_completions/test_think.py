"""Thoughts within the text, separated while they come."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.dialects.chat_completions.decoded import STOP, choice, decode, stream, whole
from core.kit import CUTS, LIMITS, plan
from penstock.dialects.chat_completions import ChatCompletions, Options
from penstock.dialects.chat_completions.think import ThinkSplitter
from penstock.transcript.deltas import ReasoningDelta, TextDelta
from requirements import shows

THOUGHT = re.compile(r"\s*<think>\n*(.*?)(?:</think>\n*(.*))?", re.DOTALL)


def result(pieces: list[str], *, is_opened: bool = False) -> tuple[str, str]:
    splitter = ThinkSplitter(is_opened=is_opened)
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


OPENED: dict[str, tuple[str, str]] = {
    "": ("", ""),
    "Hm</think>Hi": ("Hm", "Hi"),
    "\n\nHm\n</think>\n\nHi\n": ("Hm\n", "Hi\n"),
    "<think>Hm</think>Hi": ("Hm", "Hi"),
    "</think>Hi": ("", "Hi"),
    "Hm": ("Hm", ""),
    "<thi": ("<thi", ""),
    "1 < 2</think>a</think>b": ("1 < 2", "a</think>b"),
    "Is <think> a tag?</think>Yes": ("Is <think> a tag?", "Yes"),
}


@shows("thoughts-without-beginning", "inline-thoughts")
@pytest.mark.parametrize(("text", "apart"), OPENED.items(), ids=map(repr, OPENED))
def test_a_thought_that_the_template_begins_needs_no_first_tag(text: str, apart: tuple[str, str]) -> None:
    assert result([text], is_opened=True) == apart
    assert result(list(text), is_opened=True) == apart


def test_a_thought_without_its_beginning_is_streamed_at_once() -> None:
    splitter = ThinkSplitter(is_opened=True)
    assert splitter.feed("Hm") == [ReasoningDelta("Hm")]
    assert splitter.feed(" </think>\nHi") == [ReasoningDelta(" "), TextDelta("Hi")]


@shows("thoughts-without-beginning")
def test_a_whole_text_shows_that_its_thought_has_no_beginning() -> None:
    body = whole({"content": "Hm</think>\nHi"})
    assert decode(body, inline_think=True) == [ReasoningDelta("Hm"), TextDelta("Hi"), STOP]
    assert decode(body) == [TextDelta("Hm</think>\nHi"), STOP]
    between = "Put it between <think> and </think>."
    assert decode(whole({"content": between}), inline_think=True) == [TextDelta(between), STOP]
    chunks = stream(choice({"content": "Hm"}), choice({"content": "</think>Hi"}, "stop"))
    assert decode(chunks, inline_think="opened") == [ReasoningDelta("Hm"), TextDelta("Hi"), STOP]
    assert decode(chunks, inline_think=True) == [TextDelta("Hm"), TextDelta("</think>Hi"), STOP]


def test_a_thought_in_its_own_field_leaves_the_text_a_text() -> None:
    chunks = stream(choice({"reasoning_content": "Hm"}), choice({"content": "Hi"}, "stop"))
    assert decode(chunks, inline_think="opened") == [ReasoningDelta("Hm"), TextDelta("Hi"), STOP]


@pytest.mark.parametrize(("text_format", "is_thought"), [("text", True), ("json_object", False)])
def test_json_that_was_asked_for_begins_with_no_thought(text_format: str, is_thought: bool) -> None:
    dialect = ChatCompletions(Options(inline_think="opened"), LIMITS)
    decoder = dialect.decoder(plan(text={"format": {"type": text_format}}).turn)
    [first, *_] = decoder.feed(stream(choice({"content": "{}"}, "stop")))
    assert isinstance(first, ReasoningDelta) is is_thought


def test_nothing_waits_that_is_certain() -> None:
    splitter = ThinkSplitter()
    assert splitter.feed("<think>Hm <") == [ReasoningDelta("Hm ")]
    assert splitter.feed("b></th") == [ReasoningDelta("<b>")]
    assert splitter.feed("ink>\nHi <") == [TextDelta("Hi <")]
