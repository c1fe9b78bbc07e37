"""Replicas that are killed while they run hosted calls: the server of a tool is asked no second time.

`TEST_KILLS` sets how many are killed.
"""

from __future__ import annotations

import base64
import json
import os
import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from memory.cluster import ENV, KEY
from memory.judge import Peer, check_stream
from memory.test_deaths import seen_until_killed
from memory.test_resuming import followed
from requirements import shows
from support.mcp_lab import McpLab
from support.scripts import call, text, turn
from support.server import PenstockServer
from support.steps import Expect, Json, Script
from support.upstream import ScriptedUpstream

KILLS = int(os.environ.get("TEST_KILLS", "3"))
CALL_S = 0.5
MODEL = "killed-in-a-call"
CALLS = (("dice__roll", {}), ("dice__wait", {"seconds": CALL_S}))


@pytest.fixture
def lab() -> Iterator[McpLab]:
    with McpLab() as running:
        yield running


def replica(upstream: ScriptedUpstream, lab: McpLab, store: Path) -> PenstockServer:
    env = {
        "PENSTOCK_STORE": f"sqlite:///{store}",
        "PENSTOCK_MCP": "on",
        "PENSTOCK_EGRESS_ALLOW": lab.address,
        "PENSTOCK_SEAL_KEYS": base64.urlsafe_b64encode(b"k" * 32).decode().rstrip("="),
    }
    return PenstockServer("--upstream", upstream.url, env=ENV | env)


def tool(lab: McpLab) -> Json:
    return {"type": "mcp", "server_label": "dice", "server_url": lab.url, "require_approval": "never"}


@shows("hosted-calls", "dead-runs")
def test_a_call_whose_replica_is_killed_is_run_by_no_other(
    upstream: ScriptedUpstream, lab: McpLab, tmp_path: Path
) -> None:
    """Before the call, in the middle of it or after it. Its item has one end, and so has the response."""
    chunks = [
        each
        for index, (name, arguments) in enumerate(CALLS)
        for each in call(index, json.dumps(arguments), call_id=f"call_{index}", name=name)
    ]
    upstream.add(MODEL, Script(turn(chunks, "tool_calls"), Expect(text=None, calls=None)))
    upstream.add_after(len(CALLS), MODEL, Script(turn(text("Done.")), Expect(text=None, calls=None)))
    moments = random.Random(MODEL)
    ends: list[str] = []
    with ExitStack() as stack:
        heir = stack.enter_context(replica(upstream, lab, tmp_path / "store.db"))
        survivor = stack.enter_context(Peer(heir.url, KEY))
        for _ in range(KILLS):
            lab.calls.clear()
            ends.append(killed(replica(upstream, lab, tmp_path / "store.db"), survivor, lab, moments.uniform(0, 1)))
            assert set(lab.calls.values()) <= {1}, lab.calls
    assert set(ends) <= {"failed", "completed"}


def killed(victim: PenstockServer, survivor: Peer, lab: McpLab, after_s: float) -> str:
    """How the response ended of a replica that was killed; what is sent of it is judged."""
    victim.start()
    try:
        with Peer(victim.url, KEY) as died:
            seen = seen_until_killed(died, victim, MODEL, after_s, tools=[tool(lab)])
    finally:
        victim._kill()
    response_id = seen[0]["response"]["id"]
    rest = followed(survivor, response_id, seen[-1]["sequence_number"])
    ended = check_stream([*seen, *rest])
    stored: Json = survivor.client.responses.retrieve(response_id).to_dict()
    assert ended["output"] == stored["output"]
    return str(stored["status"])
