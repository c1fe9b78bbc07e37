"""Run the guard: `python -m bench.guard [--no-cpu]`.

Prints what each kind of work costs beside its bound, then the CPU beside baselines that do no work, for a person to
read. Only the counts decide: the exit status is 1 when one is out of its bound, or when this is another Python than
that of the bounds.
"""

import argparse
import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace

from bench.guard.bounds import Table, faults, python_fault, read_bounds
from bench.guard.callbacks import Stand
from bench.guard.counts import per_delta, per_request
from bench.guard.inprocess import AGENT, JSON, RUN, STREAM
from bench.report import table
from bench.rounds import Effort, measure, section
from bench.scenarios import SCENARIOS
from bench.servers import SERVERS

OPENED = replace(STREAM, deltas=1)
STORY = {"input": "Tell a long story.", "text": {"verbosity": "high"}}
REQUESTS = {
    "json": JSON,
    "agent": AGENT,
    "stored-json": replace(JSON, store=True),
    "relayed-json": replace(JSON, relays=True),
    "stream": OPENED,
    "relayed-stream": replace(OPENED, relays=True),
    "synthetic-json": replace(JSON, synthetic=True),
}
DELTAS = {
    "lone-delta": STREAM,
    "run-delta": RUN,
    "relayed-lone-delta": replace(STREAM, relays=True),
    "relayed-run-delta": replace(RUN, relays=True),
    "synthetic-delta": replace(STREAM, synthetic=True, ask=STORY),
}
CALLED_BACK = {
    "penstock": ("json", "stream", "lone-delta"),
    "penstock-relay": ("relayed-json", "relayed-stream", "relayed-lone-delta"),
    "penstock-synthetic": ("synthetic-json",),
}
"""The work whose callbacks are counted, by the server that does it."""
CPU_OF = {"json": ("bare", "penstock"), "lone-chunk": ("tcp-relay", "penstock")}
CPU_EFFORT = Effort(seconds=1.0, rounds=2, connections=16)


def count() -> Table:
    """Return all counts."""
    counted = {work: asdict(per_request(case)) for work, case in REQUESTS.items()}
    counted |= {work: asdict(per_delta(case)) for work, case in DELTAS.items()}
    for work, callbacks in _callbacks():
        counted[work]["callbacks"] = callbacks
    return counted


def _callbacks() -> Iterator[tuple[str, float]]:
    for server, works in CALLED_BACK.items():
        with contextlib.ExitStack() as stack:
            stand = Stand(server, stack)
            for work in works:
                case = REQUESTS.get(work)
                yield work, stand.callbacks(case) if case else stand.callbacks_per_delta(DELTAS[work])


def lines(counted: Table, bounds: Table) -> Iterator[str]:
    """Yield a Markdown table of counts and bounds."""
    yield "| work | what is counted | count | bound |\n| --- | --- | ---: | ---: |"
    for work, counts in counted.items():
        for name, number in counts.items():
            yield f"| {work} | {name} | {number:g} | {bounds.get(work, {}).get(name, float('nan')):g} |"


def print_cpu() -> None:
    """Print CPU beside the baselines."""
    for scenario in SCENARIOS:
        if names := CPU_OF.get(scenario.name):
            servers = [server for server in SERVERS if server.name in names]
            print(table(section(scenario, measure(scenario, servers, CPU_EFFORT, lambda _: None)), []))


def main(argv: Sequence[str]) -> int:
    """Count, judge and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.guard", description="Hold what a request costs to bounds.")
    parser.add_argument("--no-cpu", action="store_true", help="count only")
    options = parser.parse_args(argv)
    bounds = read_bounds()
    if fault := python_fault(bounds):
        print(f"bench-guard: {fault}. Nothing was counted.", file=sys.stderr)
        return 1
    counted = count()
    print("\n".join(lines(counted, bounds.table)))
    if not options.no_cpu:
        print_cpu()
    # spec: guarded-work
    found = sorted(faults(counted, bounds))
    for fault in found:
        print(f"bench-guard: {fault}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
