"""The settings of MCP: their checks, and the servers that they describe. No error contains a URL: it may be secret."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.egress import UrlRefused
from penstock.secrets import Secret
from penstock.tools.mcp.own_servers import LABEL, OwnServer, OwnServers, own_target

from .checks import check_header_names
from .structs import McpServerSettings, Settings, SettingsError


def check_mcp(settings: Settings, where: Mapping[str, str]) -> None:
    """Check the tables of MCP. `where` has the source of each table that is given."""
    for name, source in where.items():
        if name == "mcp_servers":
            for label, server in settings.mcp_servers.items():
                _check_server(label, server, f"{source}.{label}")
        elif name in ("mcp_connectors", "mcp_tunnels"):
            for key, url in getattr(settings, name).items():
                _check_url(url, f"{source}.{key}")


def own_servers(settings: Settings) -> OwnServers:
    """The servers that the settings describe."""
    servers = {label: _own(server) for label, server in settings.mcp_servers.items()}
    return OwnServers(servers=servers, connectors=settings.mcp_connectors, tunnels=settings.mcp_tunnels)


def _own(server: McpServerSettings) -> OwnServer:
    return OwnServer(
        url=server.url,
        headers=tuple(server.headers.items()),
        command=server.command or "",
        args=tuple(server.args),
        env=tuple(server.env.items()),
    )


def _check_server(label: str, server: McpServerSettings, where: str) -> None:
    if not LABEL.fullmatch(label):
        raise SettingsError(where, "a label begins with a letter, and has at most 64 letters, digits, '_' and '-'")
    if (server.url is None) == (server.command is None):
        raise SettingsError(where, "give either `url` or `command`")
    if server.url is None:
        if server.headers:
            raise SettingsError(f"{where}.headers", "a program gets no headers: give `env`")
        return
    if server.args or server.env:
        raise SettingsError(where, "`args` and `env` are for a `command`")
    check_header_names(server.headers, f"{where}.headers")
    _check_url(server.url, f"{where}.url")


def _check_url(url: Secret, where: str) -> None:
    try:
        own_target(url.reveal())
    except UrlRefused as refused:
        raise SettingsError(where, f"the URL {refused}") from None
