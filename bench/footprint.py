"""What a server costs before and beside its work: the time from its start to its first reply, and its memory.

Run by hand: `python -m bench.footprint [--starts 5] [--requests 50000] [--checkout NAME=PATH]`. Starts alternate
between servers, figures are medians. The memory is the resident size after the first reply, and after so many JSON
replies to 16 connections.
"""

import argparse
import contextlib
import http.client
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from bench.figures import LoadResult
from bench.load import SECONDS_MAX
from bench.processes import ROOT, Child, cores, prepare
from bench.rounds import load_command, start, start_upstream
from bench.scenarios import SCENARIOS
from bench.servers import SERVERS, Server, checkout_of, with_checkouts

JSON = next(scenario for scenario in SCENARIOS if scenario.name == "json")
CONNECTIONS = 16
HEADINGS = "| server | start to first reply s | RSS idle MB | RSS after requests MB | requests |"


@dataclass(slots=True)
class Footprint:
    """The figures of one server."""

    server: Server
    starts_s: list[float] = field(default_factory=list)
    idle_mb: list[float] = field(default_factory=list)
    requests: int = 0
    loaded_mb: float = 0.0


def ask(port: int, server: Server) -> None:
    """Send one request and read its reply."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", server.path, JSON.body(server), {"content-type": "application/json"})
    reply = connection.getresponse()
    body = reply.read()
    connection.close()
    if reply.status != 200:
        raise SystemExit(f"{server.name}: status {reply.status}: {body[:200]!r}")


def load(footprint: Footprint, child: Child, requests: int) -> None:
    """Send so many requests, or as many as two minutes allow, and note the memory."""
    command = load_command(footprint.server, child.port, JSON, SECONDS_MAX, CONNECTIONS)
    command += ["--requests", str(requests)]
    finished = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, preexec_fn=prepare(cores()[1]))
    footprint.requests = msgspec.json.decode(finished.stdout, type=LoadResult).replies
    footprint.loaded_mb = child.rss_mb()


def begin(footprint: Footprint, upstream: Child, requests: int) -> None:
    """Start the server, ask it once, load it where `requests` is not 0, and end it."""
    with contextlib.ExitStack() as stack:
        began_s = time.perf_counter()
        child = start(stack, footprint.server, upstream)
        ask(child.port, footprint.server)
        footprint.starts_s.append(time.perf_counter() - began_s)
        footprint.idle_mb.append(child.rss_mb())
        if requests:
            load(footprint, child, requests)


def row(footprint: Footprint) -> str:
    """Return the figures as a line of the table."""
    start_s, idle_mb = statistics.median(footprint.starts_s), statistics.median(footprint.idle_mb)
    memory = f"{idle_mb:.0f} | {footprint.loaded_mb:.0f} | {footprint.requests:,}"
    return f"| {footprint.server.name} | {start_s:.2f} | {memory} |"


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--requests", type=int, default=50_000)
    parser.add_argument("--checkout", action="append", default=[], metavar="NAME=PATH")
    options = parser.parse_args(argv)
    penstock = [server for server in SERVERS if server.name == "penstock"]
    footprints = [Footprint(each) for each in with_checkouts(penstock, map(checkout_of, options.checkout))]
    with contextlib.ExitStack() as stack:
        upstream = start_upstream(stack)
        for number in range(1, options.starts + 1):
            for footprint in footprints:
                begin(footprint, upstream, options.requests if number == options.starts else 0)
    print(f"{HEADINGS}\n| --- | ---: | ---: | ---: | ---: |")
    print("\n".join(map(row, footprints)))


if __name__ == "__main__":
    main()
