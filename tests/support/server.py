"""The real server as a process of its own, started as a user would start it.

Knows the command line and nothing that is behind it.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
GREETED = re.compile(r"\btry: ")
LISTENING = re.compile(r"listening on (http://127\.0\.0\.1:\d+)")
COMMAND = (sys.executable, "-m", "penstock_adapters.cli", "serve", "--port", "0")


class PenstockServer:
    """`with PenstockServer("--upstream", url) as server:` gives a server that listens.

    It runs in an empty directory, but for a `penstock.toml` if `toml` defines its content.
    """

    command: tuple[str, ...] = COMMAND
    listens = LISTENING
    start_s = 60.0
    stop_s = 30.0

    logs_tracebacks = False
    """Whether its log may contain a traceback."""

    def __init__(self, *arguments: str, env: Mapping[str, str] | None = None, toml: str = "") -> None:
        self.arguments = arguments
        self.env = env or {}
        self.toml = toml
        self.lines: list[str] = []
        self.base = ""
        self._changed = threading.Condition()
        self._ended = False

    @property
    def url(self) -> str:
        return f"{self.base}/v1"

    @property
    def directory(self) -> Path:
        """Where it runs."""
        return Path(self._directory.name)

    @property
    def log(self) -> str:
        return "".join(self.lines)

    def __enter__(self) -> PenstockServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="penstock-")
        if self.toml:
            Path(self._directory.name, "penstock.toml").write_text(self.toml, encoding="utf-8")
        self.process = subprocess.Popen(
            [*self.command, *self.arguments],
            cwd=self._directory.name,
            env=environment() | {"PENSTOCK_STORE": "none://", "XDG_STATE_HOME": self._directory.name} | self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        with self._changed:
            self._changed.wait_for(lambda: self.base or self._ended, self.start_s)
            if self.command == COMMAND:  # it has asked its upstream what that serves, and will not do so in the test
                self._changed.wait_for(lambda: self._ended or GREETED.search(self.log), self.start_s)
        if not self.base:
            self._kill()
            raise AssertionError(f"the server does not listen:\n{self.log}")

    def stop(self) -> None:
        """As Ctrl-C does: it must end soon, with 0, and without a traceback."""
        self.process.send_signal(signal.SIGINT)
        try:
            code = self.process.wait(self.stop_s)
        except subprocess.TimeoutExpired:
            self._kill()
            raise AssertionError(f"the server does not stop within {self.stop_s} s:\n{self.log}") from None
        self._reader.join(self.stop_s)
        self._close()
        assert code == 0, f"the server ends with {code}:\n{self.log}"
        assert self.logs_tracebacks or "Traceback" not in self.log, self.log

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line)
                if found := self.listens.search(line):
                    self.base = found[1]
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _kill(self) -> None:
        self.process.kill()
        self.process.wait(self.stop_s)
        self._reader.join(self.stop_s)
        self._close()

    def _close(self) -> None:
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._directory.cleanup()


def environment() -> dict[str, str]:
    """Ours, with both source roots on the path, and without what would change the server's mind."""
    stored = {name: value for name, value in os.environ.items() if not name.startswith(("PENSTOCK_", "OPENAI_"))}
    return stored | {
        "PYTHONPATH": os.pathsep.join([str(ROOT / "core"), str(ROOT / "adapters")]),
        "PYTHONUNBUFFERED": "1",
    }
