"""Serving: take the port, print its address, and run uvicorn on it until a signal stops it.

It knows logging and uvicorn, and nothing of requests. The app comes as what makes it, so that every worker has its own.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from types import FrameType
from typing import Any, TypeAlias

import uvicorn

from penstock.engine import UpstreamReport
from penstock.ports import NoSiblings, Siblings
from penstock.service import Service
from penstock.settings import Settings, SettingsError
from penstock.telemetry import configure_logging, write_together
from penstock_adapters.asgi import AsgiApp

from .accepting import Acceptor
from .certificates import ServerCertificate, certificate_of
from .http1 import http_protocol
from .listening import listeners_of, remove_socket
from .open_files import allow_open_files
from .siblings import UnixSiblings
from .signals import ignore_stop, on_hangup, on_stop
from .startup_banner import listening, startup_banner
from .systemd import notify
from .uncaught import log_uncaught
from .worker_processes import WorkerProcesses

CreateApp: TypeAlias = Callable[[Settings, Siblings], AsgiApp]
"""Makes the application of the settings, for a worker with these siblings."""
PrintBanner: TypeAlias = Callable[[Sequence[UpstreamReport]], None]
"""Prints the banner with the reports of the upstreams."""

_log = logging.getLogger("penstock.serving")
_banner = logging.getLogger("penstock.banner")


def configure_log(settings: Settings) -> None:
    """Give all lines, including uvicorn's and Python's, one form. The banner is logged at any level."""
    configure_logging(settings.log_level, settings.log_format)
    _banner.setLevel(logging.INFO)
    logging.getLogger("uvicorn.error").addFilter(_is_no_cut_stream)
    log_uncaught()


def log_mistake(mistake: SettingsError) -> None:
    """Write a mistake that ends the start to the log."""
    _log.error("%s", mistake)


def serve(settings: Settings, create_app: CreateApp) -> int:
    """Serve until a signal arrives; the exit code is 0 then. Raises `SettingsError` for a port that is not free."""
    if settings.workers > 1 and not hasattr(os, "fork"):
        raise SettingsError("workers", "more than one needs an operating system that can fork")
    allow_open_files(settings)
    certificate = certificate_of(settings)
    listeners, settings = listeners_of(settings)
    leader = os.getpid()
    try:
        if settings.workers > 1:
            return _serve_with_workers(settings, create_app, listeners, certificate)
        [listener] = listeners
        server = _server(settings, create_app, listener, certificate)
        _begin(settings, listener)
        return _run(server, listener)
    finally:
        if os.getpid() == leader:
            remove_socket(settings.uds)


def _serve_with_workers(
    settings: Settings,
    create_app: CreateApp,
    listeners: Sequence[socket.socket],
    certificate: ServerCertificate | None,
) -> int:
    leader = os.getpid()
    folder = _private_folder()

    def work(index: int, listener: socket.socket) -> int:
        siblings = UnixSiblings(folder, index, settings.workers, settings.limits)
        return _run(_server(settings, create_app, listener, certificate, leader=leader, siblings=siblings), listener)

    _begin(settings, listeners[0])
    _tune_garbage_collection()
    try:
        return WorkerProcesses(settings.workers, listeners, work, reloads=certificate is not None).work()
    finally:
        if os.getpid() == leader:
            rmtree(folder, ignore_errors=True)


def _private_folder() -> Path:
    """A new folder that only this user may use. Where there can be none, its path is that of nothing."""
    try:
        return Path(mkdtemp(prefix="penstock-"))
    except OSError as error:
        _log.warning("there is no folder for the sockets of the workers: %s", error)
        return Path(os.devnull)


def _begin(settings: Settings, listener: socket.socket) -> None:
    """From here on connections wait in the socket."""
    _announce(settings, listening(listener, is_secure=settings.tls_cert is not None))
    # spec: systemd-notify
    notify("READY=1")


def _announce(settings: Settings, lines: str) -> None:
    """Print lines of the banner: as plain text for people, or as lines of the JSON log."""
    if settings.log_format == "text":
        sys.stderr.write(lines)
        return
    for line in lines.splitlines():
        _banner.info("%s", line)


def _is_no_cut_stream(record: logging.LogRecord) -> bool:
    """False for the traceback of a stream that was cancelled because it outlived `drain_s`."""
    return record.exc_info is None or not isinstance(record.exc_info[1], asyncio.CancelledError)


class _Server(uvicorn.Server):
    """Ends at once when it is interrupted twice; since Python 3.12 uvicorn may wait for its streams even then.

    `print_banner` is called with the reports of the upstreams as soon as they are there.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        service: Service,
        print_banner: PrintBanner,
        siblings: UnixSiblings | None,
        certificate: ServerCertificate | None,
    ) -> None:
        super().__init__(config)
        self._certificate = certificate
        self._watching: asyncio.Task[None] | None = None
        self._siblings = siblings
        self._service = service
        self._acceptors: list[Acceptor] = []
        self._print_banner = print_banner
        self._checking: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections first, and ask the upstreams then: no upstream delays the start."""
        await super().startup([])
        write_together(asyncio.get_running_loop().call_soon)
        if self._siblings is not None:
            await self._siblings.start()
        limits = self._service.limits
        self._acceptors = [Acceptor(each, self._connection, limits, self._certificate) for each in sockets or []]
        if self._certificate is not None:
            self._watching = asyncio.ensure_future(self._certificate.watch(limits.tls_check_s))
        # spec: models-at-start
        self._checking = asyncio.ensure_future(self._check_upstreams())

    def _connection(self) -> asyncio.Protocol:
        make: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
        return make(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    async def _check_upstreams(self) -> None:
        self._print_banner(await self._service.check_connections())

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Unlike uvicorn's, signals have no effect once the server has stopped, and none is raised again."""
        self.on_signals()
        try:
            yield
        finally:
            # spec: stopped-is-stopped
            ignore_stop()

    def on_signals(self) -> None:
        """Handle signals from now on: the server stops, or loads its certificate again on SIGHUP."""
        on_stop(self.handle_exit)
        certificate = self._certificate
        if certificate is not None:
            on_hangup(lambda *_: certificate.reload())

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop in order; at once, where the same was requested before."""
        # spec: interrupted-twice
        if self.should_exit and sig == signal.SIGINT:
            with suppress(Exception):  # nothing may prevent the end
                _log.warning("interrupted again: the server ends at once, and cuts %s", _counted(self._cut()))
            os._exit(0)
        super().handle_exit(sig, frame)

    def _cut(self) -> dict[str, int]:
        """Count the requests, streams and connections that would not end in order."""
        cycles = [getattr(connection, "cycle", None) for connection in self.server_state.connections]
        open_cycles = [cycle for cycle in cycles if cycle is not None and not cycle.is_complete]
        begun = sum(cycle.is_started for cycle in open_cycles)
        sockets = sum(not hasattr(connection, "cycle") for connection in self.server_state.connections)
        return {"request": len(open_cycles) - begun, "stream": begun, "WebSocket connection": sockets}

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop the service at once: uvicorn informs an app only after all its streams have ended."""
        for task in (self._checking, self._watching):
            if task is not None:
                task.cancel()
        if self._siblings is not None:
            await self._siblings.aclose()
        notify("STOPPING=1")
        # spec: drained-in-order
        self._service.drain(float(self.config.timeout_graceful_shutdown or 0))
        for acceptor in self._acceptors:
            await acceptor.close()
        await super().shutdown([])


def _server(
    settings: Settings,
    create_app: CreateApp,
    listener: socket.socket,
    certificate: ServerCertificate | None,
    *,
    leader: int | None = None,
    siblings: UnixSiblings | None = None,
) -> _Server:
    """A server with its own app. A worker checks every second whether its leader still runs."""

    def print_banner(reports: Sequence[UpstreamReport]) -> None:
        if siblings is None or siblings.worker == "0":
            _announce(settings, startup_banner(settings, listener, reports))

    async def look() -> None:
        if os.getppid() != leader:
            os.kill(os.getpid(), signal.SIGTERM)

    app = create_app(settings, siblings or NoSiblings())
    config = uvicorn.Config(
        app,
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        http=http_protocol(app.service),
        **_websocket(settings),
        workers=1,
        timeout_graceful_shutdown=math.ceil(settings.drain_s),
        timeout_notify=1,
        callback_notify=look if leader else None,
    )
    return _Server(config, app.service, print_banner, siblings, certificate)


def _websocket(settings: Settings) -> dict[str, Any]:
    """uvicorn's settings of WebSocket. Compressing messages costs more than it saves, and their sizes leak secrets."""
    if not settings.websocket:
        return {"ws": "none"}
    limits = settings.limits
    return {
        "ws": _websocket_protocol,
        "ws_max_size": limits.body_bytes_max,
        "ws_ping_interval": limits.socket_ping_s,
        "ws_ping_timeout": limits.socket_pong_s,
        "ws_per_message_deflate": False,
    }


def _websocket_protocol(**arguments: Any) -> asyncio.Protocol:
    """The protocol of a WebSocket connection. It is imported with the first one: most servers have none."""
    # spec: lean-start
    from .websocket import WebSocketProtocol

    return WebSocketProtocol(**arguments)


def _tune_garbage_collection() -> None:
    """Collect cycles seldom, and never among imported objects: requests make few cycles, and thousands of objects.

    Measured: it saves an eighth of a JSON request's CPU, and a twelfth of a stream's. Frozen memory stays shared after
    a fork: a worker has 8 MB of its own in place of 15.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _counted(counts: Mapping[str, int]) -> str:
    """For instance `1 request and 2 streams`."""
    return " and ".join(f"{n} {what}{'s' * (n != 1)}" for what, n in counts.items() if n) or "nothing"


def _run(server: _Server, listener: socket.socket) -> int:
    """Serve until a stop is requested. From here on a signal raises nothing, before and after uvicorn handles it."""
    server.on_signals()
    _tune_garbage_collection()
    try:
        server.run([listener])
    finally:
        write_together(None)
    return 0
