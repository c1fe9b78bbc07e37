"""Accepting: takes waiting connections from a listening socket in batches, also while the event loop is busy.

It knows sockets and the event loop. What serves a connection is an argument.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import ssl
from collections.abc import Callable
from typing import Any

from penstock.limits import Limits
from penstock.telemetry import OutageLog

from .certificates import ServerCertificate

_log = logging.getLogger(__name__)

_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""Errors of a system without a free file descriptor, or without memory, for one more connection."""
_PAUSE_S = 1.0
"""How many seconds to wait then before the next attempt."""
_SILENCE_MAX_S = 32_767.0
"""The longest that Linux takes (tcp(7), `TCP_KEEPIDLE`)."""
_MS_PER_S = 1_000


class Acceptor:
    """Accepts the connections of a listening socket until it is closed. Create it within the running event loop.

    uvloop's own server takes one connection in a turn of the loop. A turn with a thousand busy streams takes tens of
    milliseconds, so that hundreds of clients that come together would wait for seconds.
    """

    def __init__(
        self,
        listener: socket.socket,
        make_protocol: Callable[[], asyncio.Protocol],
        limits: Limits,
        certificate: ServerCertificate | None = None,
    ) -> None:
        self._listener = listener
        self._make_protocol = make_protocol
        self._limits = limits
        self._certificate = certificate
        self._loop = asyncio.get_running_loop()
        self._beginning: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._outage = OutageLog(_log, "Accepting connections")
        listener.setblocking(False)
        _bound_silence(listener, limits.reply_stall_s)
        self._listen()

    async def close(self) -> None:
        """Stop accepting, and close the socket. Connections that were accepted have their protocol afterwards.

        The client of an unfinished TLS handshake has sent no request yet, so its connection is closed.
        """
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._listener)
        self._listener.close()
        if self._certificate is not None:
            for task in self._beginning:
                task.cancel()
        await asyncio.gather(*self._beginning, return_exceptions=True)

    def _listen(self) -> None:
        self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        """Accept waiting connections, up to the bound, so that open connections are served in between."""
        # spec: accepted-in-batches
        for _ in range(self._limits.accept_batch_max):
            try:
                client, _address = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                # spec: no-room-for-connections
                if error.errno in _NO_ROOM:
                    self._wait(error)
                    return
                continue  # the client has disconnected already
            self._outage.succeeded()
            self._begin(client)

    def _begin(self, client: socket.socket) -> None:
        # spec: tls-handshakes
        if self._certificate is not None and len(self._beginning) >= self._limits.connections_max:
            client.close()
            return
        task = self._loop.create_task(self._connect(client))
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)

    async def _connect(self, client: socket.socket) -> None:
        client.setblocking(False)
        try:
            await self._loop.connect_accepted_socket(self._make_protocol, client, **self._tls())
        except OSError as error:  # the client has disconnected, or does not use TLS
            # spec: tls-handshakes
            if isinstance(error, ssl.SSLError):
                _log.info("a client's TLS handshake failed: %s", error.reason or "no reason was given")
            client.close()

    def _tls(self) -> dict[str, Any]:
        """The arguments for a connection by TLS. The times of its handshake and of its orderly end are bounded."""
        if self._certificate is None:
            return {}
        return {
            "ssl": self._certificate.context,
            "ssl_handshake_timeout": self._limits.tls_handshake_s,
            "ssl_shutdown_timeout": self._limits.reply_stall_s,  # a slow client still reads its reply then
        }

    def _wait(self, error: OSError) -> None:
        """Pause: the socket would be ready in every turn, and no connection could be accepted."""
        problem = os.strerror(error.errno or 0).lower()
        self._outage.failed(f"{problem}; it is tried again every {_PAUSE_S:g} s")
        self._loop.remove_reader(self._listener)
        self._pause = self._loop.call_later(_PAUSE_S, self._listen)


def _bound_silence(listener: socket.socket, silence_s: float) -> None:
    """Let the system end a connection whose client has vanished: that acknowledges nothing for so long.

    Accepted sockets have the options of the listening one. Without them such a client is there for a quarter of an
    hour while the server writes, and for ever while it does not.
    """
    if listener.family == socket.AF_UNIX:
        return
    # spec: vanished-clients
    silence_s = min(max(silence_s, 1.0), _SILENCE_MAX_S)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", silence_s), ("TCP_USER_TIMEOUT", silence_s * _MS_PER_S)):
        if hasattr(socket, name):  # not every system has both
            listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), int(value))
