"""The settings of functions on platforms: variables, `penstock.toml`, and what each platform adds to them."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from penstock.settings import SettingsError
from penstock_adapters import azure_functions, functions, google_functions, vercel
from penstock_adapters.asgi import AsgiApp

PREFIX = "AzureFunctionsJobHost__extensions__http__routePrefix"
TIMEOUT = "AzureFunctionsJobHost__functionTimeout"


@pytest.fixture
def created(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """What `create_function_app` is called with, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    given: dict[str, Any] = {}
    for module in (vercel, google_functions, azure_functions):
        monkeypatch.setattr(module, "create_function_app", lambda **fields: given.update(fields))
    return given


HOST_FILES: dict[str, tuple[str | None, dict[str, Any]]] = {
    "no file": (None, {"root_path": "/api", "request_s": None}),
    "nothing in it": ('{"version": "2.0"}', {"root_path": "/api", "request_s": None}),
    "no prefix": ('{"extensions": {"http": {"routePrefix": ""}}}', {"root_path": "", "request_s": None}),
    "a prefix": ('{"extensions": {"http": {"routePrefix": "/a/b/"}}}', {"root_path": "/a/b", "request_s": None}),
    "a time-out": ('{"functionTimeout": "00:10:00"}', {"root_path": "/api", "request_s": 600.0}),
    "a time-out of days": ('{"functionTimeout": "1.01:00:01"}', {"root_path": "/api", "request_s": 90_001.0}),
    "no time-out": ('{"functionTimeout": "-1"}', {"root_path": "/api", "request_s": None}),
    "a byte order mark": ('\ufeff{"functionTimeout": "00:00:05"}', {"root_path": "/api", "request_s": 5.0}),
}


@pytest.mark.parametrize("name", HOST_FILES)
def test_the_settings_of_host_json(created: dict[str, Any], tmp_path: Path, name: str) -> None:
    text, expected = HOST_FILES[name]
    if text is not None:
        (tmp_path / "host.json").write_text(text, encoding="utf-8")
    azure_functions.create_app(tmp_path)
    assert created == expected


def test_settings_of_the_app_replace_it(
    created: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "host.json").write_text('{"functionTimeout": "01:00:00"}')
    monkeypatch.setenv(PREFIX, "llm")
    monkeypatch.setenv(TIMEOUT, "00:00:30")
    azure_functions.create_app(tmp_path)
    assert created == {"root_path": "/llm", "request_s": 30.0}


@pytest.mark.parametrize(
    ("text", "named"), [("{", "host.json"), ('{"extensions": 1}', "extensions"), ('{"functionTimeout": "5m"}', "5m")]
)
def test_a_mistake_in_host_json_is_named(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "host.json").write_text(text)
    with pytest.raises(SettingsError, match=named):
        azure_functions.create_app(tmp_path)


@pytest.mark.parametrize(("text", "expected"), [("", None), ("900", 900.0)])
def test_the_time_out_of_cloud_run(
    created: dict[str, Any], monkeypatch: pytest.MonkeyPatch, text: str, expected: float | None
) -> None:
    monkeypatch.setenv("CLOUD_RUN_TIMEOUT_SECONDS", text)
    google_functions.create_app()
    assert created == {"request_s": expected}
    monkeypatch.setenv("CLOUD_RUN_TIMEOUT_SECONDS", "15m")
    with pytest.raises(SettingsError, match="CLOUD_RUN_TIMEOUT_SECONDS: not a number of seconds: '15m'"):
        google_functions.create_app()


def test_the_deadline_of_vercel(created: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    vercel.create_app()
    assert created["deadline"]() is None
    deadline: list[datetime | None] = [None]
    monkeypatch.setitem(sys.modules, "vercel_runtime.deadline", SimpleNamespace(get_deadline=lambda: deadline[0]))
    assert created["deadline"]() is None
    for zone in (UTC, timezone(timedelta(hours=9))):
        deadline[0] = datetime.now(zone) + timedelta(seconds=60)
        assert created["deadline"]() - time.monotonic() == pytest.approx(60, abs=1)


def settings_of(monkeypatch: pytest.MonkeyPatch, **given: Any) -> Any:
    """The settings that an app is made of."""
    found: list[Any] = []

    def create(settings: Any, *, location: str) -> Any:
        found.append((settings, location))
        return SimpleNamespace(service=None)

    monkeypatch.setattr(functions, "create_asgi_app", create)
    monkeypatch.setattr(functions, "configure_logging", lambda *_: None)
    assert isinstance(functions.create_function_app(**given), AsgiApp)
    [(settings, location)] = found
    assert location == "function"
    return settings


def test_nothing_outlives_a_request(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PENSTOCK_STORE", raising=False)
    settings = settings_of(monkeypatch, root_path="/api", request_s=300.0)
    assert (settings.store, settings.background, settings.root_path) == ("none://", False, "/api")
    assert settings.limits.request_s == 300


def test_what_the_user_sets_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "penstock.toml").write_text('root_path = "/llm"\n[limits]\nrequest_s = 29\n')
    monkeypatch.setenv("PENSTOCK_STORE", "memory://")
    settings = settings_of(monkeypatch, root_path="/api", request_s=300.0)
    assert (settings.store, settings.root_path, settings.limits.request_s) == ("memory://", "/llm", 29)
