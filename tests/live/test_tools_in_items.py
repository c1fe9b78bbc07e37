"""Tools in namespaces, deferred tools and additional tools, by the `openai` client: offered, called, reported back."""

from __future__ import annotations

from typing import Any

import pytest

from requirements import shows
from support.caller import Caller
from support.ignored_headers import post
from support.scripts import CUSTOMER_7, ORDERS_7
from support.server import PenstockServer
from support.tool_items import ADDED, CRM, CUSTOMER, FOUND, HIDDEN, QUESTION, SEARCH, SEARCHED, deferred, space
from support.upstream import ScriptedUpstream


def offered(upstream: ScriptedUpstream) -> list[str]:
    return [tool["function"]["name"] for tool in upstream.completions[-1].body.get("tools", [])]


def messages(upstream: ScriptedUpstream) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = upstream.completions[-1].body["messages"]
    return sent


@shows("namespaces", "namespaced-tools")
def test_a_tool_of_a_namespace_there_and_back(caller: Caller, upstream: ScriptedUpstream) -> None:
    first = caller.create(model="namespace_calls", input=[QUESTION], tools=[CRM])
    look, keep, bare = first.output
    assert (look.type, look.name, look.namespace, look.arguments) == (
        "function_call",
        "get_customer",
        "crm",
        CUSTOMER_7,
    )
    assert (keep.type, keep.name, keep.namespace, keep.input) == ("custom_tool_call", "memo", "crm", "keep")
    assert (bare.type, bare.name, bare.namespace) == ("function_call", "list_orders", "crm")
    assert offered(upstream) == ["crm__get_customer", "crm__list_orders", "crm__memo"]
    outputs = [
        {"type": f"{call.type}_output", "call_id": call.call_id, "output": call.name} for call in (look, keep, bare)
    ]
    caller.create(model="text", input=[QUESTION, *first.output, *outputs], tools=[CRM])
    _, called, *result = messages(upstream)
    assert [call["function"]["name"] for call in called["tool_calls"]] == [*offered(upstream)[::2], "crm__list_orders"]
    assert [one["content"] for one in result] == ["get_customer", "memo", "list_orders"]


@shows("namespaces")
def test_the_namespace_is_in_every_event_of_its_item(caller: Caller) -> None:
    events = caller.events(model="namespace_calls", input="Hello?", tools=[CRM])
    items = [event.item for event in events if event.type.startswith("response.output_item")]
    assert [(item.name, item.namespace) for item in items[:2]] == [("get_customer", "crm")] * 2
    assert {event.name for event in events if event.type == "response.function_call_arguments.done"} == {
        "get_customer",
        "list_orders",
    }


@shows("codex", "namespaces")
@pytest.mark.parametrize("stream", [True, False])
def test_what_codex_sends_is_understood(server: PenstockServer, upstream: ScriptedUpstream, stream: bool) -> None:
    mcp = space(CUSTOMER, name="mcp__crm", description="Tools in the mcp__crm namespace.")
    reply = post(
        server.url,
        {
            "model": "text",
            "instructions": "You are a coding agent.",
            "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}],
            "tools": [CUSTOMER | {"name": "exec_command", "strict": False}, mcp, {"type": "web_search"}],
            "tool_choice": "auto",
            "parallel_tool_calls": True,
            "reasoning": {"effort": "medium", "summary": "auto"},
            "store": False,
            "stream": stream,
            "include": ["reasoning.encrypted_content"],
            "prompt_cache_key": "k",
            "client_metadata": {"x-codex-installation-id": "i"},
        },
    )
    assert (reply.status, reply.response["status"]) == (200, "completed")
    assert offered(upstream) == ["exec_command", "mcp__crm__get_customer"]
    assert reply.response["tools"][1] == mcp
    ignored = reply.headers["x-penstock-ignored"].split(", ")
    assert {"client_metadata", "tools.web_search"} <= {*ignored}
    assert "tools.namespace" not in ignored


@shows("namespaced-tools")
def test_a_name_that_is_too_long_for_backends_is_shortened_and_reported_in_full(
    caller: Caller, upstream: ScriptedUpstream
) -> None:
    name = f"a.very.long.namespace.{'x' * 60}"
    choice: Any = {"type": "function", "name": "get_customer"}
    caller.create(model="text", input="Hello?", tools=[space(CUSTOMER, name=name)], tool_choice=choice)
    [short] = offered(upstream)
    assert short.startswith("a_very_long_namespace_xx")
    assert len(short) == 64
    assert upstream.completions[-1].body["tool_choice"] == {"type": "function", "function": {"name": short}}


@shows("namespaces")
def test_additional_tools_there_and_back(caller: Caller, upstream: ScriptedUpstream) -> None:
    first = caller.create(model="added_call", input=[ADDED, QUESTION], tools=[CRM])
    [call] = first.output
    assert (call.name, call.namespace, call.arguments) == ("list_orders", "more", ORDERS_7)
    assert offered(upstream)[3:] == ["clock", "more__list_orders"]
    assert [one["role"] for one in messages(upstream)] == ["user"]
    assert [tool.type for tool in first.tools] == ["namespace"]


@shows("namespaces", "client-search")
def test_a_search_there_and_back(caller: Caller, upstream: ScriptedUpstream) -> None:
    tools = [HIDDEN, SEARCH]
    first = caller.create(model="tool_search_call", input=[QUESTION], tools=tools)
    [search] = first.output
    assert (search.type, search.execution, search.status) == ("tool_search_call", "client", "completed")
    assert (search.call_id, search.arguments) == ("call_q", {"goal": "Grüße"})
    assert offered(upstream) == ["crm__get_customer", "tool_search"]
    found = SEARCHED[1] | {"call_id": search.call_id}
    second = caller.create(model="found_call", input=[QUESTION, search, found], tools=tools)
    assert (second.output[0].name, second.output[0].namespace) == ("list_orders", "crm")
    assert offered(upstream) == ["crm__get_customer", "tool_search", "crm__list_orders", "clock"]
    assert messages(upstream)[-1] == {"role": "tool", "tool_call_id": "call_q", "content": FOUND}


@shows("server-search")
def test_a_search_by_the_server_hides_nothing(server: PenstockServer, upstream: ScriptedUpstream) -> None:
    reply = post(server.url, {"model": "text", "input": "Hello?", "tools": [HIDDEN, {"type": "tool_search"}]})
    assert offered(upstream) == ["crm__get_customer", "crm__list_orders", "crm__memo"]
    assert "tools.tool_search" not in reply.headers.get("x-penstock-ignored", "")


@pytest.mark.parametrize("stream", [True, False])
def test_names_that_collide_are_the_clients_fault(server: PenstockServer, stream: bool) -> None:
    flat = deferred(CUSTOMER) | {"name": "crm__get_customer"}
    reply = post(server.url, {"model": "text", "input": "Hello?", "stream": stream, "tools": [flat, CRM]})
    assert (reply.status, reply.error["param"]) == (400, "tools[1].tools[0].name")
