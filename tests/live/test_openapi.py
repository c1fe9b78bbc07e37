"""The live server held to its own document: schemathesis asks what that allows, and what it does not.

Nothing that is asked may end in a 5xx, or in a status, type, header or body that the document does not have. The same
questions are asked in every run.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import cache, reduce
from operator import getitem
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import APIOperation, BaseSchema, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi import checks

from live.conftest import Start
from penstock.endpoints.operations import OPERATIONS
from requirements import shows
from support import raw
from support.server import PenstockServer

Json = dict[str, Any]

SEED = 4_711
TIMEOUT_S = 20.0
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
ASKED = {
    operation.id: (path, method)
    for family in OPERATIONS.values()
    for path, methods in family.items()
    for method, operation in methods.items()
    if path != "/openapi.json"  # schemathesis itself has read it by then
}
PLAIN_TEXT = {"getServer", "getMetrics"}
ALL_RIGHT = {"listModels", "getModel", "isHealthy", "isAlive", "isLive", "ping", "getVersion", "isReady"} | PLAIN_TEXT
"""What cannot be asked wrongly."""
RELAYED = {operation.id for methods in OPERATIONS["Relays"].values() for operation in methods.values()}
"""What the document describes only as far as this server reads it: the rest is the upstream's."""
EXAMPLES: Counter[str] = Counter(createResponse=80, countInputTokens=40, createConversationItems=40)
EXAMPLES_ELSE = 20


@pytest.fixture
def server(start: Start) -> PenstockServer:
    return start(PENSTOCK_STORE="memory://")


@pytest.fixture
def there(server: PenstockServer) -> dict[str, str]:
    """The ids of a response, a conversation and its item, all new."""
    response = made(server, "/responses", {"input": "Hi", "background": True})
    conversation = made(server, "/conversations", {})
    items = made(server, f"/conversations/{conversation['id']}/items", {"items": [{"role": "user", "content": "Hi"}]})
    return {
        "response_id": response["id"],
        "conversation_id": conversation["id"],
        "item_id": items["data"][0]["id"],
        "model": "synthetic",
    }


def made(server: PenstockServer, path: str, body: Json) -> Json:
    result: Json = json.loads(b"".join(raw.post(server.url, body, path).writes))
    return result


@cache
def document(url: str) -> BaseSchema:
    config = schemathesis.Config(seed=SEED)
    return schemathesis.openapi.from_url(f"{url}/openapi.json", config=config)


def ask(server: PenstockServer, cases: st.SearchStrategy[Case], examples: int) -> Counter[str]:
    """Send every case, and count the answers: status and type."""
    result: Counter[str] = Counter()

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases)
    def asked(case: Case) -> None:
        reply = case.call_and_validate(base_url=server.url, checks=CHECKS, timeout=TIMEOUT_S)
        result[f"{reply.status_code} {reply.headers['content-type'][0].partition(';')[0]}"] += 1

    asked()
    return result


@st.composite
def speaking(draw: st.DrawFn, cases: st.SearchStrategy[Case], items: st.SearchStrategy[Case]) -> Case:
    """Requests with an input, to a model that is there: left to itself, rng seldom does."""
    case = draw(cases)
    case.body = {"input": draw(items).body["items"], **case.body, "model": "synthetic"}
    return case


def with_input(case: Case) -> Case:
    """In place of an odd number of items, one that every conversation takes: rng seldom makes such an item."""
    if case.body and isinstance(case.body, dict) and len(case.body.get("items", ())) % 2:
        case.body = {"items": [{"role": "user", "content": "Hi"}]}
    return case


def right(schema: BaseSchema, name: str, there: dict[str, str]) -> st.SearchStrategy[Case]:
    path, method = ASKED[name]
    operation: APIOperation = schema[path][method]
    known = {name: id for name, id in there.items() if f"{{{name}}}" in path}
    if name == "createConversationItems":
        return operation.as_strategy(path_parameters=known).map(with_input) | operation.as_strategy()
    if known:
        return operation.as_strategy(path_parameters=known) | operation.as_strategy()
    if path.startswith("/responses"):
        return speaking(operation.as_strategy(), schema["/conversations/{conversation_id}/items"]["POST"].as_strategy())
    return operation.as_strategy()


@pytest.mark.parametrize("name", ASKED)
def test_what_the_document_allows(server: PenstockServer, there: dict[str, str], name: str) -> None:
    reply = ask(server, right(document(server.url), name, there), EXAMPLES[name] or EXAMPLES_ELSE)
    media = "text/plain" if name in PLAIN_TEXT else "application/json"
    assert reply[f"200 {media}"] > 0 or name in RELAYED, reply


@pytest.mark.parametrize("name", [name for name in ASKED if name not in ALL_RIGHT])
def test_what_it_does_not(server: PenstockServer, name: str) -> None:
    path, method = ASKED[name]
    wrong = document(server.url)[path][method].as_strategy(GenerationMode.NEGATIVE)
    reply = ask(server, wrong, EXAMPLES_ELSE)
    assert any(status.startswith("4") for status in reply), reply


STREAM = {"input": "Hi", "stream": True, "reasoning": {"summary": "auto"}}
EVENT = ("content", "text/event-stream", "schema", "properties")


@shows("openapi")
def test_every_event_is_as_documented(server: PenstockServer) -> None:
    reply = ask(server, streaming(document(server.url)), 1)
    assert reply == {"200 text/event-stream": 1}


def streaming(schema: BaseSchema) -> st.SearchStrategy[Case]:
    return schema["/responses"]["POST"].as_strategy(body=STREAM, media_type="application/json")


@pytest.mark.parametrize(
    ("name", "location", "lie"),
    [
        ("listModels", ("content",), {"text/plain": {}}),
        ("listModels", ("content", "application/json", "schema"), {"type": "array"}),
        ("listModels", ("headers",), {"x-none": {"required": True, "schema": {"type": "string"}}}),
        ("createResponse", (*EVENT, "data"), {"contentMediaType": "application/json", "contentSchema": False}),
        ("createResponse", (*EVENT, "event"), {"const": "message"}),
    ],
)
def test_a_lie_would_be_seen(server: PenstockServer, name: str, location: tuple[str, ...], lie: Json) -> None:
    path, method = ASKED[name]
    decoded = json.loads(b"".join(raw.ask(server.url, "GET", "/openapi.json").writes))
    *way, last = ("paths", path, method.lower(), "responses", "200", *location)
    reduce(getitem, way, decoded)[last] = lie
    schema = schemathesis.openapi.from_dict(decoded, config=schemathesis.Config(seed=SEED))
    cases = streaming(schema) if name == "createResponse" else schema[path][method].as_strategy()
    with pytest.raises(FailureGroup):
        ask(server, cases, 1)
