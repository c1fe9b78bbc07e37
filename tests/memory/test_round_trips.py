"""What goes back to the upstream in later turns: the calls by the ids that it gave, whichever engine remembers them."""

from __future__ import annotations

from typing import Any

from memory.conftest import Stage
from memory.judge import Peer
from requirements import shows
from support.scripts import OSLO, PARIS, WEATHER, call, turn
from support.upstream import ScriptedUpstream


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


@shows("call-ids-of-a-turn")
def test_a_client_tells_the_calls_of_a_turn_apart(a: Peer, b: Peer, stage: Stage, upstream: ScriptedUpstream) -> None:
    model = stage(
        *turn(
            [*call(0, PARIS, call_id="call_0"), *call(1, OSLO, call_id="call_0"), *call(2, PARIS, call_id=None)],
            "tool_calls",
        )
    )
    first = a.create(model=model, input="Where?", tools=[WEATHER], stream=False)
    assert len({one.call_id for one in first.output}) == 3
    outputs = [answer(one, str(place)) for place, one in enumerate(first.output)]
    b.create(model=model, input=outputs[::-1], tools=[WEATHER], previous_response_id=first.id)
    assert [output for _, output in results(upstream)] == ["0", "1", "2"]
    assert [call_id for call_id, _ in results(upstream)] == called_ids(upstream)
