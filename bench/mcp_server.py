"""An MCP server with one tool, for the bench: `python -m bench.mcp_server --port P`. It answers at `/mcp`."""

import argparse

import uvicorn
from mcp.server.mcpserver import MCPServer

program = MCPServer("bench")


@program.tool()
def echo(text: str) -> str:
    """Give back a text."""
    return text


def main() -> None:
    """Serve on loopback until ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    uvicorn.run(program.streamable_http_app(), host="127.0.0.1", port=port, log_level="critical", ws="none")


if __name__ == "__main__":
    main()
