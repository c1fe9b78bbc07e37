"""The reference server of MCP, `server-everything`, by each of its transports, behind the live server."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from clients.conftest import installed
from conformance.servers import free_port
from support.caller import Caller
from support.scripts import call, text, turn
from support.server import PenstockServer
from support.steps import Expect, Json, Script
from support.upstream import ScriptedUpstream
from support.waiting import until

CALLS: list[tuple[str, Json]] = [
    ("echo", {"message": "Hi"}),
    ("get-sum", {"a": 2, "b": 3}),
    ("get-structured-content", {"location": "New York"}),
    ("get-tiny-image", {}),
    ("get-resource-links", {"count": 1}),
    ("get-sum", {"a": 2, "b": "x"}),
]


def program() -> Path:
    return installed("@modelcontextprotocol/server-everything") / "dist/index.js"


@contextmanager
def running(transport: str) -> Iterator[int]:
    """The server by HTTP, and its port."""
    port = free_port()
    command = ["node", str(program()), transport]
    with subprocess.Popen(
        command, env=os.environ | {"PORT": str(port)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            until(lambda: listens(port))
            yield port
        finally:
            process.kill()


def listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@contextmanager
def served(upstream: ScriptedUpstream, transport: str) -> Iterator[tuple[PenstockServer, Json]]:
    """Penstock, and the tool of a request."""
    tool: Json = {"type": "mcp", "server_label": "every", "require_approval": "never"}
    if transport == "stdio":
        toml = f'mcp = "on"\n[mcp_servers.every]\ncommand = "node"\nargs = [{json.dumps(str(program()))}, "stdio"]\n'
        with PenstockServer("--upstream", upstream.url, toml=toml) as server:
            yield server, tool
        return
    path = {"streamableHttp": "mcp", "sse": "sse"}[transport]
    with running(transport) as port:
        env = {"PENSTOCK_MCP": "on", "PENSTOCK_EGRESS_ALLOW": f"127.0.0.1:{port}"}
        with PenstockServer("--upstream", upstream.url, env=env) as server:
            yield server, tool | {"server_url": f"http://127.0.0.1:{port}/{path}"}


@pytest.mark.parametrize("transport", ["streamableHttp", "sse", "stdio"])
def test_everything(upstream: ScriptedUpstream, transport: str) -> None:
    chunks: list[Any] = []
    for index, (name, arguments) in enumerate(CALLS):
        chunks += call(index, json.dumps(arguments), call_id=f"call_{index}", name=f"every__{name}")
    upstream.add("everything", Script(turn(chunks, "tool_calls"), Expect(text=None, calls=None)))
    upstream.add_after(len(CALLS), "everything", Script(turn(text("Done.")), Expect(text=None, calls=None)))
    with served(upstream, transport) as (server, tool), Caller(server.url) as caller:
        response = caller.create(model="everything", input="Go", tools=[tool])
    listed, *calls, message = response.output
    assert len(listed.tools) > 10
    outputs = [item.output for item in calls]
    assert outputs[0] == "Echo: Hi"
    assert "5" in outputs[1]
    assert json.loads(outputs[2])["conditions"]
    assert "[image image/png," in outputs[3]
    assert "[link " in outputs[4]
    assert (calls[5].status, calls[5].error.type) == ("failed", "mcp_tool_execution_error")
    assert message.content[0].text == "Done."
    messages = upstream.requests[-1].body["messages"]
    assert messages[-1]["content"][0]["image_url"]["url"].startswith("data:image/png;base64,")
