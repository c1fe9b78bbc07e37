"""What lists of items contain, by `include`: every value has its meaning, and nothing else is touched."""

import json
from typing import Any, get_args

import pytest

from core.kit import Json
from penstock.endpoints import included
from penstock.endpoints.included import ALWAYS, OPTIONAL_FIELDS
from penstock.ports import StoredItem
from penstock.wire import Include
from requirements import shows
from support import samples
from support.hosted import ACTION, FOUND, OUTPUTS

VALUES: tuple[Include, ...] = get_args(Include)
IMAGE = {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,AA=="}
TEXT = {"type": "output_text", "text": "Hi", "annotations": [], "logprobs": [samples.LOGPROB]}


def listed(item: Json, *include: str) -> Json:
    found: Json = json.loads(bytes(included.listed(StoredItem("item_1", json.dumps(item).encode()), include)))
    return found


def answer(text: Json) -> Json:
    return {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "no"}, text]}


# Value -> an item that has what it is about, and the item as it is listed without it.
ITEMS: dict[Include, tuple[Json, Json]] = {
    "message.output_text.logprobs": (answer(TEXT), answer(TEXT | {"logprobs": []})),
    "file_search_call.results": (
        {"type": "file_search_call", "queries": ["a"], "results": FOUND},
        {"type": "file_search_call", "queries": ["a"], "results": None},
    ),
    "web_search_call.results": (
        {"type": "web_search_call", "action": {"type": "search"}, "results": [{"title": "A"}]},
        {"type": "web_search_call", "action": {"type": "search"}},
    ),
    "web_search_call.action.sources": (
        {"type": "web_search_call", "action": ACTION},
        {"type": "web_search_call", "action": {key: ACTION[key] for key in ACTION if key != "sources"}},
    ),
    "code_interpreter_call.outputs": (
        {"type": "code_interpreter_call", "code": "1", "outputs": OUTPUTS},
        {"type": "code_interpreter_call", "code": "1", "outputs": None},
    ),
    "message.input_image.image_url": (
        {"type": "message", "role": "user", "content": [IMAGE]},
        {"type": "message", "role": "user", "content": [IMAGE]},
    ),
    "computer_call_output.output.image_url": (
        {"type": "computer_call_output", "output": {"type": "computer_screenshot", "image_url": "data:,"}},
        {"type": "computer_call_output", "output": {"type": "computer_screenshot", "image_url": "data:,"}},
    ),
    "reasoning.encrypted_content": (
        {"type": "reasoning", "summary": [], "encrypted_content": "sealed"},
        {"type": "reasoning", "summary": [], "encrypted_content": "sealed"},
    ),
}


def test_every_value_has_one_meaning() -> None:
    assert OPTIONAL_FIELDS.keys() | ALWAYS == set(VALUES) == ITEMS.keys()
    assert not OPTIONAL_FIELDS.keys() & ALWAYS


@shows("list-includes")
@pytest.mark.parametrize("value", VALUES)
def test_a_value_reveals_its_field_and_no_other_does(value: Include) -> None:
    whole, bare = ITEMS[value]
    assert listed(whole, value) == listed(whole, *VALUES) == whole
    assert listed(whole) == listed(whole, *(other for other in VALUES if other != value)) == bare
    assert (whole == bare) == (value in ALWAYS)


def test_two_values_about_one_item_are_two() -> None:
    item = {"type": "web_search_call", "action": ACTION, "results": [1]}
    assert listed(item).keys() == {"type", "action"}
    assert listed(item, "web_search_call.results") == listed(item) | {"results": [1]}
    assert listed(item, "web_search_call.action.sources") == listed(item) | {"action": ACTION}


@pytest.mark.parametrize(
    "item",
    [
        {"type": "message", "role": "user", "content": "Hi"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "logprobs"}]},
        {"type": "web_search_call", "action": None},
        {"type": "web_search_call"},
        {"type": "function_call", "results": [1], "outputs": [1], "logprobs": [1]},
        {"type": "unheard_of", "content": [{"logprobs": [1]}]},
    ],
    ids=str,
)
def test_where_there_is_nothing_to_hide_nothing_changes(item: Json) -> None:
    assert listed(item) == item


def test_what_is_beside_a_hidden_field_stays_as_it_was_written() -> None:
    body = b'{"type":"file_search_call","new":{"a": 1e400,  "b":1.00},"results":[1]}'
    found: Any = bytes(included.listed(StoredItem("fs_1", body), []))
    assert found == b'{"type":"file_search_call","new":{"a": 1e400,  "b":1.00},"results":null}'
