"""The Starlette door: an app for uvicorn, which also mounts into anybody's Starlette or FastAPI app.

It knows routes, and that the hot one comes first; each leads to the raw ASGI callable, since a Starlette request and
response would cost more than the whole way through the core. The drivers that it brings are named here.
"""

from __future__ import annotations

import logging
from importlib.util import find_spec

from starlette.applications import Starlette
from starlette.routing import Route

from penstock import assembly
from penstock.ports import Store
from penstock.settings import Settings, SettingsError
from penstock.telemetry import configure_logging
from penstock_adapters.aiohttp import AiohttpClient
from penstock_adapters.asgi import AsgiApp
from penstock_adapters.compression import decompress
from penstock_adapters.cryptography import AeadSealer
from penstock_adapters.environment import read_settings
from penstock_adapters.prompts import PromptFolder
from penstock_adapters.state import with_seal_keys, with_store

_log = logging.getLogger("penstock_adapters.starlette")


def create_app(settings: Settings | None = None) -> Starlette:
    """The app that the settings describe; without any, the synthetic model. Nothing is opened before a request."""
    settings = settings or Settings()
    client = AiohttpClient(settings.limits)
    service = assembly.build(
        settings,
        connect=client.transport,
        decompress=decompress,
        stores=STORES,
        make_sealer=_sealing(settings),
        prompts=PromptFolder,
    )

    app = AsgiApp(service)
    starlette = Starlette(routes=[Route("/v1/responses", app)], lifespan=lambda _: app.lifetime())
    starlette.router.redirect_slashes = False
    starlette.router.default = app  # a Mount lets no path with a line break through
    starlette.state.drain = service.drain
    starlette.state.look_around = service.look_around
    return starlette


def app_from_environment() -> Starlette:
    """The app of `PENSTOCK_…` variables and `penstock.toml`, for any ASGI server: as `penstock serve` makes it.

    It is a factory: `uvicorn --factory penstock_adapters.starlette:app_from_environment`. Raises `SettingsError`.
    """
    settings = with_seal_keys(with_store(read_settings()))
    configure_logging(settings.log_level, settings.log_format)
    if not settings.has_keys and not settings.allow_anonymous:
        _log.warning("There are no API keys: let the server listen on 127.0.0.1 only, or set PENSTOCK_API_KEYS.")
    return create_app(settings)


def _sealing(settings: Settings) -> assembly.MakeSealer | None:
    """How to seal, where that is installed; keys without it are a mistake."""
    if find_spec("cryptography") is not None:
        return AeadSealer
    if settings.seal_keys:
        raise SettingsError("seal_keys", "cryptography is not installed: pip install 'penstock[server]'")
    return None


def _redis(url: str) -> Store:
    _need("redis", "redis")
    from penstock_adapters.redis import RedisStore

    return RedisStore(url)


def _postgres(url: str) -> Store:
    _need("asyncpg", "postgres")
    from penstock_adapters.postgres import PostgresStore

    return PostgresStore(url)


def _need(driver: str, extra: str) -> None:
    """Say now that a driver is missing: a store imports it with its first connection."""
    if find_spec(driver) is None:
        raise SettingsError("store", f"{driver} is not installed: pip install 'penstock[{extra}]'")


STORES: dict[str, assembly.OpenStore] = {
    "redis": _redis,
    "rediss": _redis,
    "valkey": _redis,
    "postgres": _postgres,
    "postgresql": _postgres,
}
"""The stores beyond the core's own, by the scheme of their URL."""
