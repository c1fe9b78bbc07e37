"""Tools that are grouped, deferred, or come with the context: what a client sends of each, and what it should get.

Knows the words of both APIs as plain JSON. Pure data.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

QUESTION: Json = {"role": "user", "content": "Please."}


def function(name: str, description: str, **more: Any) -> Json:
    """A function of one string."""
    schema = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
    return {"type": "function", "name": name, "description": description, "parameters": schema, "strict": None, **more}


CUSTOMER = function("get_customer", "Looks a customer up.")
ORDERS = function("list_orders", "Lists a customer's orders.")
MEMO: Json = {"type": "custom", "name": "memo", "description": "Keeps a text."}


def space(*tools: Json, name: str = "crm", description: str = "Customers and orders.") -> Json:
    """A namespace."""
    return {"type": "namespace", "name": name, "description": description, "tools": list(tools)}


def deferred(tool: Json) -> Json:
    """A tool that is to be searched for."""
    return tool | {"defer_loading": True}


CRM = space(CUSTOMER, ORDERS, MEMO)
HIDDEN = space(CUSTOMER, deferred(ORDERS), deferred(MEMO))
SEARCH: Json = {
    "type": "tool_search",
    "execution": "client",
    "description": "Finds tools.",
    "parameters": {"type": "object", "properties": {"goal": {"type": "string"}}, "required": ["goal"]},
}
CLOCK = function("clock", "Tells the time.")
ADDED: Json = {"type": "additional_tools", "role": "developer", "tools": [CLOCK, space(ORDERS, name="more")]}

CALLED: tuple[Json, Json] = (
    {"type": "function_call", "call_id": "call_a", "name": "get_customer", "namespace": "crm", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "call_a", "output": "Ada"},
)
NOTED: tuple[Json, Json] = (
    {"type": "custom_tool_call", "call_id": "call_n", "name": "memo", "namespace": "crm", "input": "x"},
    {"type": "custom_tool_call_output", "call_id": "call_n", "output": "kept"},
)
SEARCHED: tuple[Json, Json] = (
    {
        "type": "tool_search_call",
        "call_id": "call_s",
        "execution": "client",
        "status": "completed",
        "arguments": {"goal": "orders"},
    },
    {
        "type": "tool_search_output",
        "call_id": "call_s",
        "execution": "client",
        "status": "completed",
        "tools": [space(deferred(ORDERS)), deferred(CLOCK)],
    },
)
FOUND = "- crm__list_orders: Lists a customer's orders.\n- clock: Tells the time."
"""The output of the search as the model gets it."""
