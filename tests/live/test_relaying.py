"""In front of an upstream that serves Responses: another server of ours, and a scripted one that sends new things."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from live.conftest import Start
from requirements import shows
from support import raw, sse
from support.ignored_headers import CheckedReply, nameless, post
from support.scripts import ANSWERS, BROKEN, CALLING, ODD, REFUSED, SCRIPTS
from support.server import PenstockServer
from support.steps import Cut, Expect, Raw, Script, Step
from support.talk import Talk
from support.upstream import ScriptedUpstream

Json = dict[str, Any]
Relayed = Callable[..., PenstockServer]

GOOD = sorted(name for name, script in (ANSWERS | CALLING | ODD).items() if not script.inline_think)
HOSTED: Json = {"type": "web_search", "search_context_size": "low"}


def toml(url: str) -> str:
    return f'[[upstreams]]\nname = "behind"\nurl = "{url}"\ndialect = "responses"\n'


@pytest.fixture
def relay(start: Start, server: PenstockServer) -> PenstockServer:
    """In front of a server of ours, which is in front of the scripted upstream."""
    return start("--store", "memory://", toml=toml(server.url))


@pytest.fixture
def strange(start: Start, upstream: ScriptedUpstream) -> PenstockServer:
    """In front of the scripted upstream itself, which serves Responses where a script does."""
    return start("--store", "memory://", toml=toml(upstream.url))


def ask(server: PenstockServer, name: str, *, stream: bool, **more: Any) -> CheckedReply:
    return post(server.url, {"model": name, "input": "Hello?", "stream": stream, **SCRIPTS[name].ask, **more})


def alike(response: Json) -> Json:
    """What two servers answer alike, one of which has a store, and one sealed thoughts to see."""
    output = [{key: item[key] for key in item if key != "encrypted_content"} for item in response["output"]]
    return nameless(response | {"output": output}) | {"store": None}


@pytest.mark.parametrize("name", GOOD)
def test_events_are_repeated_unchanged(relay: PenstockServer, server: PenstockServer, name: str) -> None:
    direct = ask(server, name, stream=True, include=["reasoning.encrypted_content"])
    streamed, whole = ask(relay, name, stream=True), ask(relay, name, stream=False)
    assert [event["type"] for event in streamed.events] == [event["type"] for event in direct.events]
    assert alike(streamed.response) == alike(whole.response) == alike(direct.response)


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_what_breaks_behind_is_failed_here(relay: PenstockServer, server: PenstockServer, name: str) -> None:
    direct, relayed = ask(server, name, stream=True), ask(relay, name, stream=True)
    assert relayed.response["status"] == direct.response["status"]
    assert relayed.response["error"] == direct.response["error"]
    assert nameless(relayed.response)["output"] == nameless(direct.response)["output"]


@pytest.mark.parametrize("name", sorted(name for name in REFUSED if SCRIPTS[name].expect.http >= 400))
def test_what_is_refused_behind_is_an_error_here(relay: PenstockServer, name: str) -> None:
    assert ask(relay, name, stream=False).status >= 400


def test_the_state_is_ours(relay: PenstockServer, upstream: ScriptedUpstream) -> None:
    """The chain is stored here, and the upstream gets the whole context."""
    first = post(relay.url, {"model": "text", "input": "One?"}).response
    second = post(relay.url, {"model": "text", "input": "Two?", "previous_response_id": first["id"]}).response
    assert second["previous_response_id"] == first["id"]
    roles = [message["role"] for message in upstream.completion(1).body["messages"]]
    assert roles == ["user", "assistant", "user"]


def response(output: list[Json], **fields: Any) -> Json:
    """A Response as its upstream ends it."""
    usage = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5, "output_tokens_details": {"reasoning_tokens": 1}}
    head = {"id": "resp_theirs", "object": "response", "status": "completed", "model": "new-2027"}
    return head | {"output": output, "usage": usage, "service_tier": "flex"} | fields


def events(*result: Json) -> Script:
    """A stream of a newer server's, or the Response at its end. Its numbers are not ours to believe."""
    steps: list[Step] = [Raw(f"data: {json.dumps(one)}\n\n".encode()) for one in result]
    return Script(tuple(steps), Expect(), done=False, whole=result[-1].get("response"))


STARTED: Json = {"type": "response.created", "sequence_number": 7, "response": response([], status="in_progress")}
NEW_ITEM: Json = {"type": "hologram_call", "id": "holo_1", "status": "completed", "shape": {"kind": "cube"}}


def test_unknown_fields_are_relayed_and_stored(strange: PenstockServer, upstream: ScriptedUpstream) -> None:
    new_event = {"type": "response.hologram_call.glowing", "output_index": 0, "item_id": "holo_1", "lumen": 1e3}
    model = upstream.add(
        "newer",
        events(
            STARTED,
            {"type": "response.output_item.added", "output_index": 0, "item": NEW_ITEM | {"status": "in_progress"}},
            new_event,
            {"type": "response.output_item.done", "output_index": 0, "item": NEW_ITEM},
            {"type": "response.completed", "response": response([NEW_ITEM], of_tomorrow={"a": [1]})},
        ),
    )
    answer = raw.post(strange.url, {"model": model, "input": "Hi", "stream": True, "tools": [HOSTED], "new_word": 1})
    result = [json.loads(line[6:]) for line in answer.body.decode().splitlines() if line.startswith("data: {")]
    assert [event["sequence_number"] for event in result] == list(range(6))
    assert result[3] == new_event | {"sequence_number": 3}
    final = result[-1]["response"]
    assert final["output"] == [NEW_ITEM]
    assert (final["of_tomorrow"], final["service_tier"]) == ({"a": [1]}, "flex")
    assert final["id"] != "resp_theirs"
    assert final["usage"]["output_tokens_details"]["reasoning_tokens"] == 1
    assert json.loads(raw.ask(strange.url, "GET", f"/responses/{final['id']}").body) == final
    asked = upstream.requests[-1].body
    assert asked["tools"] == [HOSTED]
    assert (asked["store"], asked["new_word"]) == (False, 1)
    assert "x-penstock-ignored" not in answer.headers


@shows("redacted")
def test_the_secrets_of_a_tool_are_for_its_upstream_alone(strange: PenstockServer, upstream: ScriptedUpstream) -> None:
    """Also where the upstream repeats them."""
    tool = {"type": "mcp", "server_label": "s", "server_url": "https://mcp.example", "authorization": "tok-1"}
    result = {"type": "response.completed", "response": response([], tools=[tool])}
    model = upstream.add("with secrets", events(STARTED, result))
    answer = raw.post(strange.url, {"model": model, "input": "Hi", "stream": True, "tools": [tool]})
    final = sse.events(answer.body)[-1]["response"]
    assert final["tools"][0]["authorization"] == "<redacted>"
    assert upstream.requests[-1].body["tools"] == [tool]
    stored = raw.ask(strange.url, "GET", f"/responses/{final['id']}").body
    assert b"tok-1" not in answer.body + stored
    assert "tok-1" not in strange.log


def test_open_items_are_closed_in_order(strange: PenstockServer, upstream: ScriptedUpstream) -> None:
    """An upstream that ends an item without having ended its part."""
    message = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed"}
    position = {"output_index": 0, "item_id": "msg_1", "content_index": 0}
    part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    whole = message | {"content": [part | {"text": "Hello."}]}
    model = upstream.add(
        "hasty",
        events(
            STARTED,
            {"type": "response.output_item.added", "output_index": 0, "item": message | {"content": []}},
            {"type": "response.content_part.added", **position, "part": part},
            {"type": "response.output_text.delta", **position, "delta": "Hello.", "logprobs": []},
            {"type": "response.output_item.done", "output_index": 0, "item": whole},
            {"type": "response.completed", "response": response([whole])},
        ),
    )
    reply = post(strange.url, {"model": model, "input": "Hi", "stream": True})
    assert reply.response["status"] == "completed"
    assert reply.response["output"] == [whole]


def test_a_complete_response_is_sent_as_a_stream(strange: PenstockServer, upstream: ScriptedUpstream) -> None:
    text = {"type": "output_text", "text": "Hello.", "annotations": [], "logprobs": []}
    thought = {"type": "reasoning_text", "text": "Hm."}
    done = {"status": "completed"}
    output = [
        {"type": "reasoning", "id": "rs_1", "content": [thought], "summary": []} | done,
        {"type": "message", "id": "msg_1", "role": "assistant", "content": [text]} | done,
        {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{}"} | done,
        {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_2", "name": "g", "input": "ls"} | done,
    ]
    model = upstream.add("relayed whole", Script((Raw(json.dumps(response(output)).encode()),), Expect(), done=False))
    reply = post(strange.url, {"model": model, "input": "Hi", "stream": True})
    assert reply.response["output"] == output


def test_a_failure_has_its_original_message(strange: PenstockServer, upstream: ScriptedUpstream) -> None:
    error = {"code": "rate_limit_exceeded", "message": "Too fast."}
    failed = {"type": "response.failed", "response": response([], status="failed", error=error)}
    model = upstream.add("relayed failing", events(STARTED, failed))
    for stream in (True, False):
        result = post(strange.url, {"model": model, "input": "Hi", "stream": stream}).response
        assert (result["status"], result["error"]) == ("failed", error)


@shows("ws-eviction")
def test_a_failure_of_an_upstream_that_is_relayed_evicts_too(
    strange: PenstockServer, upstream: ScriptedUpstream
) -> None:
    error = {"code": "server_error", "message": "It broke."}
    ends = {"completed": response([]), "failed": response([], status="failed", error=error)}
    good, bad = (
        upstream.add(f"relayed {name}", events(STARTED, {"type": f"response.{name}", "response": end}))
        for name, end in ends.items()
    )
    with Talk(strange) as talk:
        first = talk.turn(model=good, input="One", store=False)[-1]["response"]["id"]
        again = {"model": bad, "input": "Two", "store": False, "previous_response_id": first}
        assert talk.turn(**again)[-1]["type"] == "response.failed"
        assert talk.refused({"type": "response.create", **again})["error"]["code"] == "previous_response_not_found"


@pytest.mark.parametrize(
    "bad",
    [
        {"type": "response.output_text.delta", "output_index": 0, "item_id": "m", "content_index": 0, "delta": "x"},
        {"type": "response.output_item.added", "output_index": 5, "item": NEW_ITEM},
        {"no": "type"},
        {"type": "error", "code": "server_error", "message": "It broke.", "param": None},
    ],
    ids=["about nothing", "out of order", "no event", "an error"],
)
def test_what_cannot_stand_there_fails_the_response(
    strange: PenstockServer, upstream: ScriptedUpstream, bad: Json
) -> None:
    model = upstream.add("relayed bad", events(STARTED, bad))
    reply = post(strange.url, {"model": model, "input": "Hi", "stream": True})
    assert (reply.response["status"], reply.response["error"]["code"]) == ("failed", "server_error")


def test_a_cut_fails_the_response(strange: PenstockServer, upstream: ScriptedUpstream) -> None:
    script = events(STARTED)
    model = upstream.add("relayed cut", Script((*script.steps, Cut()), Expect(), done=False))
    reply = post(strange.url, {"model": model, "input": "Hi", "stream": True})
    assert reply.response["status"] == "failed"
