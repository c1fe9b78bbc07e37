"""One server with the synthetic model for all that the documents show."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.mcp_lab import McpLab
from support.server import PenstockServer


@pytest.fixture(scope="session")
def mcp_lab() -> Iterator[McpLab]:
    """The MCP server of the documents."""
    with McpLab() as running:
        yield running


@pytest.fixture(scope="session")
def served(mcp_lab: McpLab) -> Iterator[str]:
    """The base URL of a server as `make serve` starts it, but for the port and the store. It may call MCP servers."""
    env = {"PENSTOCK_MCP": "on", "PENSTOCK_EGRESS_ALLOW": mcp_lab.address}
    with PenstockServer("--store", "memory://", env=env) as server:
        yield server.base
