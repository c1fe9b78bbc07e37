"""Chains by `previous_response_id`: what the upstream is shown, each item once, and instructions never twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import openai
import pytest
from openai.types.responses import Response

from memory.judge import Peer
from requirements import shows
from support.scripts import PARIS, WEATHER
from support.upstream import ScriptedUpstream

HELLO = "Hello, world"


def visible_messages(upstream: ScriptedUpstream) -> list[tuple[str, Any]]:
    """The messages of the latest request, as role and text."""
    return [(one["role"], one.get("content")) for one in upstream.completions[-1].body["messages"]]


@shows("stored-before-sent", "chains", "input-items")
def test_a_chain_goes_on_at_the_other_replica(a: Peer, b: Peer, upstream: ScriptedUpstream) -> None:
    """It grows by a turn a time, on this replica and on that."""
    expected: list[tuple[str, str]] = []
    previous = None
    for number, peer in enumerate((a, b, b, a)):
        made = peer.create(model="text", input=f"Turn {number}", previous_response_id=previous)
        assert made.previous_response_id == previous
        expected.append(("user", f"Turn {number}"))
        assert visible_messages(upstream) == expected
        expected.append(("assistant", HELLO))
        previous = made.id
    items = b.client.responses.input_items.list(made.id, order="asc").data
    assert [(item.role, item.content[0].text) for item in items] == expected[:-1]
    assert len({item.id for item in items}) == len(items)


def test_a_chain_forks(a: Peer, b: Peer, upstream: ScriptedUpstream) -> None:
    root = a.create(model="text", input="Root")
    for peer, branch in ((a, "left"), (b, "right")):
        peer.create(model="text", input=branch, previous_response_id=root.id)
        assert visible_messages(upstream) == [("user", "Root"), ("assistant", HELLO), ("user", branch)]


@shows("chains")
def test_instructions_are_never_inherited(a: Peer, b: Peer, upstream: ScriptedUpstream) -> None:
    first = a.create(model="text", input="One", instructions="Be brief.")
    assert visible_messages(upstream)[0] == ("system", "Be brief.")
    second = b.create(model="text", input="Two", previous_response_id=first.id)
    assert second.instructions is None
    assert [role for role, _ in visible_messages(upstream)] == ["user", "assistant", "user"]
    b.create(model="text", input="Three", instructions="Be long.", previous_response_id=second.id)
    assert [text for role, text in visible_messages(upstream) if role == "system"] == ["Be long."]


def test_a_call_is_answered_in_the_next_turn(a: Peer, b: Peer, upstream: ScriptedUpstream) -> None:
    first = a.create(model="call", input="Weather?", tools=[WEATHER])
    answer = {"type": "function_call_output", "call_id": first.output[0].call_id, "output": "Sun."}
    b.create(model="text", input=[answer], tools=[WEATHER], previous_response_id=first.id)
    asked, called, answered = upstream.completions[-1].body["messages"]
    assert asked["content"] == "Weather?"
    assert [call["function"]["arguments"] for call in called["tool_calls"]] == [PARIS]
    assert (answered["role"], answered["content"]) == ("tool", "Sun.")
    assert answered["tool_call_id"] == called["tool_calls"][0]["id"]


def test_a_response_that_failed_is_chained_on(a: Peer, b: Peer, upstream: ScriptedUpstream) -> None:
    """What it generated before it broke is its output."""
    broken = a.events(model="cut", input="One")[-1].response
    assert broken.status == "failed"
    b.create(model="text", input="Two", previous_response_id=broken.id)
    assert visible_messages(upstream) == [("user", "One"), ("assistant", HELLO), ("user", "Two")]


def test_a_turn_that_is_deleted_is_where_the_chain_begins(a: Peer, b: Peer, upstream: ScriptedUpstream) -> None:
    ids: list[str] = []
    for number in range(3):
        ids.append(a.create(model="text", input=str(number), previous_response_id=ids[-1] if ids else None).id)
    b.client.responses.delete(ids[1])
    a.create(model="text", input="3", previous_response_id=ids[2])
    assert [text for role, text in visible_messages(upstream) if role == "user"] == ["2", "3"]


@shows("replayed-items")
def test_an_item_by_reference(a: Peer, b: Peer, upstream: ScriptedUpstream) -> None:
    made = a.create(model="text", input="One")
    (asked,) = a.client.responses.input_items.list(made.id).data
    references = [{"type": "item_reference", "id": one.id} for one in (asked, *made.output)]
    b.create(model="text", input=[*references, {"role": "user", "content": "Two"}])
    assert visible_messages(upstream) == [("user", "One"), ("assistant", HELLO), ("user", "Two")]


@shows("standing-references")
def test_a_reference_to_what_the_chain_has_adds_nothing(a: Peer, b: Peer, upstream: ScriptedUpstream) -> None:
    made = a.create(model="text", input="One")
    reference = {"type": "item_reference", "id": made.output[0].id}
    ask = [reference, {"role": "user", "content": "Two"}]
    b.create(model="text", input=ask, previous_response_id=made.id)
    assert visible_messages(upstream) == [("user", "One"), ("assistant", HELLO), ("user", "Two")]


@shows("standing-references")
def test_a_reference_twice_stands_there_once(a: Peer, b: Peer, upstream: ScriptedUpstream) -> None:
    made = a.create(model="text", input="One")
    reference = {"type": "item_reference", "id": made.output[0].id}
    b.create(model="text", input=[reference, reference, {"role": "user", "content": "Two"}])
    assert visible_messages(upstream) == [("assistant", HELLO), ("user", "Two")]


@shows("chains")
def test_output_that_is_sent_again_beside_the_chain_stands_there_once(
    a: Peer, b: Peer, upstream: ScriptedUpstream
) -> None:
    """Clients that keep the items themselves send them with their ids, and chain all the same."""
    made = a.create(model="text", input="One")
    ask = [made.output[0].to_dict(), {"role": "user", "content": "Two"}]
    second = b.create(model="text", input=ask, previous_response_id=made.id)
    assert visible_messages(upstream) == [("user", "One"), ("assistant", HELLO), ("user", "Two")]
    items = a.client.responses.input_items.list(second.id).data
    assert len(items) == 3


@shows("store-false")
@pytest.mark.parametrize("previous", ["resp_" + "0" * 48, "nonsense", "msg_1"])
def test_what_cannot_be_chained_on(a: Peer, upstream: ScriptedUpstream, previous: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        a.create(model="text", input="Hello?", previous_response_id=previous)
    assert (caught.value.param, caught.value.code) == ("previous_response_id", "previous_response_not_found")
    assert not upstream.completions


@shows("one-past")
@pytest.mark.parametrize("path", ["/responses", "/responses/compact", "/responses/input_tokens"])
@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize("form", [str, lambda conversation_id: {"id": conversation_id}], ids=["id", "object"])
def test_one_past_at_most(
    a: Peer, upstream: ScriptedUpstream, path: str, known: bool, form: Callable[[str], object]
) -> None:
    """Neither is looked up: whether they are there is not reported."""
    previous = a.create(model="text", input="One").id if known else "resp_1"
    conversation = a.client.conversations.create().id if known else "conv_1"
    upstream.forget()
    body = {"model": "text", "input": "Two", "previous_response_id": previous, "conversation": form(conversation)}
    with pytest.raises(openai.BadRequestError) as caught:
        a.client.post(path, body=body, cast_to=object)
    assert (caught.value.param, caught.value.code) == (None, "mutually_exclusive_parameters")
    assert not upstream.completions


@shows("one-past")
@pytest.mark.parametrize("absent", ["previous_response_id", "conversation"])
def test_null_is_no_past(a: Peer, absent: str) -> None:
    made = a.create(model="text", input="One")
    past = {"previous_response_id": made.id, "conversation": a.client.conversations.create().id, absent: None}
    body = {"model": "text", "input": "Two", **past}
    reply = a.client.post("/responses", body=body, cast_to=Response)
    assert reply.status == "completed"
