"""A small HTTP proxy on a loopback port: it tunnels and forwards, and remembers what it was asked.

Knows CONNECT and absolute URLs. `refuse` answers everything with that status instead. `hosts` has addresses of names.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from urllib.parse import urlsplit

TIMEOUT_S = 10.0
READ_BYTES = 64 * 1024
_ABSOLUTE = re.compile(rb"([A-Z]+ )http://[^/ ]+(?=/)")
"""How a request to a proxy begins."""


class Proxy:
    def __init__(self, refuse: int | None = None, hosts: Mapping[str, str] | None = None) -> None:
        self.refuse = refuse
        self.hosts = hosts or {}
        self.asked: list[str] = []
        """The first lines."""
        self.credentials: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> Proxy:
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                client.settimeout(TIMEOUT_S)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            head, rest = self._head(client)
            first, *lines = head.split("\r\n")
            self.asked.append(first)
            for name, _, value in (line.partition(": ") for line in lines):
                if name.lower() == "proxy-authorization":
                    self.credentials.append(value)
            if self.refuse is not None:
                client.sendall(f"HTTP/1.1 {self.refuse} No\r\ncontent-length: 0\r\n\r\n".encode())
                return
            method, target, _ = first.split(" ")
            where = urlsplit(target if "://" in target else f"//{target}")
            address = self.hosts.get(where.hostname or "", where.hostname)
            with socket.create_connection((address, where.port), TIMEOUT_S) as server:
                if method == "CONNECT":
                    client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                else:
                    stored = [line for line in lines if not line.lower().startswith("proxy-")]
                    server.sendall("\r\n".join([f"{method} {where.path} HTTP/1.1", *stored, "", ""]).encode() + rest)
                back = threading.Thread(target=_pump, args=(server, client), daemon=True)
                back.start()
                _pump(client, server, self._next if method != "CONNECT" else None)
                back.join(TIMEOUT_S)

    def _next(self, piece: bytes) -> bytes:
        """A piece of the client's; the next request of its connection, which it begins, in the form of an origin."""
        begun = _ABSOLUTE.match(piece)
        if begun is None:
            return piece
        self.asked.append(piece.partition(b"\r\n")[0].decode())
        return begun[1] + piece[begun.end() :]

    def _head(self, client: socket.socket) -> tuple[str, bytes]:
        received = b""
        while b"\r\n\r\n" not in received:
            piece = client.recv(READ_BYTES)
            if not piece:
                raise ConnectionError
            received += piece
        head, _, rest = received.partition(b"\r\n\r\n")
        return head.decode(), rest


def _pump(source: socket.socket, sink: socket.socket, change: Callable[[bytes], bytes] | None = None) -> None:
    with suppress(OSError):
        while piece := source.recv(READ_BYTES):
            sink.sendall(change(piece) if change else piece)
        sink.shutdown(socket.SHUT_WR)
