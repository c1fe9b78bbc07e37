"""Worker processes: what their leader gets reaches them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.waiting import until

PROGRAM = """
import os, signal, socket, sys, time
from pathlib import Path
from penstock_adapters.cli.signals import on_hangup
from penstock_adapters.cli.worker_processes import WorkerProcesses

folder = Path(sys.argv[1])

def serve(index, listener):
    (folder / f"begun-{os.getpid()}").touch()
    while not (folder / "go").exists():
        time.sleep(0.01)
    on_hangup(lambda *_: (folder / f"reloaded-{os.getpid()}").touch())
    time.sleep(60)
    return 0

sys.exit(WorkerProcesses(2, [socket.create_server(("127.0.0.1", 0))], serve, reloads=True).work())
"""


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no SIGHUP")
def test_a_hangup_waits_for_a_worker_that_has_just_begun(tmp_path: Path) -> None:
    """It would end the worker, which has no handler yet, or be lost."""
    leader = subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)])
    try:
        until(lambda: len(list(tmp_path.glob("begun-*"))) == 2)
        leader.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        (tmp_path / "go").touch()
        until(lambda: len(list(tmp_path.glob("reloaded-*"))) == 2)
        assert len(list(tmp_path.glob("begun-*"))) == 2
    finally:
        leader.terminate()
        leader.wait(20)
