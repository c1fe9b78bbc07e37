"""Counts the event loop's callbacks of a request and of a delta, in a real server between a client and an upstream.

Both are here, in one thread, on blocking sockets: the upstream writes when the client has read what came before and the
server waits, so that each delta comes alone whatever else the machine does. `counting.py` is the server.
"""

import contextlib
import selectors
import socket
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from bench.guard.counting import COUNT_BYTES, Count
from bench.guard.counts import DELTA
from bench.guard.inprocess import Case
from bench.processes import Child, free_port, running
from bench.servers import SERVERS, Words
from bench.upstream import ASK, MODELS, Ask, json_reply, stream_writes

COUNTING = (sys.executable, "-m", "bench.guard.counting")
TIMES = 60
TIMEOUT_S = 20.0
POLL_S = 0.0005
FEW, MANY = 5, 45
"""Deltas of two streams: few enough that a stream is over before the next tick of the server's own timer."""
READ_BYTES = 65_536
HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length: "
LAST_CHUNK = b"0\r\n\r\n"


class Upstream:
    """A listening upstream that answers when the guard lets it; whatever is not a POST gets a list of models."""

    def __init__(self) -> None:
        """Listen on a free loopback port."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._received: dict[socket.socket, bytes] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)

    def next_post(self) -> tuple[socket.socket, Ask]:
        """Wait for a request; return its connection, and what it asks for."""
        while ready := self._selector.select(TIMEOUT_S):
            for key, _ in ready:
                connection = key.fileobj
                if connection is self._listener:
                    self._accept()
                elif isinstance(connection, socket.socket) and (request := self._read(connection)):
                    return connection, ASK.decode(request.partition(HEAD_END)[2])
        raise SystemExit(f"the server asked its upstream nothing within {TIMEOUT_S:.0f} s")

    def close(self) -> None:
        """Close every connection."""
        for each in (*self._received, self._listener):
            each.close()
        self._selector.close()

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(TIMEOUT_S)
        self._received[connection] = b""
        self._selector.register(connection, selectors.EVENT_READ)

    def _read(self, connection: socket.socket) -> bytes:
        """Read; return a POST that is whole now, or nothing."""
        data = connection.recv(READ_BYTES)
        if not data:
            self._selector.unregister(connection)
            del self._received[connection]
            connection.close()
            return b""
        request = self._received[connection] = self._received[connection] + data
        if not is_whole(request):
            return b""
        self._received[connection] = b""
        if request.startswith(b"POST "):
            return request
        connection.sendall(MODELS)
        return b""


def is_whole(message: bytes) -> bool:
    """Return whether a request or a reply is there to its end: by its length, or by its last chunk."""
    head, end, body = message.partition(HEAD_END)
    _, named, length = head.lower().partition(LENGTH)
    if named:
        return bool(end) and len(body) >= int(length.split(b"\r\n")[0])
    return message.endswith(LAST_CHUNK) if b"chunked" in head.lower() else bool(end)


class Conversation:
    """A client and an upstream in turn, and the server between them, whose callbacks are counted."""

    def __init__(self, case: Case, upstream: Upstream, server: Child, count: Count) -> None:
        """Connect to the server."""
        self._case, self._language = case, case.language
        self._upstream, self._server, self._count, self._reply = upstream, server, count, b""
        self._client = socket.create_connection(("127.0.0.1", server.port), TIMEOUT_S)
        head = f"POST /v1/responses HTTP/1.1\r\nhost: 127.0.0.1:{server.port}\r\ncontent-length: {len(case.body)}\r\n"
        self._request = f"{head}content-type: application/json\r\n\r\n".encode() + case.body

    def callbacks(self) -> int:
        """Return how many callbacks one request takes: the lower quartile, since a timer in between only adds."""
        with self._client:
            return sorted(self._once() for _ in range(TIMES))[TIMES // 4]

    def _once(self) -> int:
        before = self._when_quiet()
        self._reply = b""
        self._client.sendall(self._request)
        if not self._case.synthetic:
            self._answer()
        while not is_whole(self._reply):
            self._read()
        return self._when_quiet() - before

    def _answer(self) -> None:
        """Answer as the upstream."""
        upstream, ask = self._upstream.next_post()
        if ask.stream:
            self._stream(upstream, stream_writes(self._language, ask))
        else:
            self._send(upstream, json_reply(self._language, ask))

    def _stream(self, upstream: socket.socket, writes: list[bytes]) -> None:
        """Write each delta when the client has read the last one."""
        opening, *deltas, end = writes
        self._send(upstream, opening)
        for number, delta in enumerate(deltas, 1):
            self._send(upstream, delta)
            while self._case.stream and self._reply.count(DELTA) < number:
                self._read()
        self._send(upstream, end)

    def _send(self, upstream: socket.socket, data: bytes) -> None:
        """Send it when the server waits for it: it would else find it there or not, as it happens."""
        self._when_quiet()
        upstream.sendall(data)

    def _read(self) -> None:
        data = self._client.recv(READ_BYTES)
        if not data:
            raise SystemExit(f"the server cut its reply: {self._reply[-200:]!r}")
        self._reply += data

    def _when_quiet(self) -> int:
        """Return the number of callbacks so far, when the server has nothing left to do but to wait."""
        while not self._server.sleeps():
            time.sleep(POLL_S)
        return self._count.number


class Stand:
    """A server whose callbacks are counted, and its upstream."""

    def __init__(self, name: str, stack: contextlib.ExitStack) -> None:
        """Start the server of this name and the upstream; they end with `stack`."""
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        file = folder / "count"
        file.write_bytes(bytes(COUNT_BYTES))
        self._count, port = Count(file), free_port()
        self._upstream = stack.enter_context(contextlib.closing(Upstream()))
        server = next(each for each in SERVERS if each.name == name)
        serve = server.argv(Words(port, self._upstream.port, folder))[1:]
        self._server = stack.enter_context(running([*COUNTING, str(file), *serve], port, None))

    def callbacks(self, case: Case) -> int:
        """Return how many callbacks of the event loop a request of the case takes."""
        return Conversation(case, self._upstream, self._server, self._count).callbacks()

    def callbacks_per_delta(self, case: Case) -> float:
        """Return how many one more delta of a stream takes, when each comes alone."""
        few, many = (self.callbacks(replace(case, deltas=deltas)) for deltas in (FEW, MANY))
        return (many - few) / (MANY - FEW)
