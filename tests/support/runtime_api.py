"""A Runtime API of AWS Lambda for tests: it hands out events, and notes what comes back, each piece with its time."""

from __future__ import annotations

import queue
import socket
import threading
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import msgspec

Headers = dict[str, str]
PREFIX = "/2018-06-01/runtime"
NUL = bytes(8)


@dataclass
class Posted:
    """What a runtime has posted: a result, an error, or a stream with its pieces."""

    path: str
    headers: Headers
    pieces: list[bytes] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    trailers: Headers = field(default_factory=dict)
    is_whole: bool = False

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def prelude(self) -> Any:
        return msgspec.json.decode(self.body.partition(NUL)[0])

    @property
    def streamed(self) -> bytes:
        return self.body.partition(NUL)[2]

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def trailing_error(self) -> Any:
        return msgspec.json.decode(b64decode(self.trailers["lambda-runtime-function-error-body"]))


class RuntimeApiServer:
    """Answers one thread for each connection. `deadline_s` is how long each event may take."""

    def __init__(self, deadline_s: float = 60.0) -> None:
        self.deadline_s = deadline_s
        self.deadline_header: str | None = None
        """What stands in place of the deadline."""
        self.statuses: dict[str, int] = {}
        """Statuses by the beginning of a path, without the prefix, in place of success. 0 cuts the connection."""
        self.posted: queue.Queue[Posted] = queue.Queue()
        self._events: queue.Queue[tuple[str, bytes] | None] = queue.Queue()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        self.waiting = 0
        """How many polls wait for an event."""
        self.restores = 0
        """How often a runtime has asked whether it was restored."""

    def send(self, event: Any, request_id: str = "id-1") -> None:
        """Hand out an event, as an object or as bytes."""
        self._events.put((request_id, event if isinstance(event, bytes) else msgspec.json.encode(event)))

    def answer(self, event: Any, request_id: str = "id-1") -> Posted:
        """What the runtime posts for an event."""
        self.send(event, request_id)
        return self.next()

    def next(self) -> Posted:
        """What the runtime posts next, complete."""
        return self.posted.get(timeout=30)

    @contextmanager
    def running(self) -> Iterator[RuntimeApiServer]:
        threading.Thread(target=self._accept, daemon=True).start()
        try:
            yield self
        finally:
            self._listener.close()
            for _ in range(100):
                self._events.put(None)
            for connection in self._open:
                connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as file:
                while line := file.readline():
                    method, path, _ = line.decode().split(" ")
                    reply = self._reply_to(method, path.removeprefix(PREFIX), read_headers(file), file)
                    if reply is None:
                        return
                    connection.sendall(reply)
        except (OSError, ValueError):
            return

    def _reply_to(self, method: str, path: str, headers: Headers, file: BinaryIO) -> bytes | None:
        """None cuts the connection."""
        if method == "POST":
            self._take(Posted(path, headers), file)
        status = next((status for start, status in self.statuses.items() if path.startswith(start)), None)
        if status is not None:
            return ok(b'{"errorMessage":"planted"}', status) if status else None
        if method == "POST":
            return ok(b'{"status":"OK"}', 202)
        return self._next_event() if path == "/invocation/next" else self._restored()

    def _restored(self) -> bytes:
        self.restores += 1
        return ok(b"")

    def _next_event(self) -> bytes | None:
        self.waiting += 1
        got = self._events.get()
        self.waiting -= 1
        if got is None:
            return None
        request_id, event = got
        deadline_ms = round((time.time() + self.deadline_s) * 1000)
        head = {
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": self.deadline_header or str(deadline_ms),
        }
        if len(event) % 2:  # both forms of a body that Go's server has
            lines = [f"{name}: {value}" for name, value in (head | {"Transfer-Encoding": "chunked"}).items()]
            chunks = b"".join(b"%x\r\n%b\r\n" % (len(half), half) for half in (event[:7], event[7:]) if half)
            return b"HTTP/1.1 200 OK\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n" + chunks + b"0\r\n\r\n"
        return ok(event, 200, head)

    def _take(self, posted: Posted, file: BinaryIO) -> None:
        """Read a body; it is noted though it is cut."""
        try:
            if posted.headers.get("transfer-encoding") == "chunked":
                while size := int(file.readline(), 16):
                    posted.times.append(time.monotonic())
                    posted.pieces.append(file.read(size))
                    file.readline()
                posted.trailers = read_headers(file)
            else:
                posted.pieces.append(file.read(int(posted.headers["content-length"])))
            posted.is_whole = True
        finally:
            self.posted.put(posted)


def read_headers(file: BinaryIO) -> Headers:
    headers: Headers = {}
    while line := file.readline().rstrip(b"\r\n"):
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    return headers


def ok(body: bytes, status: int = 200, headers: Headers | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status} OK", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
