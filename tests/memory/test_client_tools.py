"""Chains with tools that the client carries out: the output alone is sent, and its call is remembered."""

from __future__ import annotations

import pytest

from memory.judge import Peer
from support.actions import ACTIONS, asked
from support.steps import Json
from support.upstream import ScriptedUpstream


@pytest.mark.parametrize("name", ACTIONS)
def test_an_action_is_answered_in_the_next_turn(a: Peer, b: Peer, upstream: ScriptedUpstream, name: str) -> None:
    action = ACTIONS[name]
    first = a.create(model=f"{name}_call", **asked(action))
    answer: Json = action.past[1] | ({"id": "call_b"} if name == "local_shell" else {"call_id": "call_b"})
    second = b.create(model="text", input=[answer], tools=[action.tool], previous_response_id=first.id)
    a.create(model="text", input="Go on.", tools=[action.tool], previous_response_id=second.id)
    results = [one["content"] for one in upstream.completions[-1].body["messages"] if one["role"] == "tool"]
    assert results == [action.read[1]] * 2
    items = b.client.responses.input_items.list(second.id, order="asc").data
    assert [item.type for item in items if item.type != "message"] == [
        *(item["type"] for item in action.past),
        action.reported["type"],
        answer["type"],
    ]
