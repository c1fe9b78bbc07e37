"""Tool search: the function that a chat model is offered, which arguments are a search, how history reads."""

from typing import Any

import pytest

from core.kit import Json, from_json, to_json
from penstock import wire
from penstock.tool_calls import CALLS, OFFERS, OUTPUTS, READ_AS, WITHOUT_MESSAGE
from penstock.tool_calls.tool_search import ToolSearchCallFormat
from support import tool_items


def offered(**fields: Any) -> list[Json]:
    tool = from_json({"type": "tool_search", **fields}, wire.Tool)
    return [to_json(offer) for offer, _ in OFFERS[wire.ToolSearchTool](tool) or ()]


def test_the_search_is_offered_as_the_client_describes_it() -> None:
    [offer] = offered(execution="client", description="Finds.", parameters={"type": "object"})
    assert offer == {"name": "tool_search", "description": "Finds.", "parameters": {"type": "object"}, "strict": None}


@pytest.mark.parametrize("fields", [{}, {"description": None, "parameters": None}])
def test_a_search_that_is_not_described_takes_a_query(fields: Json) -> None:
    [offer] = offered(execution="client", **fields)
    assert offer["parameters"]["required"] == ["query"]
    assert offer["description"]


@pytest.mark.parametrize("fields", [{}, {"execution": None}, {"execution": "server"}])
def test_a_search_that_the_server_is_to_make_is_not_offered(fields: Json) -> None:
    assert offered(**fields) == []


@pytest.mark.parametrize(
    ("arguments", "result"),
    [
        ("{}", "{}"),
        ('{"goal": "a"}', '{"goal":"a"}'),
        ('{\n"goal":\r\n {"deep": [1,\n 2.50]}}', '{"goal":{"deep":[1,2.50]}}'),
    ],
)
def test_arguments_are_reported_as_an_object_on_one_line(arguments: str, result: str) -> None:
    """An event is one line, and what stays undecoded is sent as it is."""
    action = ToolSearchCallFormat().read(arguments)
    item = ToolSearchCallFormat().item(id="tsc_1", call_id="c", action=action)
    assert bytes(item.arguments).decode() == result
    assert (item.type, item.execution, item.status) == ("tool_search_call", "client", "in_progress")


@pytest.mark.parametrize("arguments", ["", "orders", "[]", '"orders"', "12", "null", '{"goal"', '{"a": "\ud83d"}'])
def test_what_is_no_object_is_no_search(arguments: str) -> None:
    with pytest.raises(ValueError):
        ToolSearchCallFormat().read(arguments)


def test_a_search_of_the_history_reads_as_the_model_wrote_it() -> None:
    call, output = (from_json(item, wire.InputItem) for item in tool_items.SEARCHED)
    read = CALLS[wire.ToolSearchCall](call)
    assert (read.call_id, read.name, read.arguments) == ("call_s", "tool_search", '{"goal": "orders"}')
    given = OUTPUTS[wire.ToolSearchOutput](output)
    assert (given.call_id, given.content) == ("call_s", tool_items.FOUND)


@pytest.mark.parametrize(
    ("tools", "result"),
    [
        ([], "No tools were found."),
        ([tool_items.space()], "No tools were found."),
        ([{"type": "function", "name": "f"}, {"type": "custom", "name": "g"}], "- f\n- g"),
        ([{"type": "shell"}], "- shell"),
    ],
)
def test_what_was_found_is_reported_by_the_names_to_call(tools: list[Json], result: str) -> None:
    output = from_json(tool_items.SEARCHED[1] | {"tools": tools}, wire.InputItem)
    assert OUTPUTS[wire.ToolSearchOutput](output).content == result


@pytest.mark.parametrize("item", tool_items.SEARCHED, ids=lambda item: item["type"])
def test_a_search_that_a_server_made_sends_nothing_to_the_model(item: Json) -> None:
    """It has no `call_id`, since the model did not call."""
    asked = from_json(item, wire.InputItem)
    assert READ_AS[type(asked)](asked) is asked
    served = from_json(item | {"call_id": None, "execution": "server"}, wire.InputItem)
    assert type(READ_AS[type(served)](served)) in WITHOUT_MESSAGE
