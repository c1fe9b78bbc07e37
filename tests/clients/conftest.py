"""The clients as they are installed by `make clients`, and the server in front of a scripted upstream."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.missing import Missing, skipped_if_missing
from support.server import PenstockServer
from support.upstream import ScriptedUpstream

HERE = Path(__file__).parent
NODE_MODULES = HERE / "node_modules"
WITHIN_S = 90.0

RunScript = Callable[..., Any]


def installed(name: str) -> Path:
    """A package of `package.json`. A missing one is a failure in CI, and a skip on a machine without it."""
    path = NODE_MODULES / name
    with skipped_if_missing():
        if not path.exists():
            raise Missing(f"{name} is not installed: make clients")
    return path


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as running:
        yield running


@pytest.fixture(scope="module")
def server(upstream: ScriptedUpstream) -> Iterator[PenstockServer]:
    with PenstockServer(
        "--upstream", upstream.url, "--store", "memory://", env={"PENSTOCK_LOG_LEVEL": "info"}
    ) as running:
        yield running


@pytest.fixture
def run_script(server: PenstockServer) -> RunScript:
    """`run_script("openai_node.mjs", "stream", model)`: what a client's script prints, as JSON."""

    def run(script: str, *arguments: str) -> Any:
        command = ["node", str(HERE / script), server.url, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_S, check=False)
        assert done.returncode == 0, f"{done.stderr}\n{server.log}"
        return json.loads(done.stdout)

    return run
