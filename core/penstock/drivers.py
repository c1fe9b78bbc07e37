"""The drivers of a service: what it needs from outside the core, such as transports and stores. Adapters provide them.

It knows how each driver is made, by its port. Without a driver, the core reports an error where it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn, TypeAlias

import msgspec

from penstock.egress import Egress
from penstock.http import Decompress, no_encodings
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
from penstock.tools.mcp.client import McpClient

OpenStore: TypeAlias = Callable[[str], Store | None]
"""Makes the store at a URL, without connecting to it yet."""


def _no_network(destination: Destination, limits: Limits) -> Transport:
    raise TypeError(f"the service has no driver 'connect' to reach {destination.url}")


def _no_mcp(limits: Limits, egress: Egress) -> McpClient:
    raise TypeError("the service has no driver 'connect_mcp' for the tools of MCP servers")


def _no_files(path: str) -> Prompts:
    raise TypeError(f"the service has no driver 'open_prompts' to read templates from {path}")


def _no_file(path: str) -> NoReturn:
    raise TypeError(f"the service has no driver 'read_file' to read quantiles from {path}")


def _no_extractor(limits: Limits) -> Extractor:
    raise TypeError("the service has no driver 'make_extractor' to read pages")


class Drivers(msgspec.Struct, kw_only=True, frozen=True):
    """The drivers. Each connects to or opens nothing before its first use."""

    connect: Connect = _no_network
    """Makes the transport to an upstream, a search engine or a page."""
    connect_mcp: Callable[[Limits, Egress], McpClient] = _no_mcp
    """Makes the client of MCP servers."""
    stores: Mapping[str, OpenStore] = {}
    """Further stores, by the scheme of their URL."""
    make_sealer: Callable[[Sequence[bytes]], Sealer] | None = None
    """Makes the sealer of some keys. Without keys, the sealer makes one for this process."""
    open_prompts: Callable[[str], Prompts] = _no_files
    """Opens the prompt templates at a path."""
    read_file: Callable[[str], str] = _no_file
    """Reads the text of a file that the settings name."""
    make_extractor: Callable[[Limits], Extractor] = _no_extractor
    """Makes the extractor of texts from pages."""
    decompress: Decompress = no_encodings
    """Decodes the bodies of requests."""
    siblings: Siblings = NoSiblings()
    """The other workers of the server."""
    runner: BackgroundRunner | None = None
    """Starts background responses where no process outlives a request."""


NO_DRIVERS = Drivers()
