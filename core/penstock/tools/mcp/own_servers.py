"""The MCP servers of the operator: programs, and URLs that may be on a private network. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import msgspec

from penstock.egress import Egress, Target, UrlRefused
from penstock.patterns import lazy_pattern
from penstock.secrets import Secret

from .client import LocalServer, RemoteServer, Server

LABEL = lazy_pattern(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
"""OpenAI's labels begin with a letter."""
_PORTS = {"http": 80, "https": 443}


class OwnServer(msgspec.Struct, kw_only=True, frozen=True):
    """A server of the operator: a program, or a URL with its headers."""

    url: Secret | None = None
    headers: tuple[tuple[str, Secret], ...] = ()
    command: str = ""
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, Secret], ...] = ()


class OwnServers(msgspec.Struct, kw_only=True, frozen=True):
    """What the operator has configured."""

    servers: Mapping[str, OwnServer] = {}
    """Servers by label. A request uses one by its label alone."""
    connectors: Mapping[str, Secret] = {}
    """The URL of each `connector_id` that may be used."""
    tunnels: Mapping[str, Secret] = {}
    """The URL of each `tunnel_id` that may be used."""


def all_servers(own: OwnServers) -> Iterator[tuple[str, Server]]:
    """All servers of the operator by their names, with the headers and variables of the operator alone."""
    for label, server in own.servers.items():
        if server.url is None:
            yield label, LocalServer(owner="", command=server.command, args=server.args, env=server.env)
        else:
            target = own_target(server.url.reveal())
            yield label, RemoteServer(owner="", target=target, headers=server.headers, is_own=True)
    for name, url in [*own.connectors.items(), *own.tunnels.items()]:
        yield name, RemoteServer(owner="", target=own_target(url.reveal()), is_own=True)


def own_target(url: str) -> Target:
    """The parts of a URL of the operator, whose address needs no other permission. Raises `UrlRefused`."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise UrlRefused("cannot be read: its host or port is wrong") from None
    if parts.scheme not in _PORTS or not host:
        raise UrlRefused("does not begin with http:// or https:// and a host")
    bracketed = f"[{host}]" if ":" in host else host
    return Egress([f"{bracketed}:{port or _PORTS[parts.scheme]}"]).target(url)
