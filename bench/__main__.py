"""Run the bench: `python -m bench [scenario ...] [--seconds N] [--connections N] [--write [NAME]]`.

Starts a fake upstream, Penstock and a bare endpoint, loads them in turn, and prints Markdown tables. Whatever
happens, it ends the processes that it started, and no other.
"""

import argparse
import shlex
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from bench.machine import machine, public, today, versions
from bench.report import markdown
from bench.result_data import Result, Section
from bench.rounds import Effort, Outcome, measure, section
from bench.scenarios import SCENARIOS, Scenario
from bench.servers import SERVERS, Server, checkout_of, server_of, with_checkouts

SECONDS_MAX = 60.0
ROUNDS_MAX = 20
CONNECTIONS_MAX = 1024
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
METHOD = (
    "Medians of interleaved rounds; ratios are medians of the ratios of rounds that were played one after another. The "
    "server under test had one core alone (where there are two), the load client and the upstream shared another. "
    "`bare` is a Starlette route that returns fixed bytes in one send (`bare-each`: one send per event), `tcp-relay` "
    "writes what it reads: baselines, not rivals. `name@checkout` is the same server by the code of an older tree."
)


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
    parser.add_argument(
        "--write",
        nargs="?",
        const="",
        metavar="NAME",
        help="store the result as bench/results/<date>[-NAME].json, and write its pages and charts",
    )
    choices = parser.parse_args(argv)
    if unknown := set(choices.scenario) - set(names):
        parser.error(f"unknown scenario: {', '.join(sorted(unknown))}")
    return choices


def contenders(scenario: Scenario, extra: Sequence[Server], only: set[str] | None) -> list[Server]:
    """Return a scenario's servers in its order, then the command line's, less those that `only` leaves out."""
    known = {server.name: server for server in SERVERS}
    chosen = [known[name] for name in scenario.servers] + list(extra)
    return [server for server in chosen if only is None or server.name in only]


def progress(text: str) -> None:
    """Print the progress for a person."""
    print(text, file=sys.stderr, flush=True)


def run(scenario: Scenario, servers: Sequence[Server], effort: Effort) -> Section:
    """Measure the installed servers; the others get no score, and the reason is printed."""
    present = [server for server in servers if server.exists()]
    absent = [Outcome(server, fault="not installed") for server in servers if not server.exists()]
    return section(scenario, absent + measure(scenario, present, effort, progress))


def end_cleanly() -> None:
    """Let a signal end this process like an exception, so that every `finally` runs and ends the servers."""
    for signum in ENDINGS:
        signal.signal(signum, _end)


def _end(number: int, _: FrameType | None) -> None:
    for signum in ENDINGS:  # a second signal must not stop that
        signal.signal(signum, signal.SIG_IGN)
    raise SystemExit(128 + number)


def main(argv: Sequence[str]) -> int:
    """Run the chosen scenarios; return 1 when a server got no score."""
    end_cleanly()
    choices = parse(argv)
    effort = Effort(
        min(choices.seconds, SECONDS_MAX),
        min(choices.rounds, ROUNDS_MAX),
        min(choices.connections, CONNECTIONS_MAX),
    )
    extra = [server_of(definition) for definition in choices.server]
    checkouts = [checkout_of(definition) for definition in choices.checkout]
    only = set(choices.servers.split(",")) if choices.servers else None
    sections = [
        run(scenario, list(with_checkouts(contenders(scenario, extra, only), checkouts)), effort)
        for scenario in SCENARIOS
        if not choices.scenario or scenario.name in choices.scenario
    ]
    result = Result(
        name="-".join(filter(None, [today(), choices.write])),
        machine=machine(),
        versions=versions(),
        command=public(shlex.join(["python", "-m", "bench", *argv])),
        method=METHOD,
        sections=sections,
        checkouts=[checkout.name for checkout in checkouts],
    )
    print(markdown(result))
    if choices.write is not None:
        from bench.pages import publish  # and matplotlib, which takes a second

        progress(f"written: {publish(result)}")
    return 1 if any(row.fault for section in sections for row in section.rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
