"""A client for the conformance suite of MCP: it lists the tools of a server and calls each, by the driver.

The suite starts it with the URL of its server, and judges the messages.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from penstock.egress import Egress
from penstock.limits import Limits
from penstock.tools.mcp.client import RemoteServer
from penstock.tools.mcp.own_servers import own_target
from penstock_adapters.mcp_sdk import SdkClient


async def main(url: str) -> None:
    client = SdkClient(Limits(), Egress())
    server = RemoteServer(owner="me", target=own_target(url), is_own=True)
    try:
        found = await client.list_tools(server, tools_max=100)
        for tool in found.tools:
            await client.call_tool(server, tool.name, arguments(json.loads(bytes(tool.input_schema))), timeout_s=20)
    finally:
        await client.aclose()


def arguments(schema: dict[str, Any]) -> dict[str, object]:
    """A number for each parameter that is one, and a text for the others."""
    kinds = {name: field.get("type") for name, field in schema.get("properties", {}).items()}
    return {name: 2 if kind in ("number", "integer") else "x" for name, kind in kinds.items()}


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
