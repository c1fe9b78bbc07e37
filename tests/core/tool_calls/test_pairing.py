"""Which output belongs to which call, whatever the ids are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.tool_calls.pairing import Pairs, _pair_repeated, pair
from penstock.wire import FunctionCall, FunctionCallOutput, InputItem, Message
from requirements import shows

USER = Message(role="user", content="Hi")


def call(call_id: str) -> FunctionCall:
    return FunctionCall(call_id=call_id, name="f", arguments="{}")


def gave(call_id: str) -> FunctionCallOutput:
    return FunctionCallOutput(call_id=call_id, output="done")


def items_of(story: str) -> list[InputItem]:
    """A story in words: `a` is a call of that id, `a!` an output, `.` a message."""
    return [USER if word == "." else gave(word[:-1]) if word.endswith("!") else call(word) for word in story.split()]


STORIES: dict[str, tuple[dict[int, int], list[int]]] = {
    "a a!": ({0: 1}, []),
    "a b b! a!": ({0: 3, 1: 2}, []),
    "a a! a a!": ({0: 1, 2: 3}, []),
    "a a a! a!": ({0: 2, 1: 3}, []),
    "a . a a! a!": ({2: 3, 0: 4}, []),
    "a b a a! a! a!": ({0: 3, 2: 4}, [1, 5]),
    "a! a": ({1: 0}, []),
    "a! a! a a": ({2: 0, 3: 1}, []),
    "a! a a!": ({1: 0}, [2]),
    "a a": ({}, [0, 1]),
    "a a a!": ({0: 2}, [1]),
    "a . a a!": ({2: 3}, [0]),
    "a b! .": ({}, [0, 1]),
    ". a a! . a . a!": ({1: 2, 4: 6}, []),
}


@shows("repeated-call-ids")
@pytest.mark.parametrize("story", STORIES)
def test_outputs_belong_to_the_nearest_call_without_one(story: str) -> None:
    output_of, alone = STORIES[story]
    assert pair(items_of(story)) == Pairs(output_of, alone)


@given(st.permutations(["a", "a!", "b", "b!", "c", "c!", ".", "."]), st.integers(0, 8))
def test_items_without_repeated_ids_are_paired_alike(words: list[str], count: int) -> None:
    """Both ways, that in one pass and that of all cases."""
    items = items_of(" ".join(words[:count]))
    assert pair(items) == _pair_repeated(items)
