"""Background requests with secrets: what must be sealed, what without a sealer is refused, and whose seal opens."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from core.kit import LIMITS, Answer, FakeUpstream, Json, OpenSealer, ask
from penstock.access import Access
from penstock.engine import Route, Routes
from penstock.engine.context.sealing import Seal, is_sealed
from penstock.ports import Sealer
from penstock.service import Service
from penstock.stores.memory import MemoryStore
from penstock.transcript.deltas import Finish, TextDelta
from penstock_adapters.cryptography import AeadSealer
from requirements import shows

MCP: Json = {"type": "mcp", "server_label": "s", "server_url": "https://mcp.example"}
NEW: Json = {"type": "new"}
SECRET = {"domain": "a.example", "name": "TOKEN", "value": "tok-1"}
POLICY = {"type": "allowlist", "allowed_domains": ["a.example"], "domain_secrets": [SECRET]}
FUNCTION: Json = {"type": "function", "name": "f", "parameters": {"properties": {"authorization": {}, "headers": {}}}}
SPACE: Json = {"type": "namespace", "name": "n", "description": "d"}
TOOL_CARRYING_ITEMS: Json = {"type": "additional_tools", "role": "developer"}
FOUND: Json = {"type": "tool_search_output", "call_id": "call_1"}

HOLDS: dict[str, tuple[Json, str]] = {
    "a token": ({"tools": [FUNCTION, MCP | {"authorization": "tok-1"}]}, "tools[1].authorization"),
    "headers": ({"tools": [MCP | {"headers": {"X-Key": "tok-1"}}]}, "tools[0].headers"),
    "a path": ({"tools": [MCP | {"server_url": "https://mcp.example/tok-1"}]}, "tools[0].server_url"),
    "a known tool's new field": ({"tools": [MCP | {"client_secret": "tok-1"}]}, "tools[0].client_secret"),
    "a new tool": ({"tools": [NEW | {"Password": {"a": ["tok-1"]}}]}, "tools[0].Password"),
    "a new tool of a namespace": (
        {"tools": [SPACE | {"tools": [FUNCTION, NEW | {"token": "tok-1"}]}]},
        "tools[0].tools[1].token",
    ),
    "a container": (
        {"tools": [{"type": "code_interpreter", "container": {"type": "auto", "network_policy": POLICY}}]},
        "tools[0].container.network_policy.domain_secrets",
    ),
    "a shell": (
        {"tools": [{"type": "shell", "environment": {"type": "container_auto", "network_policy": POLICY}}]},
        "tools[0].environment.network_policy.domain_secrets",
    ),
    "a tool that was brought": (
        {"input": [TOOL_CARRYING_ITEMS | {"tools": [MCP | {"authorization": "tok-1"}]}]},
        "input[0].tools[0].authorization",
    ),
    "a tool that was found": (
        {"input": [FOUND | {"tools": [MCP | {"headers": {"a": "tok-1"}}]}]},
        "input[0].tools[0].headers",
    ),
    "an item that nobody knows": ({"input": [{"type": "new", "token": "tok-1"}]}, "input[0].token"),
    "a parameter that nobody knows": ({"api_key": "tok-1"}, "api_key"),
}
HOLDS_NONE: dict[str, Json] = {
    "nothing": {},
    "tools": {"tools": [FUNCTION, MCP, {"type": "code_interpreter", "container": "cntr_1"}]},
    "empty ones": {"tools": [MCP | {"authorization": None, "headers": {}}, NEW | {"headers": {}, "token": ""}]},
    "words about secrets": {"input": "The password is in the headers: authorization, api_key"},
    "unknown parameters": {"new_thing": {"a": "tok-1"}, "tokens_max": 5},
}


def served(sealer: Sealer | None) -> tuple[Service, MemoryStore]:
    """An upstream with the Responses dialect, which so takes any tool."""
    store = MemoryStore()
    upstream = FakeUpstream([TextDelta("Hi"), Finish()])
    routes = Routes([Route(name="test", upstream=upstream, relays=True)], "any")
    return Service(routes, access=Access([]), limits=LIMITS, store=store, sealer=sealer), store


def stored(sealer: Sealer | None, fields: Json) -> tuple[Answer, list[Any]]:
    """The reply to a background request, and what the store was given of it."""

    async def submit() -> Answer:
        return await ask(service, {"input": "Hi", "background": True, "store": True} | fields)

    service, store = served(sealer)
    saved: list[Any] = []
    save = store.save

    async def noted(row: Any) -> bool:
        saved.append((row.request, row.body, [item.body for item in row.input]))
        return await save(row)

    store.save = noted  # type: ignore[method-assign]
    return asyncio.run(submit()), saved


@shows("sealed-requests")
@pytest.mark.parametrize(("fields", "param"), HOLDS.values(), ids=HOLDS)
def test_a_request_with_secrets_is_sealed(fields: Json, param: str) -> None:
    answer, [(request, body, items)] = stored(AeadSealer([bytes(32)]), fields)
    assert answer.status == 200
    assert is_sealed(request)
    assert "tok-1" not in repr((request, body, items, answer))


@shows("sealed-requests")
@pytest.mark.parametrize(("fields", "param"), HOLDS.values(), ids=HOLDS)
def test_where_nothing_can_be_sealed_it_is_refused(fields: Json, param: str) -> None:
    answer, saved = stored(None, fields)
    error = answer.json()["error"]
    assert (answer.status, error["param"], error["code"]) == (400, param, "unsupported_parameter")
    assert "penstock[server]" in error["message"]
    assert "tok-1" not in answer.body.decode()
    assert not saved


@pytest.mark.parametrize("fields", HOLDS_NONE.values(), ids=HOLDS_NONE)
@pytest.mark.parametrize("sealer", [None, OpenSealer()], ids=["no sealer", "a sealer"])
def test_a_request_without_secrets_is_stored_as_it_is(fields: Json, sealer: Sealer | None) -> None:
    answer, [(request, _, _)] = stored(sealer, fields)
    assert answer.status == 200
    assert json.loads(request) == {"input": "Hi", "background": True, "store": True} | fields


@shows("sealed-requests")
def test_a_request_opens_for_its_response_and_its_owner_alone() -> None:
    sealer = AeadSealer([bytes(32)])
    mine, other = Seal(sealer, "me", 100), Seal(sealer, "other", 100)
    sealed = mine.request("resp_1", body := b"{}" * 1_000)
    assert mine.open_request("resp_1", sealed) == body
    assert mine.open_request("resp_2", sealed) is None
    assert other.open_request("resp_1", sealed) is None
    assert Seal(AeadSealer([b"a" * 32]), "me", 100).open_request("resp_1", sealed) is None
    assert Seal(AeadSealer([b"a" * 32, bytes(32)]), "me", 100).open_request("resp_1", sealed) == body
    assert mine.open_request("resp_1", sealed + b"\xff") is None
