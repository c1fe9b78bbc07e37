"""The settings of a Worker, and its replies while they are wrong. This needs no Pyodide."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, MutableMapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from penstock.limits import Limits
from penstock.ports import Destination, Transport
from penstock.settings import SettingsError
from penstock_adapters.cloudflare.d1 import D1Store
from penstock_adapters.cloudflare.d1.database import Database
from penstock_adapters.cloudflare.kv import Namespace
from penstock_adapters.cloudflare.settings import worker_settings
from penstock_adapters.cloudflare.stores import stores_of
from penstock_adapters.cloudflare.worker import Worker
from penstock_adapters.drivers import STORES
from requirements import shows
from support import oracle

OPEN = {"PENSTOCK_ALLOW_ANONYMOUS": "true"}
SOCKET = {"PENSTOCK_UPSTREAM": "http+unix://%2Ftmp%2Fsocket/v1"}


@pytest.fixture(autouse=True)
def unlogged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log of this process stays as it is."""
    monkeypatch.setattr("penstock_adapters.cloudflare.settings.configure_logging", lambda *_: None)


def connect(to: Destination, limits: Limits) -> Transport:
    raise AssertionError("no upstream is called here")


def answered(variables: Mapping[str, str], **scope: Any) -> tuple[int, Any]:
    """The reply to a request, as status and JSON; nothing for a lifespan."""
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b'{"input":"Hi"}'}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    headers = [(b"host", b"worker.example"), (b"content-type", b"application/json")]
    request = {"type": "http", "method": "POST", "path": "/v1/responses", "headers": headers} | scope
    asyncio.run(Worker(variables, connect, {})(request, receive, send))
    if not sent:
        return 0, None
    return sent[0]["status"], json.loads(b"".join(message["body"] for message in sent[1:]))


@shows("exposed-functions")
def test_without_keys_every_request_is_refused() -> None:
    status, body = answered({})
    assert (status, oracle.check_error(body)["code"]) == (401, "invalid_api_key")
    assert answered(OPEN)[0] == 200


@pytest.mark.parametrize(
    ("variables", "named"),
    [({"PENSTOCK_SEARCH": "searxng:http://a"}, "search: a Worker"), ({"PENSTOCK_MCP": "on"}, "mcp: a Worker")],
)
def test_hosted_tools_that_a_worker_cannot_have(variables: Mapping[str, str], named: str) -> None:
    status, body = answered(OPEN | variables)
    error = oracle.check_error(body)
    assert (status, error["code"]) == (500, "configuration_error")
    assert named in error["message"]


@pytest.mark.parametrize("scheme", [*STORES, "memory", "sqlite", "nothing"])
def test_a_store_that_a_worker_cannot_have(scheme: str) -> None:
    status, body = answered(OPEN | {"PENSTOCK_STORE": f"{scheme}:///x"})
    error = oracle.check_error(body)
    assert (status, error["code"]) == (500, "configuration_error")
    assert "d1://" in error["message"] or scheme == "nothing"


@pytest.mark.parametrize("url", ["d1://", "d1://OTHER", "d1://TEXT", "kv://OTHER"])
def test_a_binding_that_is_not_there(url: str) -> None:
    env = SimpleNamespace(DB=object(), TEXT="a variable")
    stores = stores_of(env, lambda binding: cast(Database, binding), lambda binding: cast(Namespace, binding))
    with pytest.raises(SettingsError, match="has no binding"):
        stores[url.partition(":")[0]](url)
    first, second = stores["d1"]("d1://DB"), stores["d1"]("d1://DB")
    assert isinstance(first, D1Store) and isinstance(second, D1Store)
    assert first is not second
    assert first._database is second._database is env.DB


def test_an_upstream_that_fetch_cannot_reach() -> None:
    with pytest.raises(SettingsError, match="a Worker has no Unix sockets"):
        worker_settings(OPEN | SOCKET)
    status, body = answered(OPEN | SOCKET)
    assert (status, oracle.check_error(body)["code"]) == (500, "configuration_error")


def test_nothing_outlives_a_request() -> None:
    settings = worker_settings(OPEN)
    assert (settings.background, settings.websocket, settings.metrics, settings.store) == (
        False,
        False,
        False,
        "none://",
    )
    assert worker_settings(OPEN | {"PENSTOCK_STORE": "d1://DB"}).store == "d1://DB"


def test_a_lifespan_is_not_supported() -> None:
    """The application returns, and a server goes on without it."""
    assert answered(OPEN, type="lifespan") == (0, None)


def test_while_the_settings_are_wrong_no_body_is_read() -> None:
    assert Worker(SOCKET, connect, {}).body_bytes_max == 0
    assert Worker(OPEN, connect, {}).body_bytes_max == Limits().body_bytes_max
