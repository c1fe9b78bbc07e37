"""The memory of a server does not grow with the number of responses with hosted calls.

`HOSTED_RESPONSES` sets how many there are.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2

from requirements import shows
from support.mcp_lab import McpLab
from support.server import PenstockServer
from support.steps import Json

RESPONSES = int(os.environ.get("HOSTED_RESPONSES", "60"))
WARM_UP = 100
AT_ONCE = 8
GROWTH_KB_MAX = 6_000
"""What a process may grow by that holds nothing: its allocator and its caches are not full at once."""


def memory_kb(server: PenstockServer) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


@shows("soaked")
def test_memory_does_not_grow_with_hosted_calls(start: Callable[..., PenstockServer]) -> None:
    with McpLab() as lab:
        server = start(PENSTOCK_MCP="on", PENSTOCK_EGRESS_ALLOW=lab.address)
        tool = {"type": "mcp", "server_label": "dice", "server_url": lab.url, "require_approval": "never"}
        request: Json = {"model": "synthetic?tokens=20", "input": "Hi", "tool_choice": "required"}
        request["tools"] = [tool | {"allowed_tools": ["roll", "look", "fail", "picture"]}]
        with httpx2.Client() as client, ThreadPoolExecutor(AT_ONCE) as threads:

            def respond(number: int) -> str:
                asked = request | {"seed": number, "stream": number % 2 == 0}
                return client.post(f"{server.url}/responses", json=asked, timeout=60).text

            for reply in threads.map(respond, range(WARM_UP)):
                assert "mcp_call" in reply
            before = memory_kb(server)
            for reply in threads.map(respond, range(RESPONSES)):
                assert '"status":"completed"' in reply
            after = memory_kb(server)
    print(f"{RESPONSES} responses: {before} kB before, {after} kB after")  # noqa: T201 - the figure of make test-all
    assert after - before < GROWTH_KB_MAX
