"""The route of the administrator: who may use it, and what it answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from core.kit import Answer, ask
from penstock.assembly import build
from penstock.drivers import Drivers
from penstock.secrets import Secret
from penstock.settings import Settings, SettingsError, UpstreamSettings, load
from requirements import shows

PATH = "/admin/synthetic"
KEY = {"authorization": "Bearer sk-1"}
JSON = {"content-type": "application/json"}
KEYS = [Secret("sk-1")]


def send(
    settings: Settings, method: str = "GET", body: bytes = b"", headers: Mapping[str, str] | None = None, **built: Any
) -> Answer:
    service = build(settings, **built)
    return asyncio.run(ask(service, body, method, PATH, dict(headers or {})))


def private(**fields: Any) -> Settings:
    return Settings(store="none://", **fields)


@shows("synthetic-live")
def test_options_are_set_and_read() -> None:
    async def main() -> list[Any]:
        service = build(private())
        bodies: list[Any] = []
        for method, body in (("GET", b""), ("POST", b'{"tokens": 7}'), ("GET", b""), ("POST", b'{"tokens": "x"}')):
            answered = await ask(service, body, method, PATH, JSON)
            bodies.append(answered.json() if answered.status == 200 else answered.status)
        asked = {"model": "synthetic", "input": "Hi"}
        bodies.append((await ask(service, asked)).json()["usage"]["output_tokens"])
        bodies.append((await ask(service, asked | {"model": "synthetic?tokens=5"})).json()["usage"]["output_tokens"])
        return bodies

    assert asyncio.run(main()) == [{}, {"tokens": 7}, {"tokens": 7}, 400, 7, 5]


@shows("synthetic-live")
def test_a_run_begins_anew_with_each_change() -> None:
    async def main() -> list[int]:
        service = build(private())
        statuses = []
        for _ in range(2):
            await ask(service, b'{"error": 503, "error_count": 2}', "POST", PATH, JSON)
            statuses += [(await ask(service, {"model": "synthetic", "input": "Hi"})).status for _ in range(3)]
        return statuses

    assert asyncio.run(main()) == [503, 503, 200, 503, 503, 200]


@shows("synthetic-live")
@pytest.mark.parametrize(
    ("settings", "headers", "status"),
    [
        (private(), {}, 200),
        (private(host="localhost"), {}, 200),
        (private(api_keys=KEYS), KEY, 404),
        (private(api_keys=KEYS, admin=True), KEY, 200),
        (private(api_keys=KEYS, admin=True, host="0.0.0.0"), KEY | {"host": "example.com"}, 200),
        (private(api_keys=KEYS, admin=True), {}, 401),
        (private(api_keys=KEYS, admin=True), {"authorization": "Bearer x"}, 401),
        (private(host="0.0.0.0", allow_anonymous=True), {}, 404),
    ],
)
def test_it_is_there_where_only_this_machine_or_a_key_has_access(
    settings: Settings, headers: dict[str, str], status: int
) -> None:
    assert send(settings, headers=headers).status == status


def test_it_is_not_there_without_the_synthetic_model_or_in_another_app() -> None:
    upstream = UpstreamSettings(name="a", url="http://a/v1")
    assert send(private(upstreams=[upstream]), drivers=Drivers(connect=lambda *_: None)).status == 404
    assert send(private(), location="app").status == 404


@shows("synthetic-live")
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("fields", "headers", "status"),
    [
        ({}, {"origin": "http://localhost:3000"}, 200),
        ({}, {"origin": "https://evil.example"}, 403),
        ({}, {"origin": "null"}, 403),
        ({}, {"host": "evil.example"}, 403),
        ({"allowed_origins": ["*"]}, {"origin": "https://evil.example"}, 403),
        ({"allow_anonymous": True}, {"host": "evil.example"}, 403),
        ({"allowed_hosts": ["lab.example"]}, {"host": "lab.example"}, 403),
        ({"allowed_hosts": ["lab.example"]}, {"origin": "http://lab.example"}, 403),
        (
            {"allowed_hosts": ["lab.example"], "api_keys": KEYS, "admin": True},
            KEY | {"host": "lab.example", "origin": "http://lab.example"},
            200,
        ),
        ({"api_keys": KEYS, "admin": True}, KEY | {"origin": "https://evil.example"}, 403),
    ],
)
def test_no_page_of_another_site_drives_it(
    method: str, fields: dict[str, Any], headers: dict[str, str], status: int
) -> None:
    assert send(private(**fields), method, b"{}", JSON | headers).status == status


def test_a_body_is_json_by_its_type() -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        assert send(private(), "POST", b"{}", {"content-type": kind}).status == 415
    assert send(private(), "PUT", b"{}", JSON).status == 405
    assert json.loads(send(private(), "POST", b"x", JSON).body)["error"]["code"] == "invalid_type"


def test_an_open_server_needs_keys_for_it() -> None:
    with pytest.raises(SettingsError, match="/admin needs API keys here"):
        load({"host": "0.0.0.0", "allow_anonymous": "true", "admin": "true"}, {})
    assert load({"admin": "true"}, {}).admin
