"""The units of systemd: its own tools find nothing, and the command of the service runs as systemd would start it."""

from __future__ import annotations

import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from deploy.files import DEPLOY, seconds, settings_of
from penstock_adapters.cli import _parser
from support.server import environment

FOLDER = DEPLOY / "systemd"
BIN = Path(sys.executable).parent
INSTALLED = "/opt/penstock/bin"
EXPOSURE_MAX = 1.5
"""Of 10, by `systemd-analyze security`."""
SET_MDWE, REFUSE_EXEC_GAIN = 65, 1
"""prctl(2) of Linux 6.3: what MemoryDenyWriteExecute= does, for a process that systemd has not started."""
CONFINED = f"""
import ctypes, os, sys
ctypes.CDLL(None).prctl({SET_MDWE}, {REFUSE_EXEC_GAIN}, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def lines_of(unit: str) -> dict[str, list[str]]:
    """The values of each key."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", (FOLDER / unit).read_text(encoding="utf-8"), re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


SERVICE = lines_of("penstock.service")
SOCKET = lines_of("penstock.socket")
VARIABLES = dict(word.split("=", 1) for line in SERVICE["Environment"] for word in shlex.split(line))


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path, for the sockets in it, with units whose program is there."""
    with tempfile.TemporaryDirectory(prefix="p-", dir="/tmp") as made:
        for unit in FOLDER.glob("penstock.*"):
            text = unit.read_text(encoding="utf-8").replace(INSTALLED, str(BIN))
            (Path(made) / unit.name).write_text(text, encoding="utf-8")
        yield Path(made)


def test_the_tools_of_systemd_find_nothing(folder: Path) -> None:
    units = sorted(folder.glob("penstock.*"))
    assert [unit.suffix for unit in units] == [".service", ".socket"]
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False, timeout=60
    )
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")
    threshold = f"--threshold={EXPOSURE_MAX * 10:g}"
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", threshold, folder / "penstock.service"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert judged.returncode == 0, judged.stdout


def test_what_the_units_name() -> None:
    [command] = SERVICE["ExecStart"]
    program, *arguments = shlex.split(command)
    options = _parser().parse_args(arguments)
    assert (program, options.command) == (f"{INSTALLED}/penstock", "serve")
    credential, source = SERVICE["LoadCredential"][0].split(":")
    assert options.config == f"%d/{credential}"
    settings = settings_of(VARIABLES)
    assert settings.drain_s < seconds(SERVICE["TimeoutStopSec"][0])
    [address] = SOCKET["ListenStream"]
    assert address == f"{settings.host}:{settings.port}"
    assert VARIABLES["XDG_STATE_HOME"] == "%S"
    assert SERVICE["StateDirectory"] == ["penstock"]
    assert int(SERVICE["LimitNOFILE"][0]) > settings.limits.connections_max + settings.limits.upstream_connections_max
    assert SERVICE["RestartPreventExitStatus"] == ["2"]
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    for named in (source, address, SERVICE["EnvironmentFile"][0].removeprefix("-"), str(Path(INSTALLED).parent)):
        assert named in readme


@pytest.mark.slow
def test_the_service_runs_as_systemd_starts_it(folder: Path) -> None:
    """With the socket, the credential and the messages of systemd, and without memory that can be written and run.

    A kernel before Linux 6.3 cannot refuse such memory; there the test shows the rest.
    """
    (folder / "penstock.toml").write_text('model = "synthetic"\n', encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = SERVICE["ExecStart"][0].replace(INSTALLED, str(BIN)).replace("%d", str(folder))
    variables = {name: value.replace("%S", str(folder)) for name, value in VARIABLES.items()}
    variables |= {"NOTIFY_SOCKET": str(folder / "notify"), "PYTHONPATH": environment()["PYTHONPATH"]}
    passed_on = [f"--setenv={name}={value}" for name, value in variables.items()]
    activate = ["systemd-socket-activate", f"--listen=127.0.0.1:{port}", *passed_on]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd, (folder / "log").open("wb") as log:
        systemd.bind(str(folder / "notify"))
        systemd.settimeout(60)
        process = subprocess.Popen(
            [*activate, sys.executable, "-c", CONFINED, *shlex.split(command)], stdout=log, stderr=log, cwd=folder
        )
        try:
            assert answer(port) == 200
            assert systemd.recv(100) == b"READY=1"
            assert (folder / "penstock/penstock.db").exists()
            process.send_signal(signal.SIGTERM)
            assert systemd.recv(100) == b"STOPPING=1"
            assert process.wait(60) == 0
        finally:
            process.kill()
            process.wait(60)
    assert "Traceback" not in (folder / "log").read_text(encoding="utf-8")


def answer(port: int) -> int:
    """The status of a response. The first connection waits until systemd listens."""
    for _ in range(600):
        with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            try:
                connection.request("POST", "/v1/responses", b'{"input": "Hi"}', {"content-type": "application/json"})
            except ConnectionRefusedError:
                time.sleep(0.05)
                continue
            return connection.getresponse().status
    raise AssertionError("nothing listens")
