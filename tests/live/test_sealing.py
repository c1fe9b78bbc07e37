"""Thoughts that a client keeps for us: sealed in the output, and the model's again in the next turn."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from live.conftest import Start
from requirements import shows
from support.caller import Caller
from support.ignored_headers import CheckedReply, post
from support.scripts import WEATHER, call, chunk, turn
from support.server import PenstockServer
from support.steps import Expect, Script
from support.upstream import ScriptedUpstream

KEY, OTHER_KEY = "A" * 42 + "E", "B" * 42 + "E"
SEALED: dict[str, Any] = {"store": False, "include": ["reasoning.encrypted_content"]}
ASK: dict[str, Any] = {"role": "user", "content": "Weather?"}
THOUGHT = "Let me think."
AGENT = Script(
    turn(
        [
            *(chunk({"reasoning_content": piece}) for piece in ("Let me ", "think.")),
            *call(0, '{"city": "Paris"}', call_id="call_1"),
        ],
        "tool_calls",
    ),
    Expect(),
)


@pytest.fixture
def agent(upstream: ScriptedUpstream) -> str:
    """A model that thinks, then calls."""
    return upstream.add("agent", AGENT)


def first(server: PenstockServer, model: str, **fields: Any) -> list[dict[str, Any]]:
    """What an agent has after its first turn: its question, and the output without what it may not send back."""
    reply = post(server.url, {"model": model, "input": [ASK], "tools": [WEATHER], **SEALED, **fields})
    assert reply.status == 200
    [reasoning, called] = reply.response["output"]
    return [ASK, {name: value for name, value in reasoning.items() if name != "content"}, called]


def second(server: PenstockServer, items: list[dict[str, Any]], **headers: str) -> CheckedReply:
    """The next turn, with what the call gave back."""
    gave = {"type": "function_call_output", "call_id": items[-1]["call_id"], "output": "Rain."}
    return post(server.url, {"model": "text", "input": [*items, gave], "tools": [WEATHER], **SEALED}, **headers)


def thought_of(upstream: ScriptedUpstream) -> str | None:
    """What the assistant's message of the latest request had for thoughts; its call is there in any case."""
    [message] = [one for one in upstream.completions[-1].body["messages"] if one["role"] == "assistant"]
    assert [one["function"]["name"] for one in message["tool_calls"]] == ["get_weather"]
    thought: str | None = message.get("reasoning_content")
    return thought


@shows("sealed-thoughts")
@pytest.mark.parametrize("stream", [True, False])
def test_the_model_has_its_thoughts_again(
    server: PenstockServer, upstream: ScriptedUpstream, agent: str, stream: bool
) -> None:
    items = first(server, agent, stream=stream)
    assert "think" not in items[1]["encrypted_content"]
    assert second(server, items).status == 200
    assert thought_of(upstream) == THOUGHT


def test_the_packages_client_sends_its_output_back(caller: Caller, upstream: ScriptedUpstream, agent: str) -> None:
    events = caller.events(model=agent, input="Weather?", tools=[WEATHER], **SEALED)
    [done] = [one.item for one in events if one.type == "response.output_item.done" and one.item.type == "reasoning"]
    assert done.encrypted_content == events[-1].response.output[0].encrypted_content
    back = [item.model_dump(exclude_unset=True) for item in events[-1].response.output]
    del back[0]["content"]
    gave = {"type": "function_call_output", "call_id": "call_1", "output": "Rain."}
    caller.create(model="text", input=[ASK, *back, gave], tools=[WEATHER], **SEALED)
    assert thought_of(upstream) == THOUGHT


def test_nothing_is_sealed_without_a_request_for_it(server: PenstockServer, agent: str) -> None:
    reply = post(server.url, {"model": agent, "input": "Weather?", "tools": [WEATHER]})
    assert "encrypted_content" not in reply.response["output"][0]
    assert reply.response["output"][0]["content"][0]["text"] == THOUGHT


def test_a_summary_is_sealed_with_the_thoughts(server: PenstockServer, agent: str) -> None:
    reply = post(server.url, {"model": agent, "input": "Hi", "reasoning": {"summary": "auto"}, **SEALED})
    assert reply.response["output"][0]["summary"][0]["text"] == THOUGHT
    assert "think" not in reply.response["output"][0]["encrypted_content"]


@pytest.fixture
def replica(start: Start, upstream: ScriptedUpstream) -> PenstockServer:
    return start("--upstream", upstream.url, PENSTOCK_SEAL_KEYS=KEY, PENSTOCK_DRAIN_S="9")


@pytest.fixture
def rotated(start: Start, upstream: ScriptedUpstream) -> PenstockServer:
    """A replica that seals with another key, and still has the first one."""
    return start("--upstream", upstream.url, PENSTOCK_SEAL_KEYS=f"{OTHER_KEY},{KEY}")


def test_a_replica_with_the_key_opens_it(
    replica: PenstockServer, rotated: PenstockServer, upstream: ScriptedUpstream, agent: str
) -> None:
    old = first(replica, agent)
    assert second(rotated, old).status == 200
    assert thought_of(upstream) == THOUGHT
    new = first(rotated, agent)
    assert second(rotated, new).status == 200
    assert thought_of(upstream) == THOUGHT
    assert second(replica, new).status == 200
    assert thought_of(upstream) is None, "a key that this one has not"


def test_a_server_with_a_key_of_its_own_does_not(
    server: PenstockServer, replica: PenstockServer, upstream: ScriptedUpstream, agent: str
) -> None:
    assert second(server, first(replica, agent)).status == 200
    assert thought_of(upstream) is None


@shows("sealed-thoughts")
def test_another_owner_does_not_open_it(start: Start, upstream: ScriptedUpstream, agent: str) -> None:
    server = start("--upstream", upstream.url, PENSTOCK_API_KEYS="sk-1,sk-2")
    mine, yours = {"authorization": "Bearer sk-1"}, {"authorization": "Bearer sk-2"}
    reply = post(server.url, {"model": agent, "input": [ASK], "tools": [WEATHER], **SEALED}, **mine)
    reasoning, called = reply.response["output"]
    del reasoning["content"]
    for headers, thought in ((yours, None), (mine, THOUGHT)):
        assert second(server, [ASK, reasoning, called], **headers).status == 200
        assert thought_of(upstream) == thought


FOREIGN = ["", "gAAAAABo" + "kZ3x" * 80 + "==", "pnsk1.0000000000000000.AAAA", "not even base64 😀", "x" * 100_000]


@shows("sealed", "sealed-thoughts")
@pytest.mark.parametrize("blob", FOREIGN, ids=lambda blob: blob[:12] or "empty")
def test_what_does_not_open_is_skipped(
    server: PenstockServer, upstream: ScriptedUpstream, agent: str, blob: str
) -> None:
    items = first(server, agent)
    items[1]["encrypted_content"] = blob
    assert second(server, items).response["status"] == "completed"
    assert thought_of(upstream) is None


def test_a_broken_one_is_skipped(server: PenstockServer, upstream: ScriptedUpstream, agent: str) -> None:
    items = first(server, agent)
    blob = items[1]["encrypted_content"]
    items[1]["encrypted_content"] = blob[:-8] + blob[-8:].swapcase()
    assert second(server, items).response["status"] == "completed"
    assert thought_of(upstream) is None


def test_thoughts_in_the_open_come_before_sealed_ones(
    server: PenstockServer, upstream: ScriptedUpstream, agent: str
) -> None:
    items = first(server, agent)
    items[1]["content"] = [{"type": "reasoning_text", "text": "I was edited."}]
    second(server, items)
    assert thought_of(upstream) == "I was edited."


@shows("relayed-seals")
def test_behind_a_relay_the_upstream_seals(
    start: Start, server: PenstockServer, replica: PenstockServer, upstream: ScriptedUpstream, agent: str
) -> None:
    """What it sealed goes back to it; what was sealed here, for another model, goes there in the open."""
    behind = f'[[upstreams]]\nname = "behind"\nurl = "{server.url}"\ndialect = "responses"\n'
    relay = start(toml=behind, PENSTOCK_SEAL_KEYS=KEY)
    for items in (first(relay, agent), first(replica, agent)):
        assert second(relay, items).status == 200
        assert thought_of(upstream) == THOUGHT


def test_the_log_contains_no_key(replica: PenstockServer, agent: str) -> None:
    first(replica, agent)
    assert KEY not in replica.log


def test_thoughts_that_are_too_long_are_not_sealed(start: Start, upstream: ScriptedUpstream, agent: str) -> None:
    server = start("--upstream", upstream.url, PENSTOCK_LIMITS_SEALED_CHARS_MAX="50")
    reply = post(server.url, {"model": agent, "input": "Weather?", "tools": [WEATHER], **SEALED})
    assert reply.response["output"][0]["encrypted_content"] is None


def test_a_chain_has_them_too(start: Start, upstream: ScriptedUpstream, agent: str) -> None:
    """What is stored has its thoughts in the open, and sealed for who asked for it."""
    server = start("--upstream", upstream.url, PENSTOCK_STORE="memory://")
    with openai.OpenAI(base_url=server.url, api_key="x", max_retries=0) as client:
        made = client.responses.create(
            model=agent, input="Weather?", tools=[WEATHER], include=["reasoning.encrypted_content"]
        )
        stored = client.responses.retrieve(made.id)
        assert stored.output[0].encrypted_content == made.output[0].encrypted_content
        gave = {"type": "function_call_output", "call_id": "call_1", "output": "Rain."}
        client.responses.create(model="text", input=[gave], tools=[WEATHER], previous_response_id=made.id)
    assert thought_of(upstream) == THOUGHT
