"""What goes back to the upstream in later turns, in whichever engine: the ids of calls, fields of its own."""

from __future__ import annotations

from typing import Any

import pytest

from memory.conftest import Stage
from memory.judge import Peer
from requirements import shows
from support.scripts import OSLO, PARIS, WEATHER, call, turn
from support.upstream import ScriptedUpstream
from support.upstream_fields import WANTING


def answer(called: Any, output: str) -> dict[str, str]:
    return {"type": "function_call_output", "call_id": called.call_id, "output": output}


def results(upstream: ScriptedUpstream) -> list[tuple[str, str]]:
    """The ids and outputs of the tool messages that the upstream was last sent."""
    return [
        (one["tool_call_id"], one["content"])
        for one in upstream.completions[-1].body["messages"]
        if one["role"] == "tool"
    ]


def called_ids(upstream: ScriptedUpstream) -> list[str]:
    return [
        one["id"] for message in upstream.completions[-1].body["messages"] for one in message.get("tool_calls") or ()
    ]


@shows("repeated-call-ids")
def test_calls_that_are_numbered_anew_each_turn_go_on_for_long(
    a: Peer, b: Peer, stage: Stage, upstream: ScriptedUpstream
) -> None:
    model = stage(*turn(call(0, PARIS, call_id="call_0"), "tool_calls"))
    response = a.create(model=model, input="Where?", tools=[WEATHER])
    for number, peer in enumerate((b, a, b), start=1):
        [called] = response.output
        response = peer.create(
            model=model,
            input=[answer(called, f"Sun {number}")],
            tools=[WEATHER],
            previous_response_id=response.id,
        )
        assert called_ids(upstream) == ["call_0"] * number
        assert results(upstream) == [("call_0", f"Sun {past + 1}") for past in range(number)]


@shows("repeated-call-ids")
def test_so_they_do_in_a_conversation(a: Peer, b: Peer, stage: Stage, upstream: ScriptedUpstream) -> None:
    model = stage(*turn(call(0, PARIS, call_id="search:0"), "tool_calls"))
    conversation = a.client.conversations.create()
    [called] = a.create(model=model, input="Where?", tools=[WEATHER], conversation=conversation.id).output
    for number, peer in enumerate((b, a, b), start=1):
        [called] = peer.create(
            model=model, input=[answer(called, f"Sun {number}")], tools=[WEATHER], conversation=conversation.id
        ).output
        assert results(upstream) == [("search:0", f"Sun {past + 1}") for past in range(number)]


@shows("call-ids-of-a-turn", "paired-outputs")
def test_a_client_distinguishes_the_calls_of_a_turn(a: Peer, b: Peer, stage: Stage, upstream: ScriptedUpstream) -> None:
    model = stage(
        *turn(
            [*call(0, PARIS, call_id="call_0"), *call(1, OSLO, call_id="call_0"), *call(2, PARIS, call_id=None)],
            "tool_calls",
        )
    )
    first = a.create(model=model, input="Where?", tools=[WEATHER], stream=False)
    assert len({one.call_id for one in first.output}) == 3
    outputs = [answer(one, str(index)) for index, one in enumerate(first.output)]
    b.create(model=model, input=outputs[::-1], tools=[WEATHER], previous_response_id=first.id)
    assert [output for _, output in results(upstream)] == ["0", "1", "2"]
    assert called_ids(upstream)[:2] == ["call_0", "call_0"]
    assert [call_id for call_id, _ in results(upstream)] == called_ids(upstream)


each_provider = pytest.mark.parametrize("name", WANTING)


@pytest.fixture
def provider(name: str, stage: Stage, upstream: ScriptedUpstream) -> str:
    """A model that refuses a turn without what it wants back."""
    model = stage(*WANTING[name].steps)
    upstream.demands[model] = WANTING[name].check
    return model


def ask(peer: Peer, **body: Any) -> Any:
    """The Response that a stream ends with."""
    return peer.events(tools=[WEATHER], **body)[-1].response


def answers(response: Any) -> list[Any]:
    return [answer(one, "Sun.") for one in response.output if one.type == "function_call"]


@shows("returned-fields")
@each_provider
def test_a_chain_returns_what_the_upstream_wants_back(a: Peer, b: Peer, provider: str) -> None:
    response = ask(a, model=provider, input="Where?")
    for peer in (b, a):
        response = ask(peer, model=provider, input=answers(response), previous_response_id=response.id)
        assert response.status == "completed"


@shows("returned-fields")
@each_provider
def test_a_conversation_returns_it(a: Peer, b: Peer, provider: str) -> None:
    conversation = a.client.conversations.create().id
    response = ask(a, model=provider, input="Where?", conversation=conversation)
    for peer in (b, a):
        response = ask(peer, model=provider, input=answers(response), conversation=conversation)
    listed = b.client.conversations.items.list(conversation, order="desc").data
    assert {"function_call", "function_call_output"} <= {item.type for item in listed}
    assert b.client.conversations.items.retrieve(listed[0].id, conversation_id=conversation) == listed[0]


@shows("returned-fields")
def test_so_does_one_that_ran_in_the_background(a: Peer, b: Peer, stage: Stage, upstream: ScriptedUpstream) -> None:
    model = stage(*WANTING["gemini"].steps)
    upstream.demands[model] = WANTING["gemini"].check
    first = a.create(model=model, input="Where?", tools=[WEATHER], background=True)
    while first.status in ("queued", "in_progress"):
        first = b.client.responses.retrieve(first.id)
    last = ask(b, model=model, input=answers(first), previous_response_id=first.id)
    assert last.status == "completed"


@shows("returned-fields")
@each_provider
def test_a_client_that_sends_stored_items_back_returns_it(a: Peer, b: Peer, provider: str) -> None:
    """Whole, or by reference."""
    items: list[Any] = [{"role": "user", "content": "Where?"}]
    for peer in (a, b, a):
        response = ask(peer, model=provider, input=items)
        items += [item.to_dict() for item in response.output] + answers(response)
    items[1:2] = [{"type": "item_reference", "id": items[1]["id"]}]
    assert ask(b, model=provider, input=items).status == "completed"
