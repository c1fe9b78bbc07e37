"""Locust drives a live server: by the locust file of bench, and by one that a user of the package writes."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

from conformance.servers import free_port
from live.conftest import Start
from requirements import shows
from support.server import ROOT, PenstockServer

WITHIN_S = 90
LOCUSTFILE = ROOT / "bench" / "locustfile.py"
RAMPS = ROOT / "bench" / "ramps.py"
OF_A_STREAM = ("events", "first event", "time to first token", "inter-token latency")

OWN = """
from locust import constant, task
from penstock_adapters.locust_users import ResponsesUser

class Reader(ResponsesUser):
    wait_time = constant(0.01)

    @task
    def read(self):
        self.stream("read", max_output_tokens=16)
        self.stream("fail", temperature="hot")
        self.turn("fail in a turn", temperature="hot")
"""


def locust(folder: Path, file: Path, stages: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Locust without its web page, as a process of its own in that folder. At the end users finish what they do.

    The ramp ends it: `--run-time` counts from before locust is imported, and a slow machine has no user by then.
    """
    command = [sys.executable, "-m", "locust", "--headless", "-f", f"{file},{RAMPS}", "--stages", stages]
    command += ["--spawn-rate", "10", "--stop-timeout", str(WITHIN_S), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=WITHIN_S, check=False)


@shows("locust-as-it-comes")
def test_every_request_is_good_without_a_flag(start: Start, tmp_path: Path) -> None:
    """All users of the file, in one process."""
    server = start(PENSTOCK_STORE="memory://")
    ended = locust(tmp_path, LOCUSTFILE, "6x1", "--host", server.base, "--json", "--exit-code-on-error", "1")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    rows = {row["name"]: row for row in json.loads(ended.stdout)}
    assert {"json", "stream", "chain", "background", "background: until its end", "websocket"} <= rows.keys()
    assert {"agent: title", "agent: turn"} <= rows.keys()
    assert {f"{name}: {row}" for name in ("stream", "websocket", "agent: turn") for row in OF_A_STREAM} <= rows.keys()
    assert all(row["num_requests"] > 0 and row["num_failures"] == 0 for row in rows.values()), rows
    assert rows["stream: events"]["num_requests"] > 5 * rows["stream: first event"]["num_requests"]


@shows("locust-distributed")
def test_a_master_adds_up_what_its_workers_see_on_a_ramp(synthetic: PenstockServer, tmp_path: Path) -> None:
    """Figures of streams are rows, and no part of the total."""
    written = ["--csv", "load", "--html", "load.html", "--exit-code-on-error", "1"]
    port = str(free_port())
    master = ["--processes", "2", "--master-bind-port", port, "--master-port", port]
    arguments = [*master, "--host", synthetic.base, *written, "JsonUser", "StreamUser"]
    ended = locust(tmp_path, LOCUSTFILE, "2x1,4x3", *arguments)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    with (tmp_path / "load_stats.csv").open(encoding="utf-8") as file:
        rows = {row["Name"]: int(row["Request Count"]) for row in csv.DictReader(file)}
    assert rows["Aggregated"] == rows["json"] + rows["stream"] > 0
    assert rows["stream: events"] > rows["stream: first event"] > 0
    assert "time to first token" in (tmp_path / "load.html").read_text(encoding="utf-8")


@shows("locust-users")
def test_a_locustfile_of_ones_own_counts_good_and_bad_replies(synthetic: PenstockServer, tmp_path: Path) -> None:
    own = tmp_path / "locustfile.py"
    own.write_text(OWN, encoding="utf-8")
    ended = locust(tmp_path, own, "1x1", "--host", synthetic.base, "--json", "--exit-code-on-error", "3")
    assert ended.returncode == 3, ended.stdout + ended.stderr
    rows = {row["name"]: row for row in json.loads(ended.stdout)}
    assert rows["read"]["num_requests"] > 0
    assert rows["read"]["num_failures"] == 0
    for name in ("fail", "fail in a turn"):
        assert rows[name]["num_failures"] == rows[name]["num_requests"] > 0
    assert rows.keys() == {"read", "fail", "fail in a turn", *(f"read: {row}" for row in OF_A_STREAM)}
