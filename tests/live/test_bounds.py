"""Requests that cost more than their size shows: refused by a count, on every route, before anything is made of them.

What counting and refusing costs, `tests/core/test_work_bounds.py` measures.
"""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from live.conftest import Start
from penstock.limits import Limits
from requirements import shows
from support import raw
from support.ignored_headers import CheckedReply, ask, post
from support.server import PenstockServer
from support.talk import Talk
from support.upstream import ScriptedUpstream

Json = dict[str, Any]

LIMITS = Limits()
JSON = {"content-type": "application/json"}
GZIP = JSON | {"content-encoding": "gzip"}
BOM = b"\xef\xbb\xbf"
USER: Json = {"role": "user", "content": "Hello?"}
HIT_VALUES = b"{}," * LIMITS.json_values_max
HIT_KEYS = b",".join(b'"%d":0' % number for number in range(LIMITS.json_keys_max + 1))
HIT_ITEMS = b",".join([b"{}"] * (LIMITS.input_items_max + 1))
DEEP = b"[" * 300 + b"]" * 300

# A route, the body of a request to it, the code that it is refused with, and the parameter, where that is known.
HOSTILE: dict[str, tuple[str, bytes, str, str | None]] = {
    "empty items": ("/responses", b'{"model":"text","input":[%b{}]}' % HIT_VALUES, "json_too_many_values", None),
    "empty items to count": (
        "/responses/input_tokens",
        b'{"model":"text","input":[%b{}]}' % HIT_VALUES,
        "json_too_many_values",
        None,
    ),
    "empty items to compact": (
        "/responses/compact",
        b'{"model":"text","input":[%b{}]}' % HIT_VALUES,
        "json_too_many_values",
        None,
    ),
    "empty items of a conversation": ("/conversations", b'{"items":[%b{}]}' % HIT_VALUES, "json_too_many_values", None),
    "empty messages of a chat": (
        "/chat/completions",
        b'{"model":"text","messages":[%b{}]}' % HIT_VALUES,
        "json_too_many_values",
        None,
    ),
    "unknown keys": ("/responses", b'{"model":"text","input":"Hi",%b}' % HIT_KEYS, "object_above_max_properties", None),
    "unknown keys of an item": (
        "/responses",
        b'{"model":"text","input":[{"role":"user","content":"Hi",%b}]}' % HIT_KEYS,
        "object_above_max_properties",
        None,
    ),
    "one item too many": (
        "/responses",
        b'{"model":"text","input":[%b]}' % HIT_ITEMS,
        "array_above_max_length",
        "input",
    ),
    "a few items too many for a conversation": (
        "/conversations",
        b'{"items":[%b]}' % b",".join([b"{}"] * 21),
        "array_above_max_length",
        "items",
    ),
    "a deep schema": (
        "/responses",
        b'{"model":"text","input":"Hi","tools":[{"type":"function","name":"f","parameters":{"a":%b}}]}' % DEEP,
        "json_too_deep",
        "tools[0].parameters",
    ),
    "a deep unknown parameter": (
        "/responses",
        b'{"model":"text","input":"Hi","new":%b}' % DEEP,
        "json_too_deep",
        "new",
    ),
}


@pytest.fixture
def storing(start: Start, upstream: ScriptedUpstream) -> PenstockServer:
    return start("--upstream", upstream.url, PENSTOCK_STORE="memory://")


@shows("bounded-bodies", "bounds-of-json")
@pytest.mark.parametrize("headers", [JSON, GZIP], ids=["plain", "gzip"])
@pytest.mark.parametrize("name", HOSTILE)
def test_what_costs_too_much_is_refused(
    storing: PenstockServer, upstream: ScriptedUpstream, name: str, headers: dict[str, str]
) -> None:
    path, body, code, param = HOSTILE[name]
    reply = ask(storing.url, "POST", path, gzip.compress(body) if headers is GZIP else body, headers)
    assert (reply.status, reply.error["code"], reply.error["param"]) == (400, code, param)
    assert not upstream.requests


@shows("bounded-bodies")
def test_a_message_of_a_websocket_too(storing: PenstockServer) -> None:
    with Talk(storing) as talk:
        talk.send(b'{"type":"response.create","model":"text","input":[%b{}]}' % HIT_VALUES)
        assert talk.receive()["error"]["code"] == "json_too_many_values"
        assert talk.turn(model="text", input="Hi")[-1]["type"] == "response.completed"


def test_as_much_as_a_body_may_have(storing: PenstockServer) -> None:
    """One of each less is taken."""
    unknown = HIT_KEYS.rpartition(b",")[0].rsplit(b",", 2)[0]
    for fields in (b'"new":%b' % DEEP[50:-50], unknown, b'"new":[%b0]' % (b"[]," * (LIMITS.json_values_max // 2 - 10))):
        assert ask(storing.url, "POST", "/responses", b'{"model":"text","input":"Hi",%b}' % fields, JSON).status == 200


@shows("busy-agents")
def test_an_agent_with_thousands_of_items_and_hundreds_of_tools(
    server: PenstockServer, upstream: ScriptedUpstream
) -> None:
    tools = [{"type": "function", "name": f"tool_{number}"} for number in range(200)]
    reply = post(server.url, {"model": "text", "input": [USER] * 6_001, "tools": tools})
    assert reply.response["status"] == "completed"
    sent = upstream.completions[0].body
    assert (len(sent["messages"]), len(sent["tools"])) == (6_001, 200)


@shows("busy-agents", "byte-order-marks")
@pytest.mark.parametrize("path", ["/responses", "/chat/completions"])
def test_a_byte_order_mark_is_skipped(server: PenstockServer, upstream: ScriptedUpstream, path: str) -> None:
    body = BOM + json.dumps({"model": "text", "input": "Hi", "messages": [USER]}).encode()
    assert ask(server.url, "POST", path, gzip.compress(body), GZIP).status == 200
    assert ask(server.url, "POST", path, body, JSON).status == 200
    assert not upstream.completions[0].raw.startswith(BOM)


@shows("busy-agents")
def test_a_byte_order_mark_before_a_message_too(server: PenstockServer) -> None:
    with Talk(server) as talk:
        talk.send(BOM.decode() + json.dumps({"type": "response.create", "model": "text", "input": "Hi"}))
        assert talk.receive()["type"] == "response.created"


# Contexts.

CONTEXT_BYTES_MAX = 10_000
LARGE = "x" * (CONTEXT_BYTES_MAX // 3)


@pytest.fixture
def narrow(start: Start, upstream: ScriptedUpstream) -> PenstockServer:
    bound = {"PENSTOCK_LIMITS_CONTEXT_BYTES_MAX": str(CONTEXT_BYTES_MAX)}
    return start("--upstream", upstream.url, PENSTOCK_STORE="memory://", **bound)


def too_long(reported: CheckedReply, param: str) -> bool:
    return (reported.status, reported.error.get("code"), reported.error.get("param")) == (
        400,
        "context_too_long",
        param,
    )


@shows("bounded-contexts", "bytes-of-a-context")
def test_a_chain_has_a_bound_in_bytes(narrow: PenstockServer, upstream: ScriptedUpstream) -> None:
    previous: str | None = None
    for _ in range(2):
        reply = post(narrow.url, {"model": "text", "input": LARGE, "previous_response_id": previous})
        previous = reply.response["id"]
    upstream.forget()
    assert too_long(
        post(narrow.url, {"model": "text", "input": LARGE, "previous_response_id": previous}), "previous_response_id"
    )
    assert not upstream.requests
    assert post(narrow.url, {"model": "text", "input": "Hi", "previous_response_id": previous}).status == 200


@shows("bounded-contexts")
def test_what_a_request_brings_itself_counts(narrow: PenstockServer) -> None:
    assert too_long(post(narrow.url, {"model": "text", "input": LARGE * 4}), "input")
    assert too_long(post(narrow.url, {"model": "text", "input": "Hi", "instructions": LARGE * 4}), "input")


@shows("bounded-contexts")
def test_a_conversation_has_a_bound_in_bytes(narrow: PenstockServer) -> None:
    reply = post(narrow.url, {"items": [{"role": "user", "content": LARGE}] * 3}, "/conversations")
    assert too_long(
        post(narrow.url, {"model": "text", "input": "Hi", "conversation": reply.body["id"]}), "conversation"
    )


@shows("bounded-contexts")
def test_references_have_a_bound_in_bytes(narrow: PenstockServer) -> None:
    reply = post(narrow.url, {"items": [{"role": "user", "content": LARGE}] * 4}, "/conversations")
    answer = raw.ask(narrow.url, "GET", f"/conversations/{reply.body['id']}/items")
    listed = json.loads(b"".join(answer.writes))["data"]
    references = [{"type": "item_reference", "id": one["id"]} for one in listed]
    assert too_long(post(narrow.url, {"model": "text", "input": references}), "input")
    assert post(narrow.url, {"model": "text", "input": references[:2]}).status == 200


@shows("bounded-contexts")
def test_what_a_connection_remembers_counts(narrow: PenstockServer) -> None:
    with Talk(narrow) as talk:
        previous = None
        for _ in range(2):
            end = talk.turn(model="text", input=LARGE, store=False, previous_response_id=previous)[-1]
            previous = end["response"]["id"]
        talk.create(model="text", input=LARGE, store=False, previous_response_id=previous)
        assert talk.receive()["error"]["code"] == "context_too_long"
