"""Serving: take the port, say where it is, and run uvicorn on it until told to stop.

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
from types import FrameType
from typing import Any, TypeAlias

import uvicorn

from penstock.engine import UpstreamReport
from penstock.service import Service
from penstock.settings import Settings, SettingsError
from penstock.telemetry import configure_logging
from penstock_adapters.asgi import AsgiApp

from .accepting import Acceptor
from .http1 import http_protocol
from .listening import listen, listen_together
from .open_files import allow_open_files
from .signals import ignore_stop, on_stop
from .startup_banner import greeting, listening
from .worker_processes import WorkerProcesses

CreateApp: TypeAlias = Callable[[Settings], AsgiApp]
"""Makes the application of the settings."""
Greet: TypeAlias = Callable[[Sequence[UpstreamReport]], None]
"""Tells whoever started the server what its upstreams said."""

_log = logging.getLogger("penstock.serving")
_banner = logging.getLogger("penstock.banner")


def serve(settings: Settings, create_app: CreateApp) -> int:
    """Serve until a signal comes; the exit code is 0 then. Raises `SettingsError` for a port that cannot be had."""
    if settings.workers > 1 and not hasattr(os, "fork"):
        raise SettingsError("workers", "more than one needs an operating system that can fork")
    _configure_logging(settings)
    allow_open_files(settings)
    if settings.workers > 1:
        return _serve_by_crew(settings, create_app)
    listener = listen(settings.host, settings.port)
    server = _server(settings, create_app, listener)
    _announce(settings, listening(listener))
    return _run(server, listener)


def _serve_by_crew(settings: Settings, create_app: CreateApp) -> int:
    listeners = listen_together(settings.host, settings.port, settings.workers)
    leader = os.getpid()

    def work(listener: socket.socket) -> int:
        server = _server(settings, create_app, listener, leader=leader, greets=listener is listeners[0])
        return _run(server, listener)

    _announce(settings, listening(listeners[0]))
    _calm_the_collector()
    return WorkerProcesses(settings.workers, listeners, work).work()


def _configure_logging(settings: Settings) -> None:
    """All lines, uvicorn's too, have one form. The banner is said at any level."""
    configure_logging(settings.log_level, settings.log_format)
    _banner.setLevel(logging.INFO)
    logging.getLogger("uvicorn.error").addFilter(_is_news)


def _announce(settings: Settings, lines: str) -> None:
    """Print lines of the banner: as they are for people, and as lines of the log for machines."""
    if settings.log_format == "text":
        sys.stderr.write(lines)
        return
    for line in lines.splitlines():
        _banner.info("%s", line)


def _is_news(record: logging.LogRecord) -> bool:
    """Not the traceback of a stream that is cut since it outlived `drain_s`."""
    return record.exc_info is None or not isinstance(record.exc_info[1], asyncio.CancelledError)


class _Server(uvicorn.Server):
    """Ends at once when it is interrupted twice; from Python 3.12 on, uvicorn may wait for its streams even then.

    `greet` is told what the upstreams say of themselves, as soon as they have said it.
    """

    def __init__(self, config: uvicorn.Config, service: Service, greet: Greet) -> None:
        super().__init__(config)
        self._service = service
        self._acceptors: list[Acceptor] = []
        self._greet = greet
        self._looking: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Take connections, and only then look around: no upstream holds that up."""
        await super().startup([])
        batch_max = self._service.limits.accept_batch_max
        self._acceptors = [Acceptor(each, self._connection, batch_max=batch_max) for each in sockets or []]
        # spec: models-at-start
        self._looking = asyncio.ensure_future(self._look_around())

    def _connection(self) -> asyncio.Protocol:
        make: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
        return make(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    async def _look_around(self) -> None:
        self._greet(await self._service.check_connections())

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Unlike uvicorn's, signals have no effect once the server has stopped, and none is raised again."""
        on_stop(self.handle_exit)
        try:
            yield
        finally:
            # spec: stopped-is-stopped
            ignore_stop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop in order; at once, where somebody is in a hurry who has asked for it before."""
        # spec: interrupted-twice
        if self.should_exit and sig == signal.SIGINT:
            with suppress(Exception):  # nothing may be in the way of the end
                _log.warning("interrupted again: the server ends at once, and cuts %s", _counted(self._cut()))
            os._exit(0)
        super().handle_exit(sig, frame)

    def _cut(self) -> dict[str, int]:
        """How many of what would not have its end."""
        cycles = [getattr(connection, "cycle", None) for connection in self.server_state.connections]
        open_cycles = [cycle for cycle in cycles if cycle is not None and not cycle.response_complete]
        begun = sum(cycle.response_started for cycle in open_cycles)
        sockets = sum(not hasattr(connection, "cycle") for connection in self.server_state.connections)
        return {"request": len(open_cycles) - begun, "stream": begun, "WebSocket connection": sockets}

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """uvicorn tells an app nothing of a signal until all its streams have ended, so the server does."""
        if self._looking is not None:
            self._looking.cancel()
        # spec: drained-in-order
        self._service.drain(float(self.config.timeout_graceful_shutdown or 0))
        for acceptor in self._acceptors:
            await acceptor.close()
        await super().shutdown([])


def _server(
    settings: Settings,
    create_app: CreateApp,
    listener: socket.socket,
    *,
    leader: int | None = None,
    greets: bool = True,
) -> _Server:
    """A server with an app of its own. A worker looks every second whether it still has its leader."""

    def greet(said: Sequence[UpstreamReport]) -> None:
        if greets:
            _announce(settings, greeting(settings, listener, said))

    async def look() -> None:
        if os.getppid() != leader:
            os.kill(os.getpid(), signal.SIGTERM)

    app = create_app(settings)
    config = uvicorn.Config(
        app,
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        http=http_protocol(settings.limits),
        **_websocket(settings),
        workers=1,
        timeout_graceful_shutdown=math.ceil(settings.drain_s),
        timeout_notify=1,
        callback_notify=look if leader else None,
    )
    return _Server(config, app.service, greet)


def _websocket(settings: Settings) -> dict[str, Any]:
    """uvicorn's settings of WebSocket. Deflating each message costs more than it saves, and its sizes tell secrets."""
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


def _calm_the_collector() -> None:
    """Look for cycles seldom, and never in what was imported: requests make hardly any, and thousands of objects.

    Measured: an eighth of a JSON request's CPU, a twelfth of a stream's. What is frozen before a fork stays shared: a
    worker has 8 MB of its own instead of 15.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _counted(counts: Mapping[str, int]) -> str:
    """Such as `1 request and 2 streams`."""
    return " and ".join(f"{n} {what}{'s' * (n != 1)}" for what, n in counts.items() if n) or "nothing"


def _run(server: _Server, listener: socket.socket) -> int:
    """Serve until told to stop. From here on that raises nothing, before uvicorn listens to signals and after."""
    on_stop(server.handle_exit)
    _calm_the_collector()
    server.run([listener])
    return 0
