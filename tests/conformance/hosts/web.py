"""Hosts that serve HTTP: our server, ASGI servers of others, and functions whose platform sends HTTP."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

from conformance.hosts.kit import (
    PATIENCE_S,
    REQUEST_S,
    Answer,
    Call,
    Host,
    ask_http,
    leave_http,
    need,
    python,
    variables,
)
from conformance.servers import free_port
from support.server import ROOT
from support.waiting import until

PROGRAMS = Path(__file__).parent / "programs"
FACTORY = "penstock_adapters.starlette:app_from_environment"
LIMITED = {"PENSTOCK_LIMITS_REQUEST_S": str(REQUEST_S)}
"""For hosts that set no limit of their own."""
_LISTENING = re.compile(r"listening on http://(127\.0\.0\.1:\d+)")


class WebHost(Host):
    """A host that is a process with a port."""

    given: ClassVar[dict[str, str]] = LIMITED

    def start(self, upstream: str, **given: str) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self.folder = Path(tempfile.mkdtemp(prefix="penstock-host-"))
        env = variables(upstream, {"XDG_STATE_HOME": str(self.folder)} | self.given | given)
        self.log = self.folder / "log"
        command = self.command()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, env=env, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            until(self.is_ready, PATIENCE_S)
        except AssertionError:
            self.stop()
            raise

    def command(self) -> Sequence[str]:
        """What is run, with the port of `address` where it is ours to choose. Raises `Missing`."""
        raise NotImplementedError

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.output
        host, _, port = self.address.partition(":")
        try:
            socket.create_connection((host, int(port)), 1).close()
        except OSError:
            return False
        return True

    @property
    def port(self) -> str:
        return self.address.partition(":")[2]

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(PATIENCE_S)
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, call: Call) -> Answer:
        return ask_http(self.address, call)

    def leave(self, call: Call, wait: Callable[[], object]) -> None:
        leave_http(self.address, call, wait)


class Ours(WebHost):
    """`penstock serve`."""

    name = "penstock serve"

    def command(self) -> Sequence[str]:
        return (sys.executable, "-m", "penstock_adapters.cli", "serve", "--port", self.port)


class Uvicorn(WebHost):
    name = "uvicorn"

    def command(self) -> Sequence[str]:
        return (python(), "-m", "uvicorn", "--factory", FACTORY, "--port", self.port)


class Granian(WebHost):
    name = "granian"

    def command(self) -> Sequence[str]:
        need("granian")
        return (python(), "-m", "granian", "--interface", "asgi", "--factory", "--port", self.port, FACTORY)


class Hypercorn(WebHost):
    name = "hypercorn"

    def command(self) -> Sequence[str]:
        need("hypercorn")
        return (python(), "-m", "hypercorn", "--bind", self.address, f"{FACTORY}()")


class Bare(WebHost):
    """A host that gives a scope no more than ASGI demands, and no lifespan."""

    name = "a bare host"

    def command(self) -> Sequence[str]:
        options = ("--lifespan", "off", "--app-dir", str(PROGRAMS), "--port", self.port)
        return (python(), "-m", "uvicorn", *options, "odd_hosts:bare")


class LifespanPerRequest(WebHost):
    """A host that begins and ends the app with each request."""

    name = "a lifespan per request"

    def command(self) -> Sequence[str]:
        options = ("--lifespan", "off", "--app-dir", str(PROGRAMS), "--port", self.port)
        return (python(), "-m", "uvicorn", *options, "odd_hosts:lifespan_per_request")


class Google(WebHost):
    """The Functions Framework, as Cloud Run and Cloud Functions start it."""

    name = "functions-framework"
    is_function = True
    given = {"CLOUD_RUN_TIMEOUT_SECONDS": str(REQUEST_S)}

    def command(self) -> Sequence[str]:
        need("functions_framework")
        source = ROOT / "deploy" / "google" / "main.py"
        options = ("--source", str(source), "--target", "main", "--host", "127.0.0.1", "--port", self.port)
        return (python(), "-m", "functions_framework", *options)


class Vercel(WebHost):
    """Vercel's runtime. It chooses its port, and sends it to its platform through a Unix socket."""

    name = "vercel-runtime"
    is_function = True
    prefixes = ("", "/api")

    def start(self, upstream: str, **given: str) -> None:
        need("vercel_runtime")
        folder = tempfile.mkdtemp(prefix="penstock-vercel-")
        path = str(Path(folder, "ipc"))
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            self._messages: list[str] = []
            threading.Thread(target=self._receive, args=(listener.dup(),), daemon=True).start()
        entry = ROOT / "deploy" / "vercel" / "api" / "index.py"
        settings = {
            "VERCEL_IPC_PATH": path,
            "__VC_HANDLER_ENTRYPOINT": "api/index.py",
            "__VC_HANDLER_ENTRYPOINT_ABS": str(entry),
            "__VC_HANDLER_MODULE_NAME": "api.index",
            "__VC_HANDLER_VARIABLE_NAME": "app",
        }
        try:
            super().start(upstream, **settings, **given)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    given: ClassVar[dict[str, str]] = {}

    def command(self) -> Sequence[str]:
        return (python(), "-m", "vercel_runtime.vc_init")

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.output
        started = [message for message in map(json.loads, self._messages) if message["type"] == "server-started"]
        if started:
            self.address = f"127.0.0.1:{started[0]['payload']['httpPort']}"
        return bool(started)

    def ask(self, call: Call) -> Answer:
        return super().ask(self._with_deadline(call))

    def leave(self, call: Call, wait: Callable[[], object]) -> None:
        super().leave(self._with_deadline(call), wait)

    def _with_deadline(self, call: Call) -> Call:
        """The request as Vercel passes it on."""
        deadline = (datetime.now(UTC) + timedelta(seconds=REQUEST_S)).isoformat(timespec="milliseconds")
        header = ("x-vercel-internal-deadline", deadline.replace("+00:00", "Z"))
        return Call(call.method, call.path, call.body, (*call.headers, header), call.query)

    def _receive(self, listener: socket.socket) -> None:
        """Take the runtime's messages, for as long as it runs."""
        with listener:
            connection, _ = listener.accept()
        received = b""
        with connection:
            while data := connection.recv(2**16):
                *messages, received = (received + data).split(b"\0")
                self._messages += [message.decode() for message in messages]


class Azure(WebHost):
    """Azure's Python runtime with its HTTP-streaming extension, behind a proxy that does what Azure's host does."""

    name = "azure-functions-runtime"
    is_function = True
    prefixes = ("/api",)
    given = {
        "AzureFunctionsJobHost__extensions__http__routePrefix": "api",
        "AzureFunctionsJobHost__functionTimeout": f"00:00:{REQUEST_S:02}",
    }

    def command(self) -> Sequence[str]:
        need("azure_functions_runtime")
        return (python(), str(PROGRAMS / "azure_host.py"), str(ROOT / "deploy" / "azure"))

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.output
        if found := _LISTENING.search(self.output):
            self.address = found[1]
        return bool(found)


class AzureWithoutPrefix(Azure):
    """The same with the `host.json` of `deploy/azure`, which has no prefix."""

    name = "azure-functions-runtime, no prefix"
    prefixes = ("",)
    given = {"AzureFunctionsJobHost__functionTimeout": f"00:00:{REQUEST_S:02}"}
