"""An HTTP/1.1 client over a bare socket: for what no polite client sends, and for seeing single writes.

Knows no Responses API. Every wait has a bound.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 30.0


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    writes: list[bytes]
    """The body as the server wrote it: one entry per chunk of the transfer coding."""

    @property
    def body(self) -> bytes:
        return b"".join(self.writes)

    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """One connection, one request after the other."""

    def __init__(self, url: str, receive_bytes: int | None = None) -> None:
        where = urlsplit(url)
        self.prefix = where.path
        self.host = where.netloc
        self.socket = socket.socket()
        if receive_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(TIMEOUT_S)
        self.socket.connect((where.hostname, where.port))
        self.file = self.socket.makefile("rb")

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.socket.close()

    def send(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        """`path` is below the URL's own; a header given as an empty string is left out."""
        lines = [f"{method} {self.prefix}{path} HTTP/1.1"]
        given = {"host": self.host, "content-length": str(len(body))} | dict(headers or {})
        lines += [f"{name}: {value}" for name, value in given.items() if value]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode() + body)

    def post(self, body: Any, path: str = "/responses", **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.send("POST", path, json.dumps(body).encode(), {"content-type": "application/json"} | named)

    def head(self) -> tuple[int, dict[str, str]]:
        status = int(self._line().split()[1])
        headers: dict[str, str] = {}
        while line := self._line().decode().rstrip("\r\n"):
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return status, headers

    def writes(self, headers: Mapping[str, str]) -> Iterator[bytes]:
        """The body, chunk by chunk as it comes; raises if it ends before its end."""
        if headers.get("transfer-encoding") == "chunked":
            while size := int(self._line(), 16):
                yield self._exactly(size)
                self._exactly(2)
            self._exactly(2)
        elif length := int(headers.get("content-length", 0)):
            yield self._exactly(length)

    def answer(self) -> Answer:
        status, headers = self.head()
        return Answer(status, headers, list(self.writes(headers)))

    def reset(self) -> None:
        """Leaves as a killed client does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.__exit__()

    def _line(self) -> bytes:
        line = self.file.readline()
        if not line.endswith(b"\n"):
            raise ConnectionError("the body ends before its end")
        return line

    def _exactly(self, size: int) -> bytes:
        data = self.file.read(size)
        if len(data) < size:
            raise ConnectionError(f"the body ends {size - len(data)} bytes too early")
        return data


def ask(url: str, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
    with Connection(url) as connection:
        connection.send(method, path, body, headers)
        return connection.answer()


def post(url: str, body: Any, path: str = "/responses", **headers: str) -> Answer:
    with Connection(url) as connection:
        connection.post(body, path, **headers)
        return connection.answer()
