"""Which functions of hosted tools a turn offers, and which one it requires."""

from __future__ import annotations

from typing import Any

import pytest

from core.kit import from_json
from penstock.engine.hosted_tools.choice import first_offer, is_of_type, later_offer
from penstock.ports import Choice, HostedFunction
from penstock.tool_calls import FunctionDefinition
from penstock.wire import Tool, ToolChoice

SEARCH = {"type": "web_search"}
MAPS = {"type": "mcp", "server_label": "maps", "server_url": "https://maps.example/mcp"}
DICE = {"type": "mcp", "server_label": "dice", "server_url": "https://dice.example/mcp"}


def function(tool: dict[str, Any], name: str, offered: str = "") -> HostedFunction:
    return HostedFunction(definition=FunctionDefinition(name=offered or name), tool=from_json(tool, Tool), name=name)


FUNCTIONS = [
    function(SEARCH, "web_search"),
    function(SEARCH, "open_page"),
    function(MAPS, "find", "maps__find"),
    function(MAPS, "route", "maps__route"),
    function(DICE, "roll", "dice__roll"),
]


def names(offered: Any) -> list[str]:
    return [function.definition.name for function in offered.functions]


@pytest.mark.parametrize(
    ("asked", "offered", "name"),
    [
        ({"type": "web_search_preview"}, ["web_search"], "web_search"),
        ({"type": "mcp", "server_label": "maps"}, ["maps__find", "maps__route"], None),
        ({"type": "mcp", "server_label": "maps", "name": ""}, ["maps__find", "maps__route"], None),
        ({"type": "mcp", "server_label": "maps", "name": None}, ["maps__find", "maps__route"], None),
        ({"type": "mcp", "server_label": "maps", "name": "route"}, ["maps__route"], "maps__route"),
        ({"type": "mcp", "server_label": "dice"}, ["dice__roll"], "dice__roll"),
    ],
)
def test_a_tool_that_is_demanded_is_offered_alone_in_the_first_turn(asked: Any, offered: Any, name: Any) -> None:
    choice = from_json(asked, ToolChoice)
    first, later = first_offer(FUNCTIONS, choice, Choice()), later_offer(FUNCTIONS, choice)
    assert (names(first), first.choice) == (offered, Choice("required", name))
    assert (len(later.functions), later.choice) == (len(FUNCTIONS), Choice())


def test_a_choice_of_a_clients_tool_stays() -> None:
    required = Choice("required", "mine")
    first = first_offer(FUNCTIONS, from_json({"type": "function", "name": "mine"}, ToolChoice), required)
    assert (len(first.functions), first.choice) == (len(FUNCTIONS), required)


def test_allowed_tools_name_families_servers_and_functions() -> None:
    def allowed(*tools: Any) -> list[str]:
        return names(
            later_offer(FUNCTIONS, from_json({"type": "allowed_tools", "mode": "auto", "tools": tools}, ToolChoice))
        )

    assert allowed({"type": "web_search"}) == ["web_search", "open_page"]
    assert allowed({"type": "mcp", "server_label": "maps"}) == ["maps__find", "maps__route"]
    assert allowed({"type": "mcp", "server_label": "maps", "name": "find"}) == ["maps__find"]
    assert allowed({"type": "function", "name": "mine"}) == []


def test_names_of_a_family_mean_the_same_tool() -> None:
    tool = from_json(SEARCH, Tool)
    assert all(is_of_type(tool, name) for name in ("web_search", "web_search_2025_08_26", "web_search_preview"))
    assert not is_of_type(tool, "mcp")
