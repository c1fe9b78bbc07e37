"""Chains and conversations with tools that were found by a search, or that came as an item: they stay."""

from __future__ import annotations

import json

from memory.judge import Peer
from requirements import shows
from support.tool_items import ADDED, CRM, FOUND, HIDDEN, QUESTION, SEARCH, SEARCHED
from support.upstream import ScriptedUpstream

MCP = {
    "type": "mcp",
    "server_label": "m",
    "server_url": "https://example.com",
    "authorization": "sk-secret",
    "headers": {"x-key": "sk-secret"},
}


def offered(upstream: ScriptedUpstream) -> list[str]:
    return [tool["function"]["name"] for tool in upstream.completions[-1].body.get("tools", [])]


@shows("namespaces")
def test_what_was_found_can_be_called_in_every_later_turn(a: Peer, b: Peer, upstream: ScriptedUpstream) -> None:
    tools = [HIDDEN, SEARCH]
    first = a.create(model="tool_search_call", input=[QUESTION], tools=tools)
    assert offered(upstream) == ["crm__get_customer", "tool_search"]
    found = SEARCHED[1] | {"call_id": first.output[0].call_id}
    second = b.create(model="found_call", input=[found], tools=tools, previous_response_id=first.id)
    [call] = second.output
    assert (call.name, call.namespace) == ("list_orders", "crm")
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "none"}
    third = a.create(model="text", input=[output], tools=tools, previous_response_id=second.id)
    assert offered(upstream) == ["crm__get_customer", "tool_search", "crm__list_orders", "clock"]
    results = [one["content"] for one in upstream.completions[-1].body["messages"] if one["role"] == "tool"]
    assert results == [FOUND, "none"]
    listed = a.client.responses.input_items.list(third.id, order="asc").data
    assert [item.type for item in listed] == [
        "message",
        "tool_search_call",
        "tool_search_output",
        "function_call",
        "function_call_output",
    ]
    assert [tool.type for tool in listed[2].tools] == ["namespace", "function"]  # type: ignore[union-attr]


@shows("namespaces")
def test_additional_tools_stay_in_a_chain(a: Peer, b: Peer, upstream: ScriptedUpstream) -> None:
    first = a.create(model="added_call", input=[ADDED, QUESTION], tools=[CRM])
    answer = {"type": "function_call_output", "call_id": "call_b", "output": "none"}
    second = b.create(model="text", input=[answer], previous_response_id=first.id)
    assert offered(upstream) == ["clock", "more__list_orders"]
    [added, *_] = b.client.responses.input_items.list(second.id, order="asc").data
    assert (added.type, added.id[:3]) == ("additional_tools", "at_")


@shows("additional-tools")
def test_additional_tools_stay_in_a_conversation(a: Peer, b: Peer, upstream: ScriptedUpstream) -> None:
    conversation = a.client.conversations.create(items=[ADDED])  # type: ignore[list-item]
    a.create(model="text", input="Hello?", conversation=conversation.id)
    b.create(model="text", input="Hello?", conversation=conversation.id)
    assert offered(upstream) == ["clock", "more__list_orders"]


def test_no_secret_of_a_tool_is_stored_in_an_item(a: Peer, b: Peer) -> None:
    """Such a tool cannot be offered; what a conversation is given to keep, is not looked at until it is used."""
    items = [ADDED | {"tools": [MCP]}, SEARCHED[0], SEARCHED[1] | {"tools": [MCP]}]
    conversation = a.client.conversations.create(items=items)  # type: ignore[arg-type]
    stored = b.client.conversations.items.list(conversation.id, order="asc").data
    assert "sk-secret" not in json.dumps([item.to_dict() for item in stored])
    for item in (stored[0], stored[2]):
        assert item.tools[0].headers == {"x-key": "<redacted>"}  # type: ignore[union-attr]
