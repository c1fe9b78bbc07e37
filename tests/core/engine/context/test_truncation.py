"""Truncation: what goes first, what belongs together, and what never goes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.engine.context.truncation import truncate
from penstock.tool_calls import CALLS, OUTPUTS
from penstock.wire import (
    CompactionItem,
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    InputItem,
    McpListTools,
    Message,
    ReasoningItem,
    WebSearchCall,
)
from requirements import shows

SYSTEM, DEVELOPER = Message(role="system", content="s"), Message(role="developer", content="d")
USER, ASSISTANT = "user", "assistant"


def message(role: Any, text: str = "") -> Message:
    return Message(role=role, content=text)


def call(call_id: str) -> FunctionCall:
    return FunctionCall(call_id=call_id, name="f", arguments="{}")


def output(call_id: str) -> FunctionCallOutput:
    return FunctionCallOutput(call_id=call_id, output="done")


def thought(text: str = "hm") -> ReasoningItem:
    return ReasoningItem(id=f"rs_{text}", summary=[])


def cut(items: list[InputItem], budget: int, **how: Any) -> list[InputItem]:
    """With one token for each item."""
    return truncate(items, [1] * len(items), budget, **how)


# What stays and what goes.


def test_a_context_that_fits_is_not_changed() -> None:
    items = [message(USER, "1"), message(ASSISTANT, "2"), message(USER, "3")]
    assert cut(items, 3) == items
    assert cut([], 0) == []


def test_the_oldest_go_first_and_no_more_than_must() -> None:
    items = [
        message(USER, "1"),
        message(ASSISTANT, "2"),
        message(USER, "3"),
        message(ASSISTANT, "4"),
        message(USER, "5"),
    ]
    assert cut(items, 3) == items[2:]
    assert cut(items, 4) == items[1:]


@shows("truncation-auto")
@pytest.mark.parametrize("stored", [SYSTEM, DEVELOPER])
def test_instructions_are_never_removed(stored: Message) -> None:
    items = [stored, message(USER, "1"), stored, message(ASSISTANT, "2"), message(USER, "3")]
    assert cut(items, 0) == [stored, stored, items[-1]]


def test_leading_items_never_go() -> None:
    items = [message(USER, "an example"), message(ASSISTANT, "its answer"), message(USER, "1"), message(USER, "2")]
    assert cut(items, 0, leading=2) == [items[0], items[1], items[3]]
    assert cut(items, 0, leading=9) == items


@shows("truncation-auto")
def test_the_last_question_and_the_last_item_never_go() -> None:
    items = [message(USER, "1"), message(USER, "2"), call("a"), output("a"), thought(), call("b"), output("b")]
    assert cut(items, 0) == [items[1], *items[4:]]


def test_a_call_is_removed_with_its_output_and_the_reasoning_before_it() -> None:
    items = [message(USER, "1"), thought(), call("a"), message(USER, "2"), output("a"), message(USER, "3")]
    assert cut(items, 5) == [items[index] for index in (1, 2, 3, 4, 5)]
    assert cut(items, 4) == [items[3], items[5]]


def test_the_calls_of_one_turn_go_together() -> None:
    turn = [thought(), message(ASSISTANT, "Let me see."), call("a"), call("b"), output("b"), output("a")]
    items = [*turn, thought("next"), call("c"), output("c"), message(USER, "?")]
    assert cut(items, 9) == items[6:]
    assert cut(items, 3) == items[9:]


def test_an_output_before_its_call_is_removed_with_it() -> None:
    items = [output("a"), message(USER, "1"), call("a"), message(USER, "2")]
    assert cut(items, 3) == [items[1], items[3]]


@shows("truncation-auto")
def test_a_compaction_replaces_earlier_items_and_is_never_removed() -> None:
    compaction = CompactionItem(encrypted_content="sealed")
    items = [message(USER, "1"), compaction, message(USER, "2"), message(USER, "3")]
    assert cut(items, 0) == [compaction, items[-1]]


def test_a_call_that_is_its_own_output_is_removed_with_its_turn() -> None:
    search = WebSearchCall(id="ws_1", status="completed", action=msgspec.Raw(b'{"type":"search","query":"x"}'))
    items = [thought(), search, call("a"), output("a"), message(USER, "?")]
    assert cut(items, 4) == items[4:]


def test_searches_without_an_id_have_nothing_to_do_with_each_other() -> None:
    items = [WebSearchCall(), message(USER, "1"), WebSearchCall(), message(USER, "2")]
    assert cut(items, 3) == items[1:]


def test_items_that_the_model_does_not_read_do_not_split_a_turn() -> None:
    tools = McpListTools(id="mcpl_1", server_label="s", tools=msgspec.Raw(b"[]"))
    items = [thought(), tools, call("a"), output("a"), message(USER, "?")]
    assert cut(items, 4) == [tools, items[-1]]


def test_what_the_items_cost_decides() -> None:
    items = [message(USER, "long"), message(ASSISTANT, "short"), message(USER, "?")]
    assert truncate(items, [100, 1, 1], 50) == items[1:]
    assert truncate(items, [1, 100, 1], 50) == items[2:]


# Properties.


@st.composite
def contexts(draw: st.DrawFn) -> tuple[list[InputItem], list[int]]:
    """Any order of messages, thoughts, and calls with an output somewhere behind them."""
    items: list[InputItem] = draw(
        st.lists(
            st.one_of(
                st.builds(message, st.sampled_from(["user", "user", "assistant", "system", "developer"])),
                st.builds(thought),
            ),
            max_size=12,
        )
    )
    for number in range(draw(st.integers(0, 5))):
        call_id = f"call_{number}"
        is_custom = draw(st.booleans())
        made: Any = CustomToolCall(call_id=call_id, name="f", input="x") if is_custom else call(call_id)
        gave: Any = CustomToolCallOutput(call_id=call_id, output="y") if is_custom else output(call_id)
        at = draw(st.integers(0, len(items)))
        items.insert(at, made)
        items.insert(draw(st.integers(at + 1, len(items))), gave)
    tokens = draw(st.lists(st.integers(0, 20), min_size=len(items), max_size=len(items)))
    return items, tokens


@given(contexts(), st.integers(-5, 200), st.integers(0, 3))
def test_the_rest_fits_or_nothing_more_could_be_removed(
    context: tuple[list[InputItem], list[int]], budget: int, leading: int
) -> None:
    items, tokens = context
    stored = truncate(items, tokens, budget, leading=leading)
    least = truncate(items, tokens, -1, leading=leading)
    cost = _cost(items, tokens, stored)
    assert cost <= budget or stored == least
    assert all(any(one is item for item in stored) for one in least)


@given(contexts(), st.integers(0, 200), st.integers(0, 50))
def test_a_larger_budget_never_keeps_fewer_items(
    context: tuple[list[InputItem], list[int]], budget: int, more: int
) -> None:
    items, tokens = context
    stored, roomier = truncate(items, tokens, budget), truncate(items, tokens, budget + more)
    assert all(any(one is item for item in roomier) for one in stored)


@given(contexts(), st.integers(-1, 200))
def test_pairs_are_never_split_and_the_order_stays(context: tuple[list[InputItem], list[int]], budget: int) -> None:
    items, tokens = context
    stored = truncate(items, tokens, budget)
    calls = {CALLS[type(item)](item).call_id for item in stored if type(item) in CALLS}
    outputs = {OUTPUTS[type(item)](item).call_id for item in stored if type(item) in OUTPUTS}
    assert calls == outputs
    indices = [_index(items, item) for item in stored]
    assert indices == sorted(indices)
    for thinking, following in pairwise(items):
        if isinstance(thinking, ReasoningItem) and type(following) in CALLS:
            assert any(one is thinking for one in stored) == any(one is following for one in stored)


@given(contexts(), st.integers(-1, 200))
def test_once_is_enough(context: tuple[list[InputItem], list[int]], budget: int) -> None:
    items, tokens = context
    stored = truncate(items, tokens, budget)
    costs = [tokens[_index(items, item)] for item in stored]
    assert truncate(stored, costs, budget) == stored


def _index(items: list[InputItem], item: InputItem) -> int:
    return next(index for index, one in enumerate(items) if one is item)


def _cost(items: list[InputItem], tokens: list[int], stored: list[InputItem]) -> int:
    return sum(tokens[_index(items, item)] for item in stored)


@shows("returned-fields")
def test_the_upstream_fields_of_a_turn_are_removed_with_it() -> None:
    carrier = ReasoningItem(id="rs_1", summary=[])
    items = [call("a"), carrier, output("a"), message(USER, "2")]
    assert cut(items, 3) == items[3:]


@shows("repeated-call-ids")
def test_an_output_belongs_to_the_nearest_call_of_its_id() -> None:
    items = [
        *(message(USER, "1"), call("call_0"), output("call_0")),
        *(message(USER, "2"), call("call_0"), output("call_0")),
        message(USER, "3"),
    ]
    assert cut(items, 4) == items[3:]
    assert cut(items, 3) == [items[4], items[5], items[6]]
