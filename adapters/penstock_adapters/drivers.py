"""The drivers of this package by name, and the application with the drivers of the settings.

Each driver is imported when the settings name it: a server without upstreams imports no HTTP client, and of the
stores' drivers only its own.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec

from msgspec.structs import replace

from penstock import assembly
from penstock.drivers import Drivers, OpenStore
from penstock.egress import Egress
from penstock.limits import Limits
from penstock.ports import (
    BackgroundRunner,
    Connect,
    Destination,
    Extractor,
    NoSiblings,
    Prompts,
    Sealer,
    Siblings,
    Store,
    Transport,
)
from penstock.settings import Settings, SettingsError
from penstock.tools.mcp.client import McpClient
from penstock_adapters.asgi import AsgiApp
from penstock_adapters.compression import decompress
from penstock_adapters.proxies import environment_proxy

_log = logging.getLogger("penstock.proxies")

_ALONE = NoSiblings()


def create_asgi_app(
    settings: Settings,
    siblings: Siblings = _ALONE,
    *,
    location: assembly.Location = "server",
    connect: Connect | None = None,
    stores: Mapping[str, OpenStore] | None = None,
    runner: BackgroundRunner | None = None,
) -> AsgiApp:
    """The application that the settings describe. Nothing is opened before a request. Raises `SettingsError`.

    `connect` and `stores` are those of a host that cannot use the drivers of this package.
    """
    drivers = Drivers(
        connect=connect or transports(settings.limits),
        connect_mcp=mcp_client,
        stores=STORES if stores is None else stores,
        make_sealer=_sealing(settings),
        open_prompts=_open_prompts,
        read_file=read_file,
        make_extractor=page_extractor,
        decompress=decompress,
        siblings=siblings,
        runner=runner,
    )
    return AsgiApp(assembly.build(settings, drivers, location=location))


def transports(limits: Limits) -> Connect:
    """How upstreams, engines and pages are reached. Nothing is connected yet."""
    return _Clients(limits).transport


class _Clients:
    """The HTTP clients. aiohttp reaches upstreams through an HTTP proxy, and is created for the first of those."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._by_proxy: Connect | None = None

    def transport(self, destination: Destination, limits: Limits) -> Transport:
        """A transport to this upstream, through its proxy or that of the environment. Raises `SettingsError`."""
        destination = _with_proxy(destination)
        if destination.proxy is None:
            # spec: lean-imports
            from penstock_adapters.http_client import HttpTransport

            return HttpTransport(destination, limits)
        if self._by_proxy is None:
            from penstock_adapters.aiohttp import AiohttpClient

            self._by_proxy = AiohttpClient(self._limits).transport
        return self._by_proxy(destination, limits)


def _with_proxy(destination: Destination) -> Destination:
    """The upstream with the proxy that the environment has for it, unless it has its own."""
    if destination.proxy is None:
        found = environment_proxy(destination.url)
        if found is None:
            return destination
        variable = found.variable
        if destination.egress is None:  # else there is one for each page
            _log.info("upstream %s is reached through the proxy of %s", destination.name, variable)
        destination = replace(destination, proxy=found.url)
    else:
        variable = f"upstream {destination.name}: proxy"
    if find_spec("aiohttp") is None:
        raise SettingsError(variable, "aiohttp is not installed: pip install 'penstock[server]', or use no proxy")
    return destination


def page_extractor(limits: Limits) -> Extractor:
    """What finds the text of pages."""
    from penstock_adapters.page_text import ProcessExtractor

    return ProcessExtractor(limits)


def _open_prompts(path: str) -> Prompts:
    from penstock_adapters.prompts import PromptFolder

    return PromptFolder(path)


def read_file(path: str) -> str:
    """The text of a file that the settings name. Raises `OSError`, and `ValueError` where it is not UTF-8."""
    from pathlib import Path

    return Path(path).read_text("utf-8-sig")


def _sealing(settings: Settings) -> Callable[[Sequence[bytes]], Sealer] | None:
    """How to make a sealer, if its package is installed; keys without it are an error."""
    if find_spec("cryptography") is not None:
        from penstock_adapters.cryptography import AeadSealer

        return AeadSealer
    if settings.seal_keys:
        raise SettingsError("seal_keys", "cryptography is not installed: pip install 'penstock[server]'")
    return None


def mcp_client(limits: Limits, egress: Egress) -> McpClient:
    """The driver of MCP servers. Raises `SettingsError` where its SDK is not installed."""
    if find_spec("mcp") is None:
        raise SettingsError("mcp", "the SDK of MCP is not installed: pip install 'penstock[mcp]'")
    from penstock_adapters.mcp_sdk import SdkClient

    return SdkClient(limits, egress)


def _redis(url: str) -> Store:
    _need("redis", "redis")
    from penstock_adapters.redis import RedisStore

    return RedisStore(url)


def _postgres(url: str) -> Store:
    _need("asyncpg", "postgres")
    from penstock_adapters.postgres import PostgresStore

    return PostgresStore(url)


def _dynamodb(url: str) -> Store:
    from penstock_adapters.dynamodb import DynamoStore

    return DynamoStore(url, aws_transport, os.environ)


def aws_transport(url: str) -> Transport:
    """A transport to a service of AWS, or to a source of its credentials."""
    _need("httptools", "server")
    from penstock_adapters.aws.api import LIMITS
    from penstock_adapters.http_client import HttpTransport

    return HttpTransport(Destination(name="aws", url=url), LIMITS)


def _need(driver: str, extra: str) -> None:
    """Raise `SettingsError` for a missing driver now: a store imports it with its first connection."""
    if find_spec(driver) is None:
        raise SettingsError("store", f"{driver} is not installed: pip install 'penstock[{extra}]'")


STORES: dict[str, OpenStore] = {
    "dynamodb": _dynamodb,
    "redis": _redis,
    "rediss": _redis,
    "valkey": _redis,
    "postgres": _postgres,
    "postgresql": _postgres,
}
"""The stores besides the core's own, by the scheme of their URL."""
