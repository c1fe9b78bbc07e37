"""Which tools the model is offered, and what every form of `tool_choice` makes of them."""

from typing import Any

import pytest

from core.kit import Json, plan
from penstock.engine import Policies
from penstock.errors import ApiError
from penstock.ports import Choice
from requirements import shows
from support.actions import ACTIONS

F, G = {"type": "function", "name": "f"}, {"type": "function", "name": "g"}
NOTE = {"type": "custom", "name": "note"}
SEARCH = {"type": "web_search"}
MCP = {"type": "mcp", "server_label": "m", "server_url": "https://example.com", "authorization": "sk-secret"}
TOOLS = [F, G, NOTE, SEARCH]


def allowed(*tools: Json, mode: str = "auto") -> Json:
    return {"type": "allowed_tools", "mode": mode, "tools": list(tools)}


CHOICES: dict[str, tuple[Any, list[str], Choice]] = {
    "nothing said": (None, ["f", "g", "note"], Choice()),
    "auto": ("auto", ["f", "g", "note"], Choice()),
    "none": ("none", ["f", "g", "note"], Choice("none")),
    "required": ("required", ["f", "g", "note"], Choice("required")),
    "a function": ({"type": "function", "name": "g"}, ["f", "g", "note"], Choice("required", "g")),
    "a custom tool": ({"type": "custom", "name": "note"}, ["f", "g", "note"], Choice("required", "note")),
    "allowed": (allowed(G, NOTE), ["g", "note"], Choice()),
    "allowed, and required": (allowed(G, mode="required"), ["g"], Choice("required")),
    "allowed beside one that is absent": (allowed(G, SEARCH), ["g"], Choice()),
    "only one that is absent": (allowed(SEARCH), [], Choice()),
    "none allowed": (allowed(), [], Choice()),
}


@pytest.mark.parametrize(("choice", "names", "made"), CHOICES.values(), ids=CHOICES)
def test_a_choice_is_made(choice: Any, names: list[str], made: Choice) -> None:
    planned = plan(tools=TOOLS, tool_choice=choice)
    assert [offer.name for offer in planned.turn.offers] == names
    assert planned.turn.choice == made
    assert planned.forms.keys() == {"f", "g", "note"}
    assert planned.ignored == ["tools.web_search"]


FAULTS: dict[str, tuple[Json, str, str]] = {
    "a function that is not there": ({"tool_choice": {"type": "function", "name": "x"}}, "tool_choice.name", "'x'"),
    "a custom tool by a function's name": ({"tool_choice": {"type": "custom", "name": "f"}}, "tool_choice.name", "'f'"),
    "a function by a custom tool's name": (
        {"tool_choice": {"type": "function", "name": "note"}},
        "tool_choice.name",
        "'note'",
    ),
    "a hosted tool that is absent": ({"tool_choice": {"type": "web_search"}}, "tool_choice", "'web_search'"),
    "a hosted tool that is not even listed": ({"tool_choice": {"type": "shell"}}, "tool_choice", "'shell'"),
    "an MCP server": ({"tool_choice": {"type": "mcp", "server_label": "m"}}, "tool_choice", "mcp tool 'm'"),
    "allowed, but not there": (
        {"tool_choice": allowed(F, {"type": "function", "name": "x"})},
        "tool_choice.tools[1]",
        "'x'",
    ),
    "allowed, but of another type": (
        {"tool_choice": allowed({"type": "custom", "name": "f"})},
        "tool_choice.tools[0]",
        "custom tool 'f'",
    ),
    "allowed, but without a name": (
        {"tool_choice": allowed({"type": "function"})},
        "tool_choice.tools[0]",
        "tool 'function'",
    ),
    "required of none": ({"tool_choice": "required", "tools": []}, "tool_choice", "no tool is offered"),
    "required of absent ones": ({"tool_choice": "required", "tools": [SEARCH]}, "tool_choice", "no tool is offered"),
    "required of none allowed": ({"tool_choice": allowed(mode="required")}, "tool_choice", "no tool is offered"),
    "two of a name": ({"tools": [F, NOTE, F]}, "tools[2].name", "More than one tool is named 'f'"),
    "two of a name and different types": (
        {"tools": [F, {"type": "custom", "name": "f"}]},
        "tools[1].name",
        "named 'f'",
    ),
    "an MCP tool": ({"tools": [F, MCP]}, "tools[1].type", "'mcp' is not available"),
}


ACTING: list[Json] = [action.tool for action in ACTIONS.values()]
BUILT_IN: dict[str, tuple[list[Json], Any, str]] = {
    "shell": (ACTING, {"type": "shell"}, "shell"),
    "apply_patch": (ACTING, {"type": "apply_patch"}, "apply_patch"),
    "computer": (ACTING, {"type": "computer"}, "computer"),
    "computer by its other name": (ACTING, {"type": "computer_use"}, "computer"),
    "computer by its older name": (ACTING, {"type": "computer_use_preview"}, "computer_use_preview"),
    "the older computer by the newer name": (ACTING[-1:], {"type": "computer"}, "computer_use_preview"),
    "the older computer by the other name": (ACTING[-1:], {"type": "computer_use"}, "computer_use_preview"),
    "the newer computer by the older name": (ACTING[3:4], {"type": "computer_use_preview"}, "computer"),
}


@pytest.mark.parametrize(("tools", "choice", "name"), BUILT_IN.values(), ids=BUILT_IN)
def test_a_tool_without_a_name_is_chosen_by_its_type(tools: list[Json], choice: Json, name: str) -> None:
    planned = plan(tools=[F, *tools], tool_choice=choice)
    assert planned.turn.choice == Choice("required", name)
    assert planned.ignored == []


def test_tools_without_names_may_be_allowed() -> None:
    choice = allowed({"type": "local_shell"}, {"type": "computer_use"}, F, mode="required")
    planned = plan(tools=[F, G, *ACTING], tool_choice=choice)
    assert [offer.name for offer in planned.turn.offers] == ["f", "local_shell", "computer"]
    assert planned.turn.choice == Choice("required")


CONTAINER = {"type": "shell", "environment": {"type": "container_auto"}}


@shows("container-shell")
def test_a_shell_in_a_container_is_not_the_clients_to_run() -> None:
    assert plan(tools=[F, CONTAINER]).ignored == ["tools.shell"]
    assert [offer.name for offer in plan(tools=[F, CONTAINER]).turn.offers] == ["f"]
    for asked, policies in (({"tool_choice": {"type": "shell"}}, Policies()), ({}, Policies(absent_tools="reject"))):
        with pytest.raises(ApiError) as caught:
            plan(policies=policies, tools=[F, CONTAINER], **asked)
        assert caught.value.status == 400


@pytest.mark.parametrize(("fields", "param", "reported"), FAULTS.values(), ids=FAULTS)
def test_what_cannot_be_chosen_is_the_clients_fault(fields: Json, param: str, reported: str) -> None:
    with pytest.raises(ApiError) as caught:
        plan(**{"tools": TOOLS} | fields)
    assert (caught.value.status, caught.value.param) == (400, param)
    assert reported in caught.value.message
    assert "sk-secret" not in caught.value.message


def test_tools_without_a_driver_are_rejected_where_that_is_set() -> None:
    with pytest.raises(ApiError, match='absent_tools = "ignore"') as caught:
        plan(policies=Policies(absent_tools="reject"), tools=[F, SEARCH])
    assert (caught.value.param, caught.value.code) == ("tools[1].type", "unsupported_tool")


def test_all_that_is_ignored_is_reported() -> None:
    assert plan(tools=[SEARCH, CONTAINER], x=1).ignored == ["x", "tools.web_search", "tools.shell"]
