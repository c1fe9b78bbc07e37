"""Run the bench: `python -m bench [scenario ...] [--seconds N] [--connections N] [--write]`.

Starts a fake upstream, Penstock and a bare endpoint, loads them in turn, and prints Markdown tables. Whatever
happens, it ends the processes that it started, and no other.
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from bench.report import page, table, write
from bench.rounds import Effort, Outcome, measure
from bench.scenarios import SCENARIOS, Scenario
from bench.servers import SERVERS, Server, checkout_of, server_of, with_checkouts

SECONDS_MAX = 60.0
ROUNDS_MAX = 20
CONNECTIONS_MAX = 1024
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the command line's choices."""
    names = [scenario.name for scenario in SCENARIOS]
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure capacity and CPU per request.")
    parser.add_argument("scenario", nargs="*", help=f"of {', '.join(names)} (default: all)")
    parser.add_argument("--seconds", type=float, default=3.0, help="per round")
    parser.add_argument("--rounds", type=int, default=3, help="per server")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--servers", help="comma-separated names: only these")
    parser.add_argument(
        "--server",
        action="append",
        default=[],
        metavar="NAME=COMMAND",
        help="one more server to compare; {port} and {upstream} in COMMAND are filled in",
    )
    parser.add_argument(
        "--checkout",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="each Penstock once more by the code of another checkout, and how much of that this one costs",
    )
    parser.add_argument("--write", action="store_true", help="write bench/results/<date>.md")
    choices = parser.parse_args(argv)
    if unknown := set(choices.scenario) - set(names):
        parser.error(f"unknown scenario: {', '.join(sorted(unknown))}")
    return choices


def contenders(scenario: Scenario, extra: Sequence[Server], only: set[str] | None) -> list[Server]:
    """Return a scenario's servers in its order, then the command line's, less those that `only` leaves out."""
    known = {server.name: server for server in SERVERS}
    chosen = [known[name] for name in scenario.servers] + list(extra)
    return [server for server in chosen if only is None or server.name in only]


def say(text: str) -> None:
    """Tell a person how far it is."""
    print(text, file=sys.stderr, flush=True)


def run(scenario: Scenario, servers: Sequence[Server], effort: Effort) -> list[Outcome]:
    """Measure the installed servers; the others get no score, and the reason is told."""
    present = [server for server in servers if server.exists()]
    absent = [Outcome(server, fault="not installed") for server in servers if not server.exists()]
    return absent + measure(scenario, present, effort, say)


def _end_cleanly(number: int, _: FrameType | None) -> None:
    # As an exception, so that every `finally` runs and ends its process; a second signal must not stop that.
    for signum in ENDINGS:
        signal.signal(signum, signal.SIG_IGN)
    raise SystemExit(128 + number)


def main(argv: Sequence[str]) -> int:
    """Run the chosen scenarios; return 1 when a server got no score."""
    for signum in ENDINGS:
        signal.signal(signum, _end_cleanly)
    choices = parse(argv)
    effort = Effort(
        min(choices.seconds, SECONDS_MAX),
        min(choices.rounds, ROUNDS_MAX),
        min(choices.connections, CONNECTIONS_MAX),
    )
    extra = [server_of(definition) for definition in choices.server]
    checkouts = [checkout_of(definition) for definition in choices.checkout]
    only = set(choices.servers.split(",")) if choices.servers else None
    sections, faults = [], 0
    for scenario in SCENARIOS:
        if not choices.scenario or scenario.name in choices.scenario:
            servers = with_checkouts(contenders(scenario, extra, only), checkouts)
            outcomes = run(scenario, list(servers), effort)
            faults += sum(bool(outcome.fault) for outcome in outcomes)
            sections.append(table(scenario, outcomes, checkouts))
    text = page(argv, sections)
    print(text)
    if choices.write:
        say(f"written: {write(text)}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
