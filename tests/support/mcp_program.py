"""An MCP server as a program, which uses its standard input and output. Its tools echo, and die."""

from __future__ import annotations

import os

from mcp.server.mcpserver import MCPServer

program = MCPServer("program")


@program.tool()
def echo(text: str) -> str:
    """Give back a text, and the variable that the operator has set."""
    return f"{text} {os.environ.get('LAB_KEY', '')} {os.environ.get('PENSTOCK_API_KEYS', 'clean')} {os.getpid()}"


@program.tool()
def die() -> str:
    """End the program in the middle of the call."""
    os._exit(1)


if __name__ == "__main__":
    program.run("stdio")
