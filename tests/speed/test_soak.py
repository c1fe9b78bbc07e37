"""The soak of the bench, a short one: the server passes it, and one with planted leaks does not."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from requirements import shows
from support.server import ROOT

WITHIN_S = 100
SHORT = ("--requests", "1500", "--streams", "200", "--settle-s", "10", "--seconds-max", "60")


def soak(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench.soak", *SHORT, *options]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT / "core", ROOT / "adapters", ROOT / "tests")))}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=WITHIN_S, check=False)


@shows("soaked")
def test_the_server_is_as_it_was() -> None:
    ended = soak()
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.splitlines()[-1] == "soak: passed"


@shows("soaked")
def test_leaks_are_seen() -> None:
    ended = soak("--server-module", "speed.leaking", "--settle-s", "1")
    assert ended.returncode == 1, ended.stderr
    for what in ("memory", "file descriptors", "tasks", "timers"):
        assert re.search(rf"^soak: {what} (was|were) .* (is|are) ", ended.stderr, re.MULTILINE), ended.stderr


def test_an_end_that_comes_too_early_is_no_pass() -> None:
    ended = soak("--seconds-max", "1", "--requests", "1000000")
    assert ended.returncode == 1, ended.stderr
    assert "requests were left when it ended" in ended.stderr
