"""The settings of a Worker: its variables and secrets, and what cannot be set there.

It knows what a Worker has not: threads, files, sockets, and memory that its instances share.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from penstock.drivers import OpenStore
from penstock.errors import ApiError
from penstock.ports import Store
from penstock.settings import Settings, SettingsError, UpstreamSettings, load
from penstock.telemetry import configure_logging
from penstock_adapters.drivers import STORES

FORMS = "d1://BINDING, kv://BINDING or none://"


def worker_settings(variables: Mapping[str, str]) -> Settings:
    """The settings of the `PENSTOCK_…` variables. Without a store, nothing is stored. Raises `SettingsError`."""
    settings = load({}, variables)
    for upstream in settings.upstreams:
        _check_upstream(upstream)
    _check_hosted_tools(settings)
    configure_logging(settings.log_level, settings.log_format)
    return replace(settings, store=settings.store or "none://", background=False, websocket=False, metrics=False)


def _check_hosted_tools(settings: Settings) -> None:
    """Hosted tools judge the addresses of names, and read pages in another process. Raises `SettingsError`."""
    if settings.search:
        raise SettingsError("search", "a Worker cannot look names up, nor read pages: there is no web search")
    if settings.mcp == "on":
        raise SettingsError("mcp", "a Worker has no sockets: there are no MCP servers")


def configuration_error(error: SettingsError) -> ApiError:
    """The reply to every request while the settings are wrong. Their errors never contain a secret."""
    message = f"This Worker's settings are wrong: {error}."
    return ApiError(message, status=500, type="server_error", code="configuration_error", retriable=False)


def unusable_store(url: str) -> Store:
    """Refuses a store that cannot work in a Worker."""
    scheme = url.partition("://")[0]
    needs = _NEEDS.get(scheme, "sockets")
    raise SettingsError("store", f"{scheme}:// needs {needs}, which a Worker has not: use {FORMS}")


_NEEDS = {"memory": "memory that all instances share", "sqlite": "threads and a disk"}
UNUSABLE: dict[str, OpenStore] = dict.fromkeys([*_NEEDS, *STORES], unusable_store)
"""The stores of other hosts, by the scheme of their URL."""


def _check_upstream(upstream: UpstreamSettings) -> None:
    """Check that `fetch` can reach an upstream. Raises `SettingsError`."""
    where = f"upstreams.{upstream.name}"
    if upstream.proxy is not None:
        raise SettingsError(f"{where}.proxy", "a Worker cannot use an HTTP proxy")
    if upstream.tls != type(upstream.tls)():
        raise SettingsError(f"{where}.tls", "a Worker checks certificates by Cloudflare's authorities alone")
    if upstream.url.startswith("http+unix:"):
        raise SettingsError(f"{where}.url", "a Worker has no Unix sockets")
