"""Compaction: a context summed up by its model, sealed, and what later turns make of it."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from openai.types.responses import ResponseCompactionItem, ResponseUsage

from live.conftest import Start
from requirements import shows
from support import oracle, raw
from support.caller import Caller
from support.ignored_headers import CheckedReply, ask, post
from support.scripts import OWN_USAGE, WEATHER, chunk, text, turn
from support.server import PenstockServer
from support.steps import Expect, Hang, Json, Script, Send, Sleep
from support.upstream import ScriptedUpstream

SUMMARY = "The user likes rivers. We spoke of the Seine."
ITEMS: list[Json] = [
    {"role": "developer", "content": "Be brief."},
    {"role": "user", "content": "Which river?"},
    {"role": "assistant", "content": "The Seine."},
    {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c1", "output": "Rain."},
    {"role": "user", "content": [{"type": "input_text", "text": "How long is it?"}]},
]
SENT = [("system", "Be brief."), ("user", "Which river?"), ("assistant", "The Seine."), ("tool", "Rain.")]
"""All but the last of them, as messages; the call is the assistant's."""
LATE: list[Json] = [{"type": "compaction", "compact_threshold": 15}]


@pytest.fixture
def sage(upstream: ScriptedUpstream) -> str:
    """A model that thinks, and sums up."""
    thoughts = [chunk({"reasoning_content": "What was it?"})]
    return upstream.add("sage", Script(turn([*thoughts, *text("The user likes rivers. ", SUMMARY[23:])]), Expect()))


def compacted(server: PenstockServer, **fields: Any) -> CheckedReply:
    return post(server.url, {"model": "sage", "input": ITEMS, **fields}, "/responses/compact")


def sent(upstream: ScriptedUpstream, number: int = -1) -> list[tuple[str, Any]]:
    """The messages of a request, as role and text; calls by their name."""
    messages = upstream.completions[number].body["messages"]
    return [(one["role"], one.get("content") or [c["function"]["name"] for c in one["tool_calls"]]) for one in messages]


def is_summary(message: tuple[str, Any]) -> bool:
    role, texts = message
    return role == "user" and texts.endswith(SUMMARY) and "compacted" in texts


@shows("compact", "compaction", "compacting")
def test_users_stay_and_the_rest_is_one_item(server: PenstockServer, upstream: ScriptedUpstream, sage: str) -> None:
    reply = compacted(server, instructions="You are a guide.")
    body = reply.body
    assert (reply.status, body["object"], body["id"][:5]) == (200, "response.compaction", "resp_")
    *users, item = body["output"]
    assert [(one["role"], one["content"][0]["text"]) for one in users] == [
        ("user", "Which river?"),
        ("user", "How long is it?"),
    ]
    oracle.check(ResponseCompactionItem, item)
    oracle.check(ResponseUsage, body["usage"])
    assert (body["usage"]["input_tokens"], body["usage"]["output_tokens"]) == (11, 7)
    assert "rivers" not in json.dumps(item)
    system, *between, question, asked = sent(upstream)
    assert system == ("system", "You are a guide.\n\nBe brief.")
    assert between == SENT[1:]
    assert question == ("user", "How long is it?")
    assert asked[0] == "user"
    assert "compacted" in asked[1]


@shows("compaction", "compacting")
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # of user messages in an output, as OpenAI has them
def test_the_package_compacts_and_continues(server: PenstockServer, upstream: ScriptedUpstream, sage: str) -> None:
    """What it read goes back as it is."""
    asked: Any = ITEMS
    with openai.OpenAI(base_url=server.url, api_key="x", max_retries=0) as client:
        made = client.responses.compact(model=sage, input=asked)
        assert (made.object, made.output[-1].type, made.usage.total_tokens) == ("response.compaction", "compaction", 18)
        window: Any = [*made.output, {"role": "user", "content": "And the Rhine?"}]
        client.responses.create(model="text", input=window)
    first, second, summary, last = sent(upstream)
    assert (first, second) == (("user", "Which river?"), ("user", "How long is it?"))
    assert is_summary(summary)
    assert last == ("user", "And the Rhine?")


@shows("compacting")
def test_what_agents_send_along_does_not_matter(server: PenstockServer, upstream: ScriptedUpstream, sage: str) -> None:
    fields = {"tools": [WEATHER, {"type": "unheard_of"}], "parallel_tool_calls": True, "text": {"verbosity": "low"}}
    reply = compacted(server, reasoning={"effort": "low"}, banana=1, **fields)
    assert (reply.status, reply.headers["x-penstock-ignored"]) == (200, "banana")
    body = upstream.completions[-1].body
    assert (body["reasoning_effort"], body.keys() & {"tools", "verbosity", "tool_choice"}) == ("low", set())


@shows("compacting")
def test_a_trigger_compacts_in_a_stream(caller: Caller, upstream: ScriptedUpstream, sage: str) -> None:
    """As Codex does it: exactly one item, and no answer."""
    events = caller.events(model=sage, input=[*ITEMS, {"type": "compaction_trigger"}], tools=[WEATHER], store=False)
    assert [event.type.removeprefix("response.") for event in events] == [
        *("created", "in_progress", "output_item.added", "output_item.done", "completed")
    ]
    [item] = events[-1].response.output
    assert (item.type, events[3].item) == ("compaction", item)
    assert len(upstream.completions) == 1
    users = [one for one in ITEMS if one.get("role") == "user"]
    caller.create(model="text", input=[*users, item.model_dump(), {"role": "user", "content": "Go on."}])
    assert [is_summary(message) for message in sent(upstream)] == [False, False, True, False]


def test_a_trigger_at_the_end_of_a_chain(start: Start, upstream: ScriptedUpstream, sage: str) -> None:
    server = start("--upstream", upstream.url, PENSTOCK_STORE="memory://")
    with openai.OpenAI(base_url=server.url, api_key="x", max_retries=0) as client:
        made = client.responses.create(model="text", input="One")
        trigger: Any = [{"type": "compaction_trigger"}]
        made = client.responses.create(model=sage, input=trigger, previous_response_id=made.id)
        assert [item.type for item in made.output] == ["compaction"]
        made = client.responses.create(model="text", input="Two", previous_response_id=made.id)
        one, summary, two = sent(upstream)
        assert (one, is_summary(summary), two) == (("user", "One"), True, ("user", "Two"))
        listed = client.responses.input_items.list(made.id, order="asc").data
        assert [item.type for item in listed] == ["message", "message", "compaction", "message"]
        again = client.responses.compact(model=sage, previous_response_id=made.id)
        assert [item.type for item in again.output] == ["message", "message", "compaction"]


@shows("compaction", "context-management")
@pytest.mark.parametrize("stream", [True, False])
def test_over_the_threshold_the_context_is_compacted_first(
    server: PenstockServer, upstream: ScriptedUpstream, sage: str, stream: bool
) -> None:
    reply = post(
        server.url,
        {"model": sage, "input": ITEMS, "context_management": LATE, "stream": stream, "tools": [WEATHER]},
    )
    assert [item["type"] for item in reply.response["output"]] == ["compaction", "reasoning", "message"]
    assert "x-penstock-ignored" not in reply.headers
    assert reply.response["usage"]["total_tokens"] == 36, "both turns"
    asked, answered = sent(upstream, -2), sent(upstream)
    assert asked[:-1] == SENT
    assert [is_summary(message) for message in answered] == [False, True, False]
    assert (answered[0], answered[2][0]) == (("system", "Be brief."), "user")
    assert "tools" not in upstream.completions[-2].body
    assert "tools" in upstream.completions[-1].body
    if stream:
        names = reply.names[:6]
        assert names[2:6] == ["output_item.added", "output_item.done", "output_item.added", "content_part.added"]


def test_below_the_threshold_nothing_is(server: PenstockServer, upstream: ScriptedUpstream) -> None:
    entry = {"type": "compaction", "compact_threshold": 5_000}
    reply = post(server.url, {"model": "text", "input": ITEMS, "context_management": [entry]})
    assert [item["type"] for item in reply.response["output"]] == ["message"]
    assert len(upstream.completions) == 1


@shows("context-management")
def test_a_question_alone_is_never_compacted(server: PenstockServer, upstream: ScriptedUpstream) -> None:
    reply = post(server.url, {"model": "text", "input": "Hm " * 100, "context_management": LATE})
    assert [item["type"] for item in reply.response["output"]] == ["message"]


@shows("context-management")
def test_a_client_may_drop_what_came_before_or_not(
    server: PenstockServer, upstream: ScriptedUpstream, sage: str
) -> None:
    reply = post(server.url, {"model": sage, "input": ITEMS, "context_management": LATE})
    output = reply.response["output"]
    again = {"role": "user", "content": "And then?"}
    visible = []
    for stored in (ITEMS, []):
        assert post(server.url, {"model": "text", "input": [*stored, *output, again]}).status == 200
        visible.append(sent(upstream))
    assert visible[0] == visible[1]
    assert [role for role, _ in visible[0]] == ["system", "user", "user", "assistant", "user"]
    assert is_summary(visible[0][1])
    assert visible[0][2] == ("user", "How long is it?")


def test_a_chain_continues_from_its_compaction(start: Start, upstream: ScriptedUpstream, sage: str) -> None:
    """What it stands for counts no more: at the end there are eight items, and three that are shown."""
    server = start("--upstream", upstream.url, PENSTOCK_STORE="memory://", PENSTOCK_LIMITS_CONTEXT_ITEMS_MAX="5")
    with openai.OpenAI(base_url=server.url, api_key="x", max_retries=0) as client:
        made = client.responses.create(model="text", input="One " * 50)
        manage: Any = LATE
        made = client.responses.create(model=sage, input="Two", previous_response_id=made.id, context_management=manage)
        assert made.output[0].type == "compaction"
        assert client.responses.retrieve(made.id).output[0] == made.output[0]
        client.responses.create(model="text", input="Three", previous_response_id=made.id)
    summary, *rest = sent(upstream)
    assert is_summary(summary)
    assert rest == [("user", "Two"), ("assistant", SUMMARY), ("user", "Three")]


def test_a_conversation_continues_from_its_compaction(start: Start, upstream: ScriptedUpstream, sage: str) -> None:
    server = start("--upstream", upstream.url, PENSTOCK_STORE="memory://")
    manage: Any = LATE
    with openai.OpenAI(base_url=server.url, api_key="x", max_retries=0) as client:
        there = client.conversations.create(items=[{"type": "message", "role": "user", "content": "One " * 50}])
        client.responses.create(model="text", conversation=there.id)
        made = client.responses.create(model=sage, input="Two", conversation=there.id, context_management=manage)
        items = client.conversations.items.list(there.id, order="asc").data
        assert [item.type for item in items] == ["message"] * 3 + ["compaction", "reasoning", "message"]
        assert items[3].id == made.output[0].id
        client.responses.create(model="text", input="Three", conversation=there.id)
    summary, *rest = sent(upstream)
    assert is_summary(summary)
    assert rest == [("user", "Two"), ("assistant", SUMMARY), ("user", "Three")]
    trigger = {"items": [{"type": "compaction_trigger"}]}
    reply = post(server.url, trigger, f"/conversations/{there.id}/items")
    assert (reply.status, reply.error["param"]) == (400, "items[0].type")


def test_a_background_response_compacts(start: Start, upstream: ScriptedUpstream, sage: str) -> None:
    server = start("--upstream", upstream.url, PENSTOCK_STORE="memory://")
    reply = post(
        server.url,
        {"model": sage, "input": ITEMS, "context_management": LATE, "background": True, "stream": True},
    )
    assert [item["type"] for item in reply.response["output"]] == ["compaction", "reasoning", "message"]


@shows("unopened-compaction")
def test_another_owners_or_a_broken_one_is_refused(start: Start, upstream: ScriptedUpstream, sage: str) -> None:
    server = start("--upstream", upstream.url, PENSTOCK_API_KEYS="sk-1,sk-2")
    mine, yours = {"authorization": "Bearer sk-1"}, {"authorization": "Bearer sk-2"}
    item = post(server.url, {"model": sage, "input": "Hi"}, "/responses/compact", **mine).body["output"][-1]
    blob = item["encrypted_content"]
    question = {"role": "user", "content": "Hm?"}
    assert post(server.url, {"model": "text", "input": [item, question]}, **mine).status == 200
    for headers, given in ((yours, blob), (mine, blob[:-4]), (mine, "gAAAAABo" + "kZ3x" * 80), (mine, "")):
        reply = post(
            server.url,
            {"model": "text", "input": [question, item | {"encrypted_content": given}, question]},
            **headers,
        )
        assert (reply.status, reply.error["param"]) == (400, "input[1].encrypted_content")
        assert reply.error["code"] == "invalid_encrypted_content"


def test_thoughts_are_no_compaction(server: PenstockServer, upstream: ScriptedUpstream) -> None:
    reply = post(server.url, {"model": "reasoning", "input": "Hi", "include": ["reasoning.encrypted_content"]})
    blob = reply.response["output"][0]["encrypted_content"]
    reply = post(server.url, {"model": "text", "input": [{"type": "compaction", "encrypted_content": blob}]})
    assert (reply.status, reply.error["param"]) == (400, "input[0].encrypted_content")


def test_a_replica_with_the_key_continues(start: Start, upstream: ScriptedUpstream, sage: str) -> None:
    key, other = "A" * 42 + "E", "B" * 42 + "E"
    one = start("--upstream", upstream.url, PENSTOCK_SEAL_KEYS=key, PENSTOCK_DRAIN_S="8")
    two = start("--upstream", upstream.url, PENSTOCK_SEAL_KEYS=f"{other},{key}")
    window = compacted(one).body["output"]
    assert post(two.url, {"model": "text", "input": window}).status == 200
    assert is_summary(sent(upstream)[-1])


def test_a_compaction_can_be_compacted(server: PenstockServer, upstream: ScriptedUpstream, sage: str) -> None:
    window = compacted(server).body["output"]
    reply = compacted(server, input=[*window, {"role": "assistant", "content": "777 km."}, ITEMS[-1]])
    *users, item = reply.body["output"]
    assert [one["content"][0]["text"] for one in users] == ["Which river?", "How long is it?", "How long is it?"]
    assert item["type"] == "compaction"
    assert [is_summary(message) for message in sent(upstream)].count(True) == 1


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"input": None}, "input", "missing_required_parameter"),
        ({"input": []}, "input", None),
        ({"input": [{"type": "compaction_trigger"}, ITEMS[0]]}, "input[0]", None),
        ({"input": 1}, "input", None),
        ({"model": 1}, "model", None),
        ({"input": [{"type": "compaction"}]}, "input[0].encrypted_content", "missing_required_parameter"),
        ({"previous_response_id": "resp_1"}, "previous_response_id", "unsupported_parameter"),
        ({"input": ITEMS[:4]}, "input[3]", None),
    ],
    ids=str,
)
def test_mistakes_are_named(server: PenstockServer, sage: str, fields: Json, param: str, code: str | None) -> None:
    reply = compacted(server, **fields)
    assert (reply.status, reply.error["param"]) == (400, param)
    assert code in (None, reply.error["code"])


def test_an_unknown_model_is_reported(start: Start, upstream: ScriptedUpstream) -> None:
    reply = post(start().url, {"model": "nobody", "input": "Hi"}, "/responses/compact")
    assert (reply.status, reply.error["code"]) == (404, "model_not_found")


def test_it_is_posted(server: PenstockServer) -> None:
    reply = ask(server.url, "GET", "/responses/compact")
    assert (reply.status, reply.headers["allow"]) == (405, "POST, OPTIONS")


@shows("relayed-seals")
def test_behind_a_relay_the_upstream_compacts(
    start: Start, server: PenstockServer, upstream: ScriptedUpstream, sage: str
) -> None:
    """What it sealed goes back to it as it is; what was sealed here, for another model, is opened here."""
    behind = f'[[upstreams]]\nname = "behind"\nurl = "{server.url}"\ndialect = "responses"\n'
    relay = start(toml=behind, PENSTOCK_SEAL_KEYS="A" * 42 + "E")
    reply = post(relay.url, {"model": sage, "input": [*ITEMS, {"type": "compaction_trigger"}], "stream": True})
    [item] = reply.response["output"]
    window = compacted(relay).body["output"]
    assert [one["type"] for one in window] == ["message", "message", "compaction"]
    reply = post(relay.url, {"model": sage, "input": ITEMS, "context_management": LATE})
    assert [one["type"] for one in reply.response["output"]] == ["compaction", "reasoning", "message"]
    for theirs in (item, window[-1], reply.response["output"][0]):
        assert post(relay.url, {"model": "text", "input": [theirs, ITEMS[-1]]}).status == 200
        assert [is_summary(message) for message in sent(upstream)].count(True) == 1
    with_key = start("--upstream", upstream.url, PENSTOCK_SEAL_KEYS="A" * 42 + "E", PENSTOCK_DRAIN_S="7")
    ours = compacted(with_key).body["output"]
    assert post(relay.url, {"model": "text", "input": ours}).status == 200
    assert is_summary(sent(upstream)[-1])


SILENT = Script(turn([chunk({"reasoning_content": "Hm."})]), Expect())


@shows("compaction")
@pytest.mark.parametrize("stream", [True, False])
def test_a_model_that_sums_nothing_up_has_failed(
    server: PenstockServer, upstream: ScriptedUpstream, stream: bool
) -> None:
    model = upstream.add("silent", SILENT)
    reply = compacted(server, model=model)
    assert (reply.status, reply.error["code"]) == (502, "server_error")
    reply = post(server.url, {"model": model, "input": ITEMS, "context_management": LATE, "stream": stream})
    if stream:
        assert (reply.response["status"], reply.response["output"]) == ("failed", [])
    else:
        assert reply.status == 502


def test_a_client_that_disconnects_ends_the_compaction(server: PenstockServer, upstream: ScriptedUpstream) -> None:
    model = upstream.add("endless", Script((Send(chunk({"content": "So"})), Hang()), Expect()))
    with openai.OpenAI(base_url=server.url, api_key="x", max_retries=0) as client:
        manage: Any = LATE
        asked: Any = ITEMS
        stream = client.responses.create(model=model, input=asked, context_management=manage, stream=True)
        for event in stream:
            if event.type == "response.in_progress":
                break
        stream.close()
    upstream.completion().wait_left()


def test_heartbeats_go_on_while_it_sums_up(start: Start, upstream: ScriptedUpstream) -> None:
    server = start("--upstream", upstream.url, PENSTOCK_LIMITS_HEARTBEAT_S="0.2")
    slowly = [step for _ in range(6) for step in (Send(chunk({"content": "So. "})), Sleep(0.1))]
    model = upstream.add("slowly", Script((*slowly, Send(chunk({}, "stop"), OWN_USAGE)), Expect()))
    answer = raw.post(server.url, {"model": model, "input": ITEMS, "context_management": LATE, "stream": True})
    body = b"".join(answer.writes)
    assert body.index(b": ") < body.index(b"output_item.added")


def test_the_summary_is_in_no_log(server: PenstockServer, sage: str) -> None:
    compacted(server)
    assert SUMMARY not in server.log
