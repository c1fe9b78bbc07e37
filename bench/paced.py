"""Paced streams of the synthetic model: how well one core holds the times of thousands of them.

Run by hand: `python -m bench.paced [--loads 2500x20,5000x50] [--tokens 500] [--chat]`. A load is a number of streams
and the milliseconds from token to token. Its streams begin within one interval for each hundred of them. The client
reads with epoll and parses nothing. The baseline `bare-paced` only writes. Of the time in which all streams run: the
tokens that came, in per cent of those that were due, the gaps between two reads of a stream, the CPU of the server's
core and of the client's, which bounds the rate near 100 %; and of each whole stream, how far its mean gap is from the
one that was asked for, of which the worst is shown.
"""

import argparse
import contextlib
import math
import os
import select
import socket
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import orjson

from bench.figures import percentiles
from bench.load import target_of
from bench.processes import Child, cores, free_port, running
from bench.servers import SERVERS, Server, Words, checkout_of, with_checkouts

END = b"0\r\n\r\n"
BUFFER = bytearray(2**16)
"""What is read goes here: memory for each read would cost as much as the read."""
GRACE_S = 20.0
STREAMS_PER_INTERVAL = 100
MEASURED = ("bare-paced", "penstock-synthetic")
HEADINGS = (
    "| server | streams | interval ms | rate % | gap p50 ms | p99 ms | max ms | worst mean % | CPU % | CPU us a write "
    "| client CPU % | cut |"
)


@dataclass(frozen=True, slots=True)
class Api:
    """What is asked where, and the bytes by which a token is known."""

    path: str
    ask: Mapping[str, object]
    delta: bytes


RESPONSES = Api("/v1/responses", {"input": "Count.", "store": False}, b"event: response.output_text.delta")
CHAT = Api("/v1/chat/completions", {"messages": [{"role": "user", "content": "Count."}]}, b'"delta":{"content":')


@dataclass(frozen=True, slots=True)
class Load:
    """How many streams, and the time from token to token."""

    streams: int
    interval_ms: int
    tokens: int
    api: Api

    @property
    def interval_s(self) -> float:
        """The same in seconds."""
        return self.interval_ms / 1000

    def body(self) -> bytes:
        """Return the request of a stream."""
        model = f"synthetic?tokens={self.tokens}&itl_ms={self.interval_ms}"
        return orjson.dumps({**self.api.ask, "model": model, "stream": True})


@dataclass(slots=True)
class Stream:
    """One stream: when something came, and how many tokens that were."""

    connection: socket.socket
    delta: bytes
    times_s: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    is_whole: bool = False

    def read(self) -> bool:
        """Read what is there. Return whether more may come."""
        size = self.connection.recv_into(BUFFER)
        count = BUFFER.count(self.delta, 0, size)
        if count:
            self.times_s.append(time.perf_counter())
            self.counts.append(count)
        self.is_whole = BUFFER.endswith(END, 0, size)
        return bool(size) and not self.is_whole

    def mean_gap_s(self) -> float:
        """Return the mean time between two tokens; not a number where all came together."""
        gaps = sum(self.counts[1:])
        return (self.times_s[-1] - self.times_s[0]) / gaps if gaps else math.nan


class Client:
    """All streams of one load, and the time in which all of them ran."""

    def __init__(self, child: Child, load: Load) -> None:
        """Connect; `run` sends the requests."""
        self._child, self._load = child, load
        self._request = target_of(f"http://127.0.0.1:{child.port}{load.api.path}", load.body(), None).request
        self._poll = select.epoll()
        self.streams: dict[int, Stream] = {}
        self.began_s = self.ended_s = self.cpu_s = self.own_cpu_s = 0.0
        """When all streams had a token, when the first one ended, and the CPU seconds of both sides between."""
        self._left = load.streams

    def run(self) -> None:
        """Begin all streams, and read them to their ends."""
        for _ in range(self._load.streams):
            connection = socket.create_connection(("127.0.0.1", self._child.port))
            self.streams[connection.fileno()] = Stream(connection, self._load.api.delta)
        self._begin()
        self._await_tokens()
        self.began_s, self.cpu_s, self.own_cpu_s = time.perf_counter(), -self._child.cpu_s(), -time.process_time()
        deadline_s = self.began_s + self._load.tokens * self._load.interval_s + GRACE_S
        while self._left and time.perf_counter() < deadline_s:
            self._read(1.0)
            if self._left < self._load.streams and not self.ended_s:
                self.ended_s = time.perf_counter()
                self.cpu_s += self._child.cpu_s()
                self.own_cpu_s += time.process_time()
        for stream in self.streams.values():
            stream.connection.close()

    def _begin(self) -> None:
        """Send the requests one after the other, and read meanwhile."""
        step_s = self._load.interval_s / STREAMS_PER_INTERVAL
        due_s = time.perf_counter()
        for number, stream in self.streams.items():
            stream.connection.sendall(self._request)
            self._poll.register(number, select.EPOLLIN)
            due_s += step_s
            while (wait_s := due_s - time.perf_counter()) > 0:
                self._read(wait_s)

    def _await_tokens(self) -> None:
        """Read until each stream has its first token: a busy server may have begun some of them later than others."""
        deadline_s = time.perf_counter() + GRACE_S
        while time.perf_counter() < deadline_s and not all(stream.times_s for stream in self.streams.values()):
            self._read(1.0)

    def _read(self, wait_s: float) -> None:
        """Read all streams of which something came."""
        for number, _ in self._poll.poll(wait_s):
            if not self.streams[number].read():
                self._poll.unregister(number)
                self._left -= 1


def line_of(server: Server, load: Load, client: Client) -> str:
    """Return the line of the table."""
    gaps: list[float] = []
    tokens = writes = 0
    for stream in client.streams.values():
        times = [time_s for time_s in stream.times_s if client.began_s <= time_s < client.ended_s]
        writes += len(times)
        gaps += [later - time_s for time_s, later in pairwise(times)]
        came = zip(stream.times_s, stream.counts, strict=True)
        tokens += sum(count for time_s, count in came if client.began_s <= time_s < client.ended_s)
    span_s = client.ended_s - client.began_s
    rate = tokens * load.interval_s / (span_s * load.streams)
    found = percentiles(gaps)
    assert found is not None
    means = [stream.mean_gap_s() / load.interval_s - 1 for stream in client.streams.values() if stream.is_whole]
    worst = max(map(abs, means), default=float("nan"))
    cut = sum(not stream.is_whole for stream in client.streams.values())
    cells = f"{rate * 100:.2f} | {found.p50_ms:.1f} | {found.p99_ms:.1f} | {found.max_ms:.0f} | {worst * 100:.2f}"
    spent = (
        f"{client.cpu_s / span_s * 100:.0f} | {client.cpu_s / writes * 1e6:.1f} | {client.own_cpu_s / span_s * 100:.0f}"
    )
    return f"| {server.name} | {load.streams} | {load.interval_ms} | {cells} | {spent} | {cut} |"


def measure(server: Server, load: Load, core: int | None) -> str:
    """Start the server, load it, and return its line of the table."""
    port = free_port()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        words = Words(port, port, folder)  # it has no upstream
        child = stack.enter_context(running(server.argv(words), port, core, server.variables(words)))
        client = Client(child, load)
        client.run()
    return line_of(server, load, client)


def _load(text: str, tokens: int, api: Api) -> Load:
    streams, interval_ms = map(int, text.split("x"))
    return Load(streams, interval_ms, tokens, api)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loads", default="2500x20,5000x50")
    parser.add_argument("--tokens", type=int, default=500)
    parser.add_argument("--chat", action="store_true", help="ask for chat completions; the baseline has none")
    parser.add_argument("--checkout", action="append", default=[], metavar="NAME=PATH")
    options = parser.parse_args(argv)
    names = MEASURED[1:] if options.chat else MEASURED
    measured = [server for server in SERVERS if server.name in names]
    servers = list(with_checkouts(measured, map(checkout_of, options.checkout)))
    api = CHAT if options.chat else RESPONSES
    loads = [_load(text, options.tokens, api) for text in options.loads.split(",")]
    print(f"{HEADINGS}\n| --- |{' ---: |' * (HEADINGS.count('|') - 2)}")
    servers_core, own_core = cores()
    if own_core is not None:
        os.sched_setaffinity(0, {own_core})
    for load in loads:
        for server in servers:
            print(measure(server, load, servers_core), flush=True)


if __name__ == "__main__":
    main()
