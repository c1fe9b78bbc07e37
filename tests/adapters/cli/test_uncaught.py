"""What Python writes by itself: each is one line of the log. The live server's is in tests/live/test_logs.py."""

from __future__ import annotations

import json
import subprocess
import sys

from requirements import shows

PROGRAM = """
from penstock.telemetry import configure_logging
from penstock_adapters.cli.uncaught import log_uncaught
configure_logging("info", "json")
log_uncaught()
raise RuntimeError("nothing catches it")
"""


@shows("json-logs")
def test_an_exception_that_ends_the_process() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    [line] = map(json.loads, ended.stderr.splitlines())
    assert (line["level"], line["message"]) == ("critical", "an exception ends the process")
    assert line["traceback"].endswith("RuntimeError: nothing catches it")
