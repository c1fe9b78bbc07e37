"""A machine whose clock is set while servers run on it: no healthy run is lost."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from requirements import shows
from support import raw
from support.ignored_headers import post
from support.server import PenstockServer
from support.upstream import ScriptedUpstream
from support.waiting import until

LEASE_S = 1.0
HOUR_S = 3_600
MAIN = """
import pathlib, sys, time
real, ahead = time.time, pathlib.Path(sys.argv.pop(1))
time.time = lambda: real() + float(ahead.read_text())
from penstock_adapters.cli import main
sys.exit(main())
"""


class Server(PenstockServer):
    """A server whose clock is ahead by the seconds in a file."""

    def __init__(self, folder: Path, upstream: ScriptedUpstream) -> None:
        env = {"PENSTOCK_STORE": f"sqlite:///{folder / 'store.db'}", "PENSTOCK_LIMITS_LEASE_S": str(LEASE_S)}
        super().__init__("--upstream", upstream.url, env=env)
        self.command = (sys.executable, "-c", MAIN, str(folder / "ahead"), "serve", "--port", "0")

    def status(self, response_id: str) -> str:
        status: str = raw.ask(self.url, "GET", f"/responses/{response_id}").json()["status"]
        return status


@shows("one-clock")
@pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S])
def test_no_healthy_run_is_taken_over(upstream: ScriptedUpstream, tmp_path: Path, jump_s: int) -> None:
    ahead = tmp_path / "ahead"
    ahead.write_text("0", encoding="ascii")
    with Server(tmp_path, upstream) as one, Server(tmp_path, upstream) as other:
        body = {"model": "hang_midway", "input": "Hi", "background": True}
        runs = [post(each.url, body).response["id"] for each in (one, other)]
        until(lambda: [one.status(run) for run in runs] == ["in_progress"] * 2)
        ahead.write_text(str(jump_s), encoding="ascii")
        time.sleep(3 * LEASE_S)
        assert [one.status(run) for run in runs] == ["in_progress"] * 2
        assert post(other.url, {"model": "text", "input": "Hi"}).response["status"] == "completed"
        for run in runs:
            assert raw.ask(one.url, "POST", f"/responses/{run}/cancel").json()["status"] == "cancelled"
