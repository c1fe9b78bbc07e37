"""Calls that another server made by itself: each is a call and its own output, which any chat model can follow."""

import json

import pytest

from core.kit import Json, from_json, to_json
from penstock import wire
from penstock.tool_calls import CALLS, OUTPUTS
from penstock.tool_calls.mcp import function_name
from requirements import shows
from support.hosted import ACTION, FOUND, ITEMS

TEXT = {"type": "input_text"}
IMAGE = {"type": "input_image", "detail": "auto"}
DATA = "data:image/png;base64,AA=="


def item_of(name: str, **fields: object) -> Json:
    """An item as it ends, with other fields."""
    return {**ITEMS[name][-1]["item"], **fields}


SEARCH, FILES, CODE = item_of("web search"), item_of("file search"), item_of("code interpreter")
PICTURE, CALL = item_of("image generation"), item_of("MCP call")
QUERY = {"queries": ["rivers"]}
NOT_STORED = "what it found is not kept in this conversation."

HISTORY: dict[str, tuple[Json, str, Json, object]] = {
    "a search": (SEARCH, "web_search", QUERY, "Sources:\nhttps://example.com/rivers"),
    "a search with results": (
        item_of("web search", results=[{"title": "Rivers"}]),
        "web_search",
        QUERY,
        '[{"title": "Rivers"}]',
    ),
    "a search without sources": (
        item_of("web search", action={"type": "search", "query": "rivers"}),
        "web_search",
        {"query": "rivers"},
        f"The search is completed; {NOT_STORED}",
    ),
    "a page": (
        item_of("web search", action={"type": "open_page", "url": "https://example.com"}),
        "open_page",
        {"url": "https://example.com"},
        f"The search is completed; {NOT_STORED}",
    ),
    "words in a page": (
        item_of("web search", action={"type": "find_in_page", "url": "https://example.com", "pattern": "long"}),
        "find_in_page",
        {"url": "https://example.com", "pattern": "long"},
        f"The search is completed; {NOT_STORED}",
    ),
    "an action of an unknown type": (
        item_of("web search", action={"type": 7, "query": "rivers"}),
        "web_search",
        {"query": "rivers"},
        f"The search is completed; {NOT_STORED}",
    ),
    "a search of another form": (
        item_of("web search", action="rivers", status="failed"),
        "web_search",
        {},
        f"The search is failed; {NOT_STORED}",
    ),
    "a search whose sources are of another form": (
        item_of("web search", action=ACTION | {"sources": [1]}),
        "web_search",
        QUERY,
        f"The search is completed; {NOT_STORED}",
    ),
    "a search as agents send it back": (
        {"type": "web_search_call"},
        "web_search",
        {},
        f"The search is completed; {NOT_STORED}",
    ),
    "files": (FILES, "file_search", {"queries": ["rivers"]}, "[rivers.md]\nLong."),
    "files by id": (
        item_of("file search", results=[*FOUND, {"file_id": "file_2"}, {}]),
        "file_search",
        {"queries": ["rivers"]},
        "[rivers.md]\nLong.\n\n[file_2]\n\n\n[file]\n",
    ),
    "no files": (item_of("file search", results=[]), "file_search", {"queries": ["rivers"]}, "Nothing was found."),
    "files that were not kept": (
        item_of("file search", results=None),
        "file_search",
        {"queries": ["rivers"]},
        f"The search is completed; {NOT_STORED}",
    ),
    "code": (
        CODE,
        "code_interpreter",
        {"code": "2 + 2"},
        [TEXT | {"text": "4\n"}, TEXT | {"text": "[image: https://example.com/plot.png]"}],
    ),
    "code that drew": (
        item_of("code interpreter", outputs=[{"type": "image", "url": DATA}]),
        "code_interpreter",
        {"code": "2 + 2"},
        [IMAGE | {"image_url": DATA}],
    ),
    "code that said nothing": (
        item_of("code interpreter", outputs=[]),
        "code_interpreter",
        {"code": "2 + 2"},
        "The code gave nothing out.",
    ),
    "code whose outputs were not kept": (
        item_of("code interpreter", code=None, outputs=None),
        "code_interpreter",
        {"code": ""},
        "The run is completed; what it gave out is not kept in this conversation.",
    ),
    "an image": (
        PICTURE,
        "image_generation",
        {"prompt": "A river."},
        [TEXT | {"text": "The image was made."}, IMAGE | {"image_url": "data:image/png;base64,AAAA"}],
    ),
    "an image that cannot be shown": (
        item_of("image generation", output_format="svg"),
        "image_generation",
        {"prompt": "A river."},
        "An image was made; its format, svg, cannot be shown.",
    ),
    "no image": (
        item_of("image generation", result=None, status="failed", revised_prompt=None),
        "image_generation",
        {"prompt": ""},
        "The image is failed; there is nothing to show.",
    ),
    "a tool of a server": (CALL, "maps__route", {"to": "sea"}, "Follow it."),
    "a tool that said nothing": (item_of("MCP call", output=""), "maps__route", {"to": "sea"}, ""),
    "a tool that failed": (
        item_of("MCP call that fails"),
        "maps__route",
        {},
        'Error: {"type": "mcp_tool_execution_error", "content": [{"type": "text", "text": "No."}]}',
    ),
    "a tool that has not answered": (
        item_of("MCP call", output=None, arguments="", status="in_progress"),
        "maps__route",
        {},
        "The call is in_progress; it gave nothing back.",
    ),
}


@shows("foreign-calls")
@pytest.mark.parametrize(("item", "name", "arguments", "content"), HISTORY.values(), ids=HISTORY)
def test_a_call_reads_as_a_call_and_its_output(item: Json, name: str, arguments: Json, content: object) -> None:
    struct = from_json(item, wire.InputItem)
    call, output = CALLS[type(struct)](struct), OUTPUTS[type(struct)](struct)
    assert (call.name, json.loads(call.arguments)) == (name, arguments)
    assert to_json(output)["content"] == content
    assert call.call_id == output.call_id == item.get("id", "")


def test_a_program_reads_as_a_call_and_its_output() -> None:
    program, output = (from_json(item_of(name), wire.InputItem) for name in ("program", "program's output"))
    assert to_json(CALLS[wire.Program](program)) == {
        "call_id": "call_1",
        "name": "programmatic_tool_calling",
        "arguments": '{"code":"1"}',
    }
    read = OUTPUTS[wire.ProgramOutput](output)
    assert (read.call_id, read.content) == ("call_1", "1")


@pytest.mark.parametrize(
    ("label", "name", "function"),
    [
        ("maps", "route", "maps__route"),
        ("my maps", "find.route/now", "my_maps__find_route_now_b4691a"),
        ("s", "x" * 100, "s__" + "x" * 54 + "_168f31"),
    ],
)
def test_a_servers_tool_has_a_name_that_every_backend_takes(label: str, name: str, function: str) -> None:
    assert function_name(label, name) == function


@shows("foreign-calls")
def test_every_such_call_is_read_here() -> None:
    assert {from_json(item, wire.InputItem).__class__ for item, *_ in HISTORY.values()} == CALLS.keys() & OUTPUTS.keys()
