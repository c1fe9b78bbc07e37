"""What starts and stops the server distinguishes a good end from a bad one."""

from __future__ import annotations

import sys

import pytest

from support.server import PenstockServer

READY = "print('listening on http://127.0.0.1:4711', flush=True); "
WAIT = "threading.Event().wait()"
INTERRUPTED = "import signal, threading; signal.signal(signal.SIGINT, signal.default_int_handler); "
"""A child inherits that SIGINT is ignored, as it is for what a script runs in the background."""
QUIET = "import signal, sys, threading; signal.signal(signal.SIGINT, lambda *_: sys.exit(0)); "


class Pretender(PenstockServer):
    """Runs a line of Python instead of the server."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.command = (sys.executable, "-c", source)


def test_a_server_that_listens_and_stops() -> None:
    with Pretender(QUIET + "print('hello'); " + READY + WAIT) as server:
        assert server.url == "http://127.0.0.1:4711/v1"
    assert "hello" in server.log
    assert server.process.returncode == 0


def test_a_server_that_never_listens_is_reported_with_its_log() -> None:
    with pytest.raises(AssertionError, match="no such option"):
        Pretender("raise SystemExit('no such option')").start()


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (INTERRUPTED + READY + WAIT, "KeyboardInterrupt"),
        (QUIET + READY + WAIT.replace("wait()", "wait(0.2)") + "; sys.exit(3)", "ends with 3"),
        (QUIET + "signal.signal(signal.SIGINT, signal.SIG_IGN); " + READY + WAIT, "does not stop"),
        (QUIET + "print('Traceback (most recent call last):'); " + READY + WAIT, "Traceback"),
    ],
)
def test_a_bad_end_is_reported(source: str, complaint: str) -> None:
    server = Pretender(source)
    if complaint == "does not stop":
        server.stop_s = 1.0
    server.start()
    if "exit(3)" in source:
        server.process.wait(20)
    with pytest.raises(AssertionError, match=complaint):
        server.stop()
