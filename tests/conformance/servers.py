"""What the engines with a server share: finding programs, free ports, starting processes and ending them."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from penstock.ports import Store
from support.missing import Missing


def adapter(module: str, name: str) -> Callable[[str], Store]:
    """A store's class, imported when it is asked for: its driver is an extra."""
    try:
        made: Callable[[str], Store] = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        raise Missing(str(error)) from None
    return made


def program(name: str) -> str:
    """Where a program is: in the path, or where Debian puts PostgreSQL's."""
    candidates = [
        shutil.which(name),
        *sorted(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), reverse=True),
    ]
    found = next(filter(None, candidates), None)
    if found is None:
        raise Missing(f"there is no {name} on this machine")
    return found


def unprivileged(directory: Path) -> list[str]:
    """The beginning of a command for a program that refuses to be root's; the directory becomes its user's."""
    if os.geteuid() != 0:
        return []
    users = {user.pw_name for user in pwd.getpwall()}
    user = "postgres" if "postgres" in users else "nobody"
    shutil.chown(directory, user)
    return [program("setpriv"), "--reuid", user, "--clear-groups"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


ENDS_WITHIN_S = 45.0
"""How long a server may take to end: its last checkpoint waits for the disk. Killed, it could not start again soon.

Twice this is less than pytest's `faulthandler_timeout`, which would end the whole run.
"""


def remove(directory: Path) -> None:
    """Remove a server's folder, and do not wait for it: on a busy disk that takes minutes, and a fixture has none."""
    os.posix_spawnp("rm", ["rm", "-rf", "--", str(directory)], os.environ)


class Process:
    """A server's process. Its output is in `log`, in its directory."""

    def __init__(self, command: Sequence[str], directory: Path) -> None:
        self._log = directory / "log"
        with self._log.open("ab") as log:
            self.running = subprocess.Popen(
                command, cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )

    def until(self, answers: Callable[[], bool], timeout_s: float = 30.0) -> None:
        """Wait until it does its work."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end and self.running.poll() is None:
            with suppress(OSError):
                if answers():
                    return
            time.sleep(0.05)
        self.end()
        raise AssertionError(f"it does not answer:\n{self._log.read_text(errors='replace')}")

    def end(self) -> None:
        """As Ctrl-C does: PostgreSQL would wait for its clients on SIGTERM."""
        self.running.send_signal(signal.SIGINT)
        try:
            self.running.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.running.kill()
            self.running.wait(ENDS_WITHIN_S)
