"""The locust file of bench works with a server as it comes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from requirements import shows
from support.server import ROOT, PenstockServer

WITHIN_S = 90


@shows("locust-as-it-comes")
def test_every_request_is_good_without_a_flag(synthetic: PenstockServer, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "locust", "-f", str(ROOT / "bench" / "locustfile.py"), "--host", synthetic.base]
    flags = ["--headless", "--users", "2", "--run-time", "3s", "--json", "--exit-code-on-error", "1"]
    ended = subprocess.run(
        [*command, *flags], cwd=tmp_path, capture_output=True, text=True, timeout=WITHIN_S, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    rows = {row["name"]: row for row in json.loads(ended.stdout)}
    assert {"json", "stream: headers", "first event", "whole stream"} <= rows.keys()
    assert all(row["num_requests"] > 0 and row["num_failures"] == 0 for row in rows.values()), rows
