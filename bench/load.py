"""A lean load client: raw HTTP/1.1 over asyncio.Protocol and httptools, closed loop, loopback only.

Each connection sends its next request when the last reply has ended. Bounded in time and in count; what is in
flight at the end is waited for, so that server CPU divided by replies is exact. Prints one JSON object
(`LoadResult`). It measures capacity; for the behaviour of many users see `locustfile.py`.
"""

import argparse
import asyncio
import gc
import ipaddress
import time
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import httptools
import msgspec
import orjson
import uvloop

from bench.figures import LoadResult, Tally, result_of
from bench.verify import fault_of

SECONDS_MAX = 120.0
REQUESTS_MAX = 5_000_000
CONNECTIONS_MAX = 4_096
FAILURES_MAX = 100
GRACE_S = 15.0
FIRST_EVENT = b"data:"
FIRST_DELTA = b"response.output_text.delta"


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send, what to send, and what a good reply is."""

    host: str
    port: int
    request: bytes
    stream: bool
    text_chars: int | None


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much load, at most."""

    seconds: float
    connections: int
    requests_max: int = REQUESTS_MAX


class Run:
    """One run: who may still send, and what came of it."""

    def __init__(self, target: Target, bounds: Bounds) -> None:
        """Prepare; `go` starts the clock."""
        self.target, self.bounds, self.tally = target, bounds, Tally()
        self._loop = asyncio.get_running_loop()
        self._sent = self._open = self._in_flight = 0
        self._stop_at_s = 0.0
        self._done = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def go(self) -> LoadResult:
        """Load until a bound is met, wait for what is in flight, return the figures."""
        started_s, cpu_s = time.perf_counter(), time.process_time()
        self._stop_at_s = started_s + self.bounds.seconds
        for _ in range(self.bounds.connections):
            self.connect()
        try:
            await asyncio.wait_for(self._done.wait(), self.bounds.seconds + GRACE_S)
        except TimeoutError:
            self.tally.fail(f"no reply within {GRACE_S:.0f} s after the end", max(1, self._in_flight))
        return result_of(self.tally, time.perf_counter() - started_s, time.process_time() - cpu_s)

    def connect(self) -> None:
        """Open one connection."""
        self._open += 1
        task = self._loop.create_task(self._connect())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self) -> None:
        try:
            await self._loop.create_connection(lambda: LoadProtocol(self), self.target.host, self.target.port)
        except OSError as error:
            self.tally.fail(f"cannot connect: {error.strerror}")
            self.closed()

    def may_send(self) -> bool:
        """Return whether one more request may start."""
        if self._sent >= self.bounds.requests_max or self.tally.failures >= FAILURES_MAX:
            return False
        return time.perf_counter() < self._stop_at_s

    def sent(self) -> None:
        """Count a request."""
        self._sent += 1
        self._in_flight += 1

    def ended(self) -> None:
        """Count a request's end, good or bad."""
        self._in_flight -= 1

    def closed(self) -> None:
        """Count a closed connection; the last one ends the run."""
        self._open -= 1
        if not self._open:
            self._done.set()


class LoadProtocol(asyncio.Protocol):
    """One connection of the closed loop."""

    def __init__(self, run: Run) -> None:
        """Belong to `run`."""
        self._run, self._target, self._tally = run, run.target, run.tally
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._pieces: list[bytes] = []
        self._busy = False
        self._sent_at_s = 0.0
        self._first_event_s: float | None = None
        self._first_delta_s: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start sending."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by duck type only
        self._send_or_close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count a cut reply; open another connection when the run goes on."""
        if self._busy:
            self._fail("the connection was cut in a reply")
        if self._run.may_send():
            self._run.connect()
        self._run.closed()

    def data_received(self, data: bytes) -> None:
        """Feed the parser."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"not HTTP: {error}")
            self._close()

    # httptools callbacks

    def on_body(self, piece: bytes) -> None:
        """Keep a piece of the body; note when the first event and the first delta came."""
        self._pieces.append(piece)
        if self._first_delta_s is None and self._target.stream:
            self._note_first(piece)

    def on_message_complete(self) -> None:
        """Judge the reply, then send the next request."""
        ended_s = time.perf_counter() - self._sent_at_s
        body = b"".join(self._pieces)
        status = self._parser.get_status_code()
        fault = fault_of(status, body, self._target.stream, self._target.text_chars)
        if fault:
            self._fail(fault)
        else:
            self._succeed(ended_s, body)
        self._send_or_close()

    def _note_first(self, piece: bytes) -> None:
        elapsed_s = time.perf_counter() - self._sent_at_s
        if self._first_event_s is None and FIRST_EVENT in piece:
            self._first_event_s = elapsed_s
        if FIRST_DELTA in piece:
            self._first_delta_s = elapsed_s

    def _succeed(self, ended_s: float, body: bytes) -> None:
        tally, self._busy = self._tally, False
        self._run.ended()
        tally.latencies_s.append(ended_s)
        tally.body_bytes += len(body)
        if self._target.stream:
            tally.events += body.count(b"\n\n")
            tally.first_events_s.append(ended_s if self._first_event_s is None else self._first_event_s)
            tally.first_deltas_s.append(ended_s if self._first_delta_s is None else self._first_delta_s)

    def _fail(self, reason: str) -> None:
        self._tally.fail(reason)
        if self._busy:
            self._busy = False
            self._run.ended()

    def _send_or_close(self) -> None:
        fresh = not self._pieces
        if self._run.may_send() and (fresh or self._parser.should_keep_alive()):
            self._send()
        else:
            self._close()

    def _send(self) -> None:
        self._pieces, self._busy = [], True
        self._first_event_s = self._first_delta_s = None
        self._run.sent()
        self._sent_at_s = time.perf_counter()
        if self._transport:
            self._transport.write(self._target.request)

    def _close(self) -> None:
        if self._transport:
            self._transport.close()


def loopback(url: str) -> tuple[str, int, str]:
    """Return host, port and path of `url`; refuse any address that is not loopback."""
    parts = urlsplit(url)
    host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname or ""
    try:
        allowed = parts.scheme == "http" and ipaddress.ip_address(host).is_loopback
    except ValueError:
        allowed = False
    if not allowed:
        raise SystemExit(f"refused: {url!r} is not http:// on a loopback address")
    return host, parts.port or 80, parts.path or "/"


def target_of(url: str, body: bytes, text_chars: int | None) -> Target:
    """Return the target for POSTing `body` to `url`."""
    host, port, path = loopback(url)
    head = f"POST {path} HTTP/1.1\r\nhost: {host}:{port}\r\ncontent-type: application/json\r\n"
    request = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
    return Target(host, port, request, orjson.loads(body).get("stream") is True, text_chars)


async def load(target: Target, bounds: Bounds) -> LoadResult:
    """Load `target` within `bounds`."""
    return await Run(target, bounds).go()


def main() -> None:
    """Run one load from the command line and print its `LoadResult` as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="http://127.0.0.1:PORT/v1/responses")
    parser.add_argument("--body", default='{"model":"json-200","input":"hi","store":false}')
    parser.add_argument("--text-chars", type=int, help="exact length of a good reply's text")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--requests", type=int, default=REQUESTS_MAX)
    arguments = parser.parse_args()
    seconds, connections = min(arguments.seconds, SECONDS_MAX), min(arguments.connections, CONNECTIONS_MAX)
    target = target_of(arguments.url, arguments.body.encode(), arguments.text_chars)
    gc.freeze()
    bounds = Bounds(seconds, connections, min(arguments.requests, REQUESTS_MAX))
    print(msgspec.json.encode(uvloop.run(load(target, bounds))).decode())


if __name__ == "__main__":
    main()
