"""The OpenAPI document: whole, valid, true of what goes in and out, and strict enough that a mistake would show."""

import asyncio
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema
import msgspec
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31

import penstock
from core.kit import Answer, FakeUpstream, Json, ask, service, to_json
from core.mutations import VALID
from core.replay import play_script
from penstock.access import Access
from penstock.endpoints.openapi_document import make_document
from penstock.endpoints.operations import OPERATIONS, PARAMETERS
from penstock.secrets import Secret
from penstock.wire import UNKNOWN
from requirements import shows
from support import hosted, samples
from support.scripts import SCRIPTS

pytestmark = pytest.mark.slow

MESSAGE: Json = {"type": "message", "role": "user", "content": "Hi"}
NAMES = [name for name in SCRIPTS if name != "flood"]
"""Twenty megabytes of one letter are much to judge."""
WHOLE = [*samples.ITEMS, *hosted.ITEMS.values()]
"""Items, each as its events."""


@cache
def document() -> Json:
    parsed: Json = json.loads(msgspec.json.encode(make_document("1.2.3", websocket=True)))
    return parsed


@cache
def judge(name: str) -> jsonschema.Draft202012Validator:
    """Whether a value is what a component defines."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": document()["components"]}
    return jsonschema.Draft202012Validator(schema)


def mistake(name: str, value: Any) -> str | None:
    """What is wrong with a value, if anything is; of a union the errors of the closest member."""
    error = jsonschema.exceptions.best_match(judge(name).iter_errors(value))
    return error and f"{error.json_path}: {error.message[:300]}"


def parts(node: Any) -> Iterator[Json]:
    """Every object in the document."""
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else []:
        yield from parts(child)


@cache
def events_of(script: str) -> list[Json]:
    """The events that come of what an upstream sends."""
    return [to_json(event) for event in play_script(script).events]


def get(path: str = "/v1/openapi.json", **options: Any) -> Answer:
    return asyncio.run(ask(service(FakeUpstream(), **options), method="GET", path=path, headers={}))


# The route.


@shows("openapi")
@pytest.mark.parametrize("base", ["/v1", ""])
def test_it_is_reported_to_everybody(base: str) -> None:
    reply = get(f"{base}/openapi.json", access=Access([Secret("sk-1")]))
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert reply.json()["info"]["version"] == penstock.__version__


def test_it_is_made_once() -> None:
    async def main() -> list[bytes]:
        at = service(FakeUpstream())
        return [(await ask(at, method="GET", path="/openapi.json", headers={})).body for _ in range(2)]

    first, second = asyncio.run(main())
    assert first is second


def test_web_sockets_are_mentioned_where_they_are_served() -> None:
    with_them, without = (
        get(websocket=served).json()["paths"]["/responses"]["post"].get("description", "") for served in (True, False)
    )
    assert "WebSocket" in with_them
    assert not without


# The table.


def test_every_route_is_an_operation_and_every_operation_a_route() -> None:
    routes = {(path, method) for path, methods in service(FakeUpstream())._table.items() for method in methods}
    operations = {
        ("/".join("*" if step.startswith("{") else step for step in path.split("/")), method)
        for family in OPERATIONS.values()
        for path, methods in family.items()
        for method in methods
    }
    assert operations == routes


def test_no_two_operations_have_one_id() -> None:
    ids = [part["operationId"] for part in parts(document()["paths"]) if "operationId" in part]
    assert len(ids) == len(set(ids)) > 10


def test_every_parameter_is_taken_somewhere() -> None:
    taken = {part["name"] for part in parts(document()["paths"]) if "in" in part}
    assert taken == PARAMETERS.keys()


# The document.


def test_it_is_what_openapi_defines() -> None:
    jsonschema.Draft202012Validator(OPENAPI_31).validate(document())
    assert [*jsonschema.Draft202012Validator(OPENAPI_31).iter_errors(document() | {"info": {}})]


def test_every_schema_is_one() -> None:
    schemas = [
        *document()["components"]["schemas"].values(),
        *(p["schema"] for p in parts(document()) if "schema" in p),
    ]
    assert len(schemas) > 200
    for schema in schemas:
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_reference_leads_somewhere() -> None:
    references = {part["$ref"] for part in parts(document()) if isinstance(part.get("$ref"), str)}
    assert len(references) > 200
    for reference in references:
        node: Any = document()
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


def test_the_mark_of_unknown_fields_is_not_published() -> None:
    assert UNKNOWN not in json.dumps(document())


def test_no_name_is_a_path_into_the_packages() -> None:
    assert all(name.isidentifier() for name in document()["components"]["schemas"])


def test_only_what_is_sent_has_defaults() -> None:
    schemas = document()["components"]["schemas"]
    assert schemas["CreateConversationItems"]["required"] == ["items"]
    assert "default" in schemas["CreateResponse"]["properties"]["input"]
    assert "default" not in schemas["OutputTextDelta"]["properties"]["sequence_number"]
    assert "sequence_number" in schemas["OutputTextDelta"]["required"]
    assert "obfuscation" not in schemas["OutputTextDelta"]["required"]


# What goes in.


@pytest.mark.parametrize("request_", VALID, ids=range(len(VALID)))
def test_valid_requests_are_valid(request_: Json) -> None:
    assert mistake("CreateResponse", request_) is None


@pytest.mark.parametrize(
    "item",
    [
        MESSAGE,
        {"role": "user", "content": "Hi"},
        {"role": "user", "content": "Hi", "type": None},
        {"id": "msg_1"},
        {"id": "msg_1", "type": "item_reference"},
        {"id": "x_1", "type": "of_tomorrow", "depth": 3},
        MESSAGE | {"mood": "of tomorrow"},
        MESSAGE | {"content": [{"type": "of_tomorrow"}]},
    ],
    ids=json.dumps,
)
@pytest.mark.parametrize(("body", "field"), [("CreateResponse", "input"), ("CreateConversationItems", "items")])
def test_short_forms_and_unknown_fields_are_valid(item: Json, body: str, field: str) -> None:
    assert mistake(body, {field: [item]}) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", 3),
        ("input", 1),
        ("input", [{"type": "message", "role": "user"}]),
        ("input", [{"role": "nobody", "content": "Hi"}]),
        ("input", [MESSAGE | {"content": [{"type": "input_text"}]}]),
        ("input", [{"role": "user", "id": "msg_1"}]),
        ("tools", [{"type": "function"}]),
        ("tools", [{"type": "function", "name": "f", "parameters": []}]),
        ("tool_choice", "all"),
        ("text", {"format": {"type": "json_schema", "name": "a", "schema": 1}}),
        ("include", ["everything"]),
        ("metadata", {"a": 1}),
    ],
)
def test_mistakes_are_not_valid(field: str, value: Any) -> None:
    assert mistake("CreateResponse", {"input": "Hi"} | {field: value})


# What comes out.


@pytest.mark.parametrize("name", NAMES)
def test_every_event_of_a_stream_is_valid(name: str) -> None:
    for event in events_of(name):
        assert mistake("StreamEvent", event) is None, event


@pytest.mark.parametrize("events", WHOLE, ids=lambda events: events[-1]["item"]["id"])
def test_every_item_and_its_events_are_valid(events: list[Json]) -> None:
    assert mistake("OutputItem", events[-1]["item"]) is None
    for event in samples.numbered(events):
        assert mistake("StreamEvent", event) is None, event


@pytest.mark.parametrize("key", sorted(events_of("text")[-1]["response"]))
def test_a_response_that_lacks_a_key_is_not_valid(key: str) -> None:
    response = events_of("text")[-1]["response"]
    assert mistake("Response", response) is None
    assert mistake("Response", {name: value for name, value in response.items() if name != key})


def test_an_event_of_tomorrow_is_valid_and_a_wrong_one_of_today_is_not() -> None:
    event = {"type": "response.output_text.delta", "sequence_number": 1, "item_id": "a", "output_index": 0}
    assert mistake("StreamEvent", event | {"type": "response.of_tomorrow"}) is None
    assert mistake("StreamEvent", event)
