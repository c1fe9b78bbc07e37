"""Where a server listens: at a Unix socket, at a socket of systemd, and how probes and systemd see it."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from requirements import shows
from support.server import environment
from support.waiting import until

PROGRAM = (sys.executable, "-m", "penstock_adapters.cli")
INHERIT = """
import os, socket, sys
listener = socket.socket(fileno=int(sys.argv[1]))
os.dup2(listener.fileno(), 3)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""
"""Does what systemd does before it starts a server: the socket has the number 3."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: that of a Unix socket has 107 bytes at most."""
    with tempfile.TemporaryDirectory(prefix="p-", dir="/tmp") as made:
        yield Path(made)


class Server:
    """A server at any address, with what it has printed."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")


@contextmanager
def serving(
    folder: Path, *arguments: str, env: Mapping[str, str] | None = None, command: Sequence[str] = (), fd: int = -1
) -> Iterator[Server]:
    """`penstock serve`, which must end well. `fd` is passed on."""
    variables = environment() | {"PENSTOCK_STORE": "none://", "XDG_STATE_HOME": str(folder)} | (env or {})
    log = folder / "log"
    with log.open("a", encoding="utf-8") as file:
        process = subprocess.Popen(
            [*(command or PROGRAM), "serve", *arguments],
            env=variables,
            stdout=file,
            stderr=file,
            text=True,
            cwd=folder,
            pass_fds=[fd] if fd >= 0 else [],
        )
    server = Server(process, log)
    try:
        until(lambda: "listening on" in server.log or process.poll() is not None)
        yield server
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, server.log
    finally:
        process.kill()
        process.wait(30)
    assert "Traceback" not in server.log


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(20)
        connection.connect(str(self._path))
        self.sock = connection


def ask(connection: http.client.HTTPConnection) -> int:
    """The status of a response that is created."""
    body = b'{"model": "synthetic", "input": "Hi"}'
    connection.request("POST", "/v1/responses", body, {"content-type": "application/json"})
    reply = connection.getresponse()
    reply.read()
    connection.close()
    return reply.status


def health(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*PROGRAM, "health", *arguments]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, timeout=60)


@shows("unix-sockets")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_unix_socket(folder: Path, workers: str) -> None:
    path = folder / "penstock.sock"
    with serving(folder, "--uds", str(path), "--uds-mode", "660", "--workers", workers) as server:
        assert f"listening on unix:{path}" in server.log
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert ask(UnixConnection(path)) == 200
        until(lambda: "try: " in server.log)
        assert f"curl --unix-socket {path} http://localhost/v1/responses" in server.log
        well = health("--uds", str(path), "--ready")
        assert (well.returncode, well.stdout) == (0, "ok\n")
    assert not path.exists()


@shows("unix-sockets")
def test_a_socket_that_is_in_use_stays(folder: Path) -> None:
    path = folder / "penstock.sock"
    with serving(folder, "--uds", str(path)):
        second = subprocess.run(
            [*PROGRAM, "serve", "--uds", str(path)], env=environment(), capture_output=True, text=True, check=False
        )
        assert (second.returncode, "address already in use" in second.stderr) == (2, True)
        assert ask(UnixConnection(path)) == 200


@shows("unix-sockets")
def test_the_socket_of_a_crash_is_replaced(folder: Path) -> None:
    path = folder / "penstock.sock"
    crashed = socket.socket(socket.AF_UNIX)
    crashed.bind(str(path))
    crashed.listen()
    crashed.close()
    with serving(folder, "--uds", str(path)):
        assert ask(UnixConnection(path)) == 200


def test_a_file_that_is_no_socket_stays(folder: Path) -> None:
    file = folder / "notes.txt"
    file.write_text("mine", encoding="utf-8")
    command = [*PROGRAM, "serve", "--uds", str(file)]
    run = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert (run.returncode, "uds: cannot listen on" in run.stderr) == (2, True)
    assert file.read_text(encoding="utf-8") == "mine"


@contextmanager
def inherited(host: str = "127.0.0.1") -> Iterator[socket.socket]:
    with socket.create_server((host, 0)) as listener:
        os.set_inheritable(listener.fileno(), True)
        yield listener


@shows("inherited-sockets", "systemd-notify")
def test_a_socket_of_systemd_and_its_notifications(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd, inherited() as listener:
        systemd.bind(str(folder / "notify"))
        systemd.settimeout(30)
        command = [sys.executable, "-c", INHERIT, str(listener.fileno()), *PROGRAM[1:]]
        env = {"NOTIFY_SOCKET": str(folder / "notify")}
        with serving(folder, env=env, command=command, fd=listener.fileno()):
            assert systemd.recv(100) == b"READY=1"
            assert ask(http.client.HTTPConnection("127.0.0.1", listener.getsockname()[1], timeout=20)) == 200
        assert systemd.recv(100) == b"STOPPING=1"


@shows("inherited-sockets")
def test_a_socket_that_others_can_reach_needs_keys(folder: Path) -> None:
    with inherited("0.0.0.0") as listener:
        command = [sys.executable, "-c", INHERIT, str(listener.fileno()), *PROGRAM[1:], "serve"]
        run = subprocess.run(
            command, env=environment(), pass_fds=[listener.fileno()], capture_output=True, text=True, check=False
        )
    assert (run.returncode, "other machines can reach 0.0.0.0" in run.stderr) == (2, True)


@shows("inherited-sockets")
def test_a_socket_that_others_can_reach_has_no_open_administration(folder: Path) -> None:
    """`/admin` needs no key where only this machine can reach the server, whatever host is set."""
    with inherited("0.0.0.0") as listener:
        command = [sys.executable, "-c", INHERIT, str(listener.fileno()), *PROGRAM[1:]]
        with serving(folder, "--allow-anonymous", command=command, fd=listener.fileno()):
            connection = http.client.HTTPConnection("127.0.0.1", listener.getsockname()[1], timeout=20)
            connection.request("GET", "/admin/synthetic")
            assert connection.getresponse().status == 404
            connection.close()


def test_a_probe_of_what_is_not_there_fails(folder: Path) -> None:
    for arguments in (["--uds", str(folder / "none.sock")], ["--port", "1"]):
        unwell = health(*arguments)
        assert (unwell.returncode, "no answer from" in unwell.stderr) == (1, True)


def test_a_probe_of_what_is_unwell_fails(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        for reply, problem in (
            (b"HTTP/1.1 503 No\r\n\r\n", "with status 503"),
            (b"SSH-2.0\r\n", "not HTTP"),
            (b"", ""),
        ):
            probe = subprocess.Popen(
                [*PROGRAM, "health", "--port", port], env=environment(), stderr=subprocess.PIPE, text=True
            )
            connection, _ = other.accept()
            with connection:
                assert connection.recv(1000).startswith(b"GET /healthz HTTP/1.1\r\n")
                connection.sendall(reply)
            _, errors = probe.communicate(timeout=30)
            assert (probe.returncode, problem in errors) == (1, True), errors
