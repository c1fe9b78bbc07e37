"""Penstock beside servers of others, through the same upstream, in one run: `make compare`.

Run `python -m bench.compare [--peers litellm,agentic-api] [--url NAME=URL] [--write [NAME]]`. It installs peers that
are not installed (`peers.py`), starts all, and plays the rounds of each question one server after another. The load
comes from the raw client, `load.py`: locust would be the bottleneck.
"""

import argparse
import contextlib
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from http.client import HTTPException

from bench.__main__ import CONNECTIONS_MAX, ROUNDS_MAX, SECONDS_MAX, end_cleanly, progress
from bench.comparison_table import COSTS, ITSELF, Started, summary
from bench.footprint import ask
from bench.machine import machine, public, today, versions
from bench.peers import PEERS, Peer
from bench.processes import Child
from bench.report import markdown
from bench.result_data import Result, Row, Section
from bench.rounds import Contender, Effort, begin, play, section, start_upstream
from bench.scenarios import SCENARIOS, Scenario
from bench.servers import SERVERS, Server, server_at

ALL = {scenario.name: scenario for scenario in SCENARIOS}
BUSY = 32
QUESTIONS = (
    *(ALL[name] for name in COSTS),
    ALL["one-json"],
    replace(ALL["one-json"], name="json-32", title="the same, 32 clients", connections=BUSY),
    ALL["one-stream"],
    replace(ALL["one-stream"], name="stream-32", title="the same, 32 clients", connections=BUSY),
)
OURS = ("penstock", "penstock-relay")
METHOD = (
    "Servers side by side, through the same fake upstream, interleaved rounds, medians; the load is that of the raw "
    "client (bench/load.py), which checks every reply. The server under test had one core alone (where there are two). "
    "'Added' is what a server adds to the upstream's own latency; at c=32 in a closed loop that is mostly the inverse "
    "of its rate. `penstock` and `litellm` translate Chat Completions, `penstock-relay`, `litellm-relay` and "
    "`agentic-api` pass on Responses. The start is that from the process to the end of its first reply."
)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the command line's choices."""
    known_peers = ",".join(peer.server.name for peer in PEERS)
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description="Compare with servers of others.")
    parser.add_argument("--peers", default=known_peers, help=f"which, separated by commas (default: {known_peers})")
    parser.add_argument("--url", action="append", default=[], metavar="NAME=URL", help="one that runs already")
    parser.add_argument("--upstream-port", type=int, help="where the upstream listens, for servers with a --url")
    asked = ",".join(question.name for question in QUESTIONS)
    parser.add_argument("--questions", default=asked, help=f"which, separated by commas (default: {asked})")
    parser.add_argument("--seconds", type=float, default=3.0, help="per round")
    parser.add_argument("--rounds", type=int, default=3, help="per server and question")
    parser.add_argument("--connections", type=int, default=16, help="of the questions about CPU")
    parser.add_argument("--starts", type=int, default=2, help="of each server")
    parser.add_argument("--write", nargs="?", const="compare", metavar="NAME", help="store it as <date>-NAME.json")
    choices = parser.parse_args(argv)
    for option, names, known in (
        ("--peers", choices.peers, known_peers),
        ("--questions", choices.questions, asked),
    ):
        if unknown := set(filter(None, names.split(","))) - set(known.split(",")):
            parser.error(f"{option}: unknown: {', '.join(sorted(unknown))}")
    return choices


def started(stack: contextlib.ExitStack, server: Server, upstream: Child, starts: int) -> Started:
    """Start a server so many times, and let the last run; note how long that takes and how much memory it has then.

    It is asked once each time: one that does not answer is not loaded.
    """
    found = Started(Contender(server, None))
    for number in range(1, starts + 1):
        progress(f"{server.name}: start {number} of {starts}")
        with contextlib.ExitStack() as once:
            began_s = time.perf_counter()
            found.contender = begin(once, server, upstream)
            if not found.contender.child:
                return found
            try:
                ask(found.contender.child.port, server)
            except (OSError, HTTPException, SystemExit) as error:
                return Started(Contender(server, None, f"no good reply: {error}"))
            if server.running_at is None:
                found.starts_s.append(time.perf_counter() - began_s)
            found.idle_mb = found.contender.child.rss_mb()
            if number == starts:
                stack.push(once.pop_all())
    return found


def section_of(scenario: Scenario, contenders: Sequence[Contender], upstream: Child, effort: Effort) -> Section:
    """Play one question with all that run."""
    return section(scenario, play(scenario, contenders, upstream, effort, progress), OURS[0])


def chosen(names: Sequence[str]) -> tuple[list[Peer], list[Row]]:
    """Return the peers that are installed now, and for each of the others the reason."""
    present, absent = [], []
    for peer in PEERS:
        if peer.server.name in names:
            fault = peer.absent_because(progress)
            if fault:
                absent.append(Row(peer.server.name, fault=public(fault)))
            else:
                present.append(peer)
    return present, absent


def main(argv: Sequence[str]) -> int:
    """Install, start, measure, print; return 1 where Penstock lacks a figure, not where a peer does."""
    end_cleanly()
    choices = parse(argv)
    effort = Effort(
        min(choices.seconds, SECONDS_MAX), min(choices.rounds, ROUNDS_MAX), min(choices.connections, CONNECTIONS_MAX)
    )
    peers, absent = chosen(choices.peers.split(","))
    ours = [server for server in SERVERS if server.name in (ITSELF, *OURS)]
    servers = [*ours, *(peer.server for peer in peers), *map(server_at, choices.url)]
    with contextlib.ExitStack() as stack:
        upstream = start_upstream(stack, choices.upstream_port)
        running = [started(stack, server, upstream, max(1, choices.starts)) for server in servers]
        contenders = [one.contender for one in running]
        sections = [
            section_of(question, contenders, upstream, effort)
            for question in QUESTIONS
            if question.name in choices.questions.split(",")
        ]
        total = summary(sections, running, OURS[0])
    total.rows += absent
    result = Result(
        name="-".join(filter(None, [today(), choices.write])),
        machine=machine(),
        versions=", ".join([versions(), *(peer.version_text() for peer in peers)]),
        command=public(shlex.join(["python", "-m", "bench.compare", *argv])),
        method=METHOD,
        sections=[total, *sections],
    )
    print(markdown(result))
    if choices.write:
        from bench.pages import publish  # and matplotlib, which takes a second

        progress(f"written: {publish(result)}")
    return 1 if any(row.fault or row.absent for row in total.rows if row.server in OURS) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
