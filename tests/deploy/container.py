"""The image of the Dockerfile, built by buildah on a stand-in, and containers of it.

Knows buildah's commands and the configuration of an image. Its store is a folder of its own.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deploy.stand_in import ENVIRONMENT, make_root
from support.server import ROOT

BUILD_S = 600
STOP_S = 60
READ_ONLY = """
set -eu
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
mount --bind /dev "$1/dev"
mount -t tmpfs tmpfs "$1/tmp"
for folder in $2; do mount -t tmpfs -o "mode=0700,uid=$3,gid=$3" tmpfs "$1$folder"; done
root=$1 user=$3
shift 3
exec setpriv --no-new-privs chroot --userspec="$user:$user" "$root" env --ignore-environment "$@"
"""
"""A process whose root is read-only, but for /tmp and the volumes: folder, volumes, user, environment and command."""


class Image:
    """The built image; `config` has what the Dockerfile sets for its containers."""

    def __init__(self, folder: Path, name: str) -> None:
        self._command = ["buildah", "--root", str(folder / "root"), "--runroot", str(folder / "run")]
        self.name = name
        self.config: dict[str, Any] = {}

    def buildah(self, *arguments: str | Path) -> str:
        """What a command prints."""
        done = subprocess.run(
            [*self._command, *arguments], capture_output=True, text=True, check=False, timeout=BUILD_S, cwd=ROOT
        )
        assert done.returncode == 0, f"{arguments[0]}: {done.stdout}\n{done.stderr}"
        return done.stdout.strip()

    def build(self, folder: Path, base: str) -> None:
        """Build the base, and the image on it."""
        root = folder / "base"
        root.mkdir()
        make_root(root, base.rpartition(":")[2].partition("-")[0])
        container = self.buildah("from", "scratch")
        self.buildah("copy", "--quiet", container, root, "/")
        variables = [f"--env={name}={value}" for name, value in ENVIRONMENT.items()]
        self.buildah("config", *variables, container)
        self.buildah("commit", "--quiet", container, base)
        dockerfile = "deploy/docker/Dockerfile"
        self.buildah(
            "build", "--isolation=chroot", "--pull-never", "--format=docker", "-f", dockerfile, "-t", self.name, "."
        )
        self.config = json.loads(self.buildah("inspect", "--type=image", self.name))["Docker"]["config"]

    def command(self, container: str, env: Mapping[str, str], *program: str) -> list[str]:
        """The command that runs a program in a container as the image's user."""
        variables = [f"--env={name}={value}" for name, value in env.items()]
        return [*self._command, "run", "--isolation=chroot", *variables, container, "--", *program]

    def remove(self) -> None:
        """Remove all containers and images."""
        self.buildah("rm", "--all")
        self.buildah("rmi", "--all", "--force")


class Running:
    """A started container: its main process, and what it has printed."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    @property
    def pid(self) -> int:
        """The main process of the container, which is the last of the chain of children; any thread may have some."""
        pid = self.process.pid
        while children := [each for file in Path("/proc").glob(f"{pid}/task/*/children") for each in _words(file)]:
            pid = int(children[0])
        return pid

    def stop(self) -> float:
        """Send the signal of the image; the seconds until the end, which must be in order."""
        began = time.monotonic()
        os.kill(self.pid, signal.SIGTERM)
        assert self.process.wait(STOP_S) == 0, self.log
        assert "Traceback" not in self.log
        return time.monotonic() - began


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="ascii").split()
    except OSError:  # the thread has ended
        return []


@contextmanager
def running(command: Sequence[str | Path], log: Path) -> Iterator[Running]:
    """A started command, which is not left behind."""
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    started = Running(process, log)
    try:
        yield started
    finally:
        if process.poll() is None:
            os.kill(started.pid, signal.SIGKILL)
            process.wait(STOP_S)
