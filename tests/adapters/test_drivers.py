"""The application that settings describe: making it opens nothing, and draws nothing."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.settings import Settings, UpstreamSettings
from penstock_adapters.drivers import create_asgi_app
from requirements import shows

DEEDS = ("os.urandom", "time.time", "time.monotonic", "socket.socket", "builtins.open", "sqlite3.connect")
UPSTREAM = UpstreamSettings(name="a", url="https://example.com/v1")


@shows("pure-build")
@pytest.mark.parametrize("store", ["memory://", "none://", "sqlite:///never.db", "redis://nowhere"])
@pytest.mark.parametrize("upstreams", [[], [UPSTREAM]], ids=["synthetic", "upstream"])
def test_making_it_does_nothing(store: str, upstreams: list[UpstreamSettings], monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(store=store, upstreams=upstreams)
    create_asgi_app(settings)  # imports what it needs
    with monkeypatch.context() as patch:
        for deed in DEEDS:
            patch.setattr(deed, forbidden)
        app = create_asgi_app(settings)
    assert app.service.limits == settings.limits


def forbidden(*_: Any, **__: Any) -> Any:
    raise AssertionError("it is forbidden here")
