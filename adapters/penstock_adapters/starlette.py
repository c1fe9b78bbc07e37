"""The Starlette adapter: an app for any ASGI server, which can be mounted in any Starlette or FastAPI app.

Every request goes to the ASGI callable directly: a Starlette request and response would cost more than the whole path
through the core. `penstock serve` runs that callable without Starlette.
"""

from __future__ import annotations

import logging

from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from penstock.settings import Settings
from penstock.telemetry import configure_logging
from penstock_adapters.asgi import AsgiApp
from penstock_adapters.drivers import create_asgi_app
from penstock_adapters.environment import read_settings
from penstock_adapters.state_directory import with_seal_keys, with_store

_log = logging.getLogger("penstock_adapters.starlette")


class _Starlette(Starlette):
    """A Starlette app that contains only this one, to which requests go directly.

    Starlette's own middleware and router take a tenth of a small request's time. Requests go through them only where
    middleware or routes were added.
    """

    def __init__(self, app: AsgiApp) -> None:
        super().__init__(lifespan=lambda _: app.lifetime())
        self.router.redirect_slashes = False
        self.router.default = app  # a Mount does not match a path with a line break
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self.user_middleware or self.router.routes:
            await super().__call__(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def create_app(settings: Settings | None = None) -> Starlette:
    """The app that the settings describe; without settings the synthetic model. Nothing is opened before a request."""
    app = create_asgi_app(settings or Settings(), location="app")
    starlette = _Starlette(app)
    starlette.state.drain = app.service.drain
    return starlette


def app_from_environment() -> Starlette:
    """The app of `PENSTOCK_…` variables and `penstock.toml`, for any ASGI server: the same that `penstock serve` runs.

    It is a factory: `uvicorn --factory penstock_adapters.starlette:app_from_environment`. Raises `SettingsError`.
    """
    # spec: any-host
    settings = with_seal_keys(with_store(read_settings()))
    configure_logging(settings.log_level, settings.log_format)
    if not settings.has_keys and not settings.allow_anonymous:
        _log.warning("There are no API keys: let the server listen on 127.0.0.1 only, or set PENSTOCK_API_KEYS.")
    return create_app(settings)
