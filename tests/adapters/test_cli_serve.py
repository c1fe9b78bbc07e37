"""`penstock serve` as a process: how it begins, what it prints, and how it ends.

Run as a script, this file is `penstock` with a service that reports which process it is, and streams as long as asked.
"""

import asyncio
import gc
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPResponse
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import pytest

from penstock import Settings, build
from penstock.http import Reply, Request
from penstock.ports import Siblings
from penstock_adapters.asgi import AsgiApp
from requirements import shows

ROOT = Path(__file__).parents[2]
SOON_S = 15.0


async def handle(request: Request) -> Reply:
    """A stream of as many pieces as the path sets, which does not heed that the server stops, and the process."""

    async def pieces() -> AsyncGenerator[bytes]:
        for _ in range(int(request.path.strip("/") or 0)):
            yield b"." * 10
            await asyncio.sleep(0.1)
        yield str(os.getpid()).encode()

    return Reply(200, [], pieces())


class SlowEnd:
    """Something that holds up the end of the interpreter, when it takes its modules apart."""

    def __del__(self, write: Any = os.write, sleep: Any = time.sleep, pid: Any = os.getpid) -> None:
        write(2, f"ending {pid()}\n".encode())
        sleep(0.5)


def stubbed_penstock(fault: str) -> int:
    stub: Any = ModuleType("penstock_adapters.drivers")

    def create_asgi_app(settings: Settings, siblings: Siblings) -> AsgiApp:
        if fault == "app":
            raise RuntimeError("no app today")
        if fault == "frozen":
            sys.stderr.write(f"frozen: {gc.get_freeze_count()}\n")
        app = AsgiApp(build(Settings()))
        app.service.handle = handle  # type: ignore[method-assign]
        return app

    stub.create_asgi_app = create_asgi_app
    stub.STORES = {}
    stub.read_file = Path.read_text
    sys.modules["penstock_adapters.drivers"] = stub
    if fault == "slow end":
        stub.slow_end = SlowEnd()
    elif fault in ("uvicorn", "penstock_adapters.drivers"):
        sys.modules[fault] = None  # type: ignore[assignment]

    from penstock_adapters.cli import main

    return main(sys.argv[2:])


class Penstock:
    """A server with the app above; `lines` are what it has printed so far."""

    def __init__(self, *argv: str, fault: str = "", before: Sequence[str] = (), **env: str) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
        roots = os.pathsep.join(str(ROOT / root) for root in ("core", "adapters", "tests"))
        self.process = subprocess.Popen(
            [*before, sys.executable, __file__, fault, *argv],
            env=clean | {"PYTHONPATH": roots, "PENSTOCK_STORE": "none://", "PENSTOCK_SEAL_KEYS": "A" * 43} | env,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []

    def until(self, pattern: str) -> re.Match[str]:
        """The first line from here on that has it."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"it ended with {self.process.wait()}, having said: {self.lines}")

    def listening(self) -> str:
        return self.until(r"listening on (http://\S+)")[1]

    def end(self, number: int | None = None) -> int:
        if number is not None:
            self.process.send_signal(number)
        assert self.process.stderr is not None
        if not self.process.stderr.closed:
            self.lines += self.process.stderr
            self.process.stderr.close()
        return self.process.wait(SOON_S)


@contextmanager
def penstock(*argv: str, fault: str = "", before: Sequence[str] = (), **env: str) -> Iterator[Penstock]:
    running = Penstock("serve", "--port", "0", *argv, fault=fault, before=before, **env)
    try:
        yield running
    finally:
        running.process.kill()
        with suppress(ProcessLookupError):
            os.killpg(running.process.pid, signal.SIGKILL)
        running.end()


def get(url: str) -> HTTPResponse:
    return urllib.request.urlopen(url, timeout=SOON_S)  # type: ignore[no-any-return]


def eventually(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON_S
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def refuses(url: str) -> bool:
    """Whether no process listens any more. A reset proves less: it may come from the first worker that has stopped."""
    address = urlsplit(url)
    try:
        socket.create_connection((address.hostname, address.port), SOON_S).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_begins_and_ends_quietly(number: int, workers: str) -> None:
    with penstock("--workers", workers) as server:
        url = server.listening()
        server.until("try: ")
        with get(url) as reply:
            assert (reply.status, reply.headers["server"]) == (200, None)
        assert server.end(number) == 0
        assert [line.partition(" ")[0] for line in server.lines] == ["listening", "models:", "store:", "try:"]


def test_it_prints_the_models_the_address_and_an_example() -> None:
    env = {"PENSTOCK_API_KEYS": "sk-client", "PENSTOCK_ALLOWED_HOSTS": "a.example"}
    with penstock("--upstream", "http://127.0.0.1:9/v1", "--model", "it's", "--host", "0.0.0.0", **env) as server:
        port = server.listening().rpartition(":")[2]
        curl = shlex.split(server.until("^try: (.+)")[1])
        assert server.lines[:2] == [
            f"listening on http://0.0.0.0:{port}\n",
            "models: * at http://127.0.0.1:9/v1 (default)\n",
        ]
        assert curl[:2] == ["curl", f"http://127.0.0.1:{port}/v1/responses"]
        assert "authorization: Bearer YOUR_API_KEY" in curl
        assert json.loads(curl[-1])["model"] == "it's"
        assert "sk-" not in "".join(server.lines)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_port_in_use_is_one_line(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        second = Penstock("serve", "--host", host, "--port", str(port))
        assert second.end() == 2
    reason = f"cannot listen on {host} port {port}: address already in use; choose another by --port or --host"
    assert second.lines == [f"penstock: port: {reason}\n"]


@pytest.mark.parametrize("missing", ["uvicorn", "penstock_adapters.drivers"])
def test_a_missing_server_is_one_line_and_a_bug_is_not(missing: str) -> None:
    with penstock(fault=missing) as server:
        code = server.end()
        if missing == "uvicorn":
            assert code == 2
            assert server.lines == ["penstock: serve: uvicorn is not installed: pip install 'penstock[server]'\n"]
        else:
            assert (code, "Traceback" in "".join(server.lines)) == (1, True)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_open_streams_may_end(workers: str) -> None:
    with penstock("--workers", workers) as server:
        with get(f"{server.listening()}/10") as stream:
            stream.read(1)
            server.process.send_signal(signal.SIGTERM)
            assert len(stream.read()) > 99
        assert server.end() == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_stream_that_does_not_end_is_cut(workers: str) -> None:
    with penstock("--workers", workers, PENSTOCK_DRAIN_S="0.5") as server:
        with get(f"{server.listening()}/999") as stream:
            stream.read(1)
            assert server.end(signal.SIGINT) == 0
        assert "Traceback" not in "".join(server.lines)


@shows("signals", "interrupted-twice")
@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("whole_group", [False, True], ids=["process", "terminal"])
def test_a_second_interrupt_ends_at_once(workers: str, whole_group: bool) -> None:
    with penstock("--workers", workers) as server:
        url = server.listening()
        pid = -server.process.pid if whole_group else server.process.pid
        with get(f"{url}/999") as stream:
            stream.read(1)
            os.kill(pid, signal.SIGINT)
            eventually(lambda: refuses(url))
            assert server.process.poll() is None
            began = time.monotonic()
            os.kill(pid, signal.SIGINT)
            assert server.end() == 0
            assert time.monotonic() - began < 15
        text = "".join(server.lines)
        assert "interrupted again: the server ends at once, and cuts 1 stream\n" in text
        assert "Traceback" not in text


@contextmanager
def heeding_sighup() -> Iterator[None]:
    """A child inherits that a signal is ignored, as it is where the tests run under `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


@shows("signals")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_closed_terminal_stops_it_in_order(workers: str) -> None:
    with heeding_sighup(), penstock("--workers", workers) as server:
        with get(f"{server.listening()}/10") as stream:
            stream.read(1)
            os.kill(-server.process.pid, signal.SIGHUP)
            assert len(stream.read()) > 99
        assert server.end() == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_with_nohup_it_runs_on_when_the_terminal_is_closed(workers: str) -> None:
    with penstock("--workers", workers, before=("nohup",)) as server:
        url = server.listening()
        os.kill(-server.process.pid, signal.SIGHUP)
        time.sleep(0.5)
        get(url).close()
        assert server.end(signal.SIGTERM) == 0


@shows("stopped-is-stopped")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_signal_that_comes_while_the_interpreter_ends_changes_nothing(number: int, workers: str) -> None:
    with penstock("--workers", workers, fault="slow end") as server:
        get(server.listening()).close()
        server.process.send_signal(signal.SIGTERM)
        pid = 0
        while pid != server.process.pid:  # the leader ends last; a worker that had not begun yet ends without a word
            pid = int(server.until(r"ending (\d+)")[1])
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        assert server.end() == 0


@shows("stopped-is-stopped")
@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("wait_s", [0.0, 0.1, 0.2, 0.4])
def test_signals_that_come_together(workers: str, wait_s: float) -> None:
    """While it starts or serves, and while it stops: none of them is how it ends."""
    with penstock("--workers", workers) as server:
        server.until(r"models:|listening")
        time.sleep(wait_s)
        deadline = time.monotonic() + SOON_S
        while server.process.poll() is None and time.monotonic() < deadline:
            for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGTERM):
                server.process.send_signal(number)
            time.sleep(0.01)
        assert server.end() == 0
        assert "Traceback" not in "".join(server.lines)


def test_a_stop_during_the_start_prints_no_traceback() -> None:
    for wait_s in (0.1, 0.15, 0.2):
        with penstock() as server:
            time.sleep(wait_s)
            server.end(signal.SIGTERM)
            assert "Traceback" not in "".join(server.lines)


def test_workers_share_what_was_imported() -> None:
    """The collector writes to each object that it looks at, and so makes its page the worker's own."""
    with penstock("--workers", "2", fault="frozen") as server:
        assert int(server.until(r"frozen: (\d+)")[1]) > 10_000
        assert server.end(signal.SIGTERM) == 0


def test_a_worker_that_is_killed_is_replaced() -> None:
    with penstock("--workers", "2") as server:
        url = server.listening()
        with get(url) as reply:
            first = int(reply.read())
        os.kill(first, signal.SIGKILL)
        server.until(rf"worker {first} ended with -9")
        with get(url) as reply:
            assert int(reply.read()) not in (first, server.process.pid)
        assert server.end(signal.SIGTERM) == 0


def test_a_worker_without_its_leader_ends() -> None:
    with penstock("--workers", "2") as server:
        url = server.listening()
        get(url).close()
        server.process.kill()
        eventually(lambda: refuses(url))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_app_that_cannot_be_made_is_a_failure(workers: str) -> None:
    with penstock("--workers", workers, fault="app") as server:
        assert server.end() == 1
        assert "no app today" in "".join(server.lines)


def open_files(before: str, connections_max: str) -> tuple[int, str]:
    """The soft limit of a server that was started with this, and what the server prints."""
    command = ["sh", "-c", f'{before}; exec "$@"', "sh"]
    with penstock(before=command, PENSTOCK_LIMITS_CONNECTIONS_MAX=connections_max) as server:
        server.listening()
        limits = Path(f"/proc/{server.process.pid}/limits").read_text(encoding="ascii")
        server.end(signal.SIGINT)
        [soft] = re.findall(r"Max open files +(\d+)", limits)
        return int(soft), "".join(server.lines)


@shows("open-files")
@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="limits are read from /proc")
def test_the_limit_of_open_files_is_raised_or_too_low() -> None:
    soft, text = open_files("ulimit -Sn 256", "1000")
    assert (soft, "open files" in text) == (1_200, False)
    soft, text = open_files("ulimit -Sn 256; ulimit -Hn 400", "1000")
    assert soft == 400
    assert "the system allows 400 open files, and the settings need 1200" in text


if __name__ == "__main__":
    sys.exit(stubbed_penstock(sys.argv[1]))
