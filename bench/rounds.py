"""Measures one scenario: starts the upstream and the servers, then interleaves short rounds A B A B.

It knows processes, load runs and CPU clocks; it prints nothing and compares nothing (`result_data.py` does).
"""

import contextlib
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import msgspec

from bench.figures import LoadResult, Percentiles
from bench.load import GRACE_S
from bench.machine import public
from bench.processes import ROOT, Child, External, StartError, cores, free_port, prepare, running
from bench.result_data import Row, Section
from bench.scenarios import Scenario
from bench.servers import Server, Words

Progress = Callable[[str], None]
WARM_UP_S = 0.5
LOAD_START_S = 10.0


@dataclass(frozen=True, slots=True)
class Effort:
    """How long and how wide."""

    seconds: float = 3.0
    rounds: int = 3
    connections: int = 64


@dataclass(frozen=True, slots=True)
class Round:
    """One run of one server: the load client's figures, and CPU seconds of the server and of the upstream."""

    load: LoadResult
    server_cpu_s: float
    upstream_cpu_s: float

    @property
    def cpu_us_per_reply(self) -> float:
        """The server's CPU microseconds per reply."""
        return self.server_cpu_s * 1e6 / self.load.replies

    def figures(self, scenario: Scenario) -> dict[str, float]:
        """Return the figures by their keys in `FIGURES`."""
        found = {
            "server_busy_percent": self.server_cpu_s * 100 / self.load.elapsed_s,
            "others_busy_percent": (self.load.client_cpu_s + self.upstream_cpu_s) * 100 / self.load.elapsed_s,
        }
        found |= percentile_figures("", self.load.latency)
        if not scenario.stream:
            return found | {"requests_per_s": self.load.replies_per_s, "cpu_us_per_request": self.cpu_us_per_reply}
        found |= percentile_figures("first_event_", self.load.first_event)
        found |= percentile_figures("first_delta_", self.load.first_delta)
        return found | {
            "streams_per_s": self.load.replies_per_s,
            "cpu_us_per_stream": self.cpu_us_per_reply,
            "cpu_us_per_chunk": self.cpu_us_per_reply / scenario.deltas,
            "events_per_stream": self.load.events_per_reply,
            "events_per_cpu_s": self.load.events_per_reply * 1e6 / self.cpu_us_per_reply,
        }


def percentile_figures(prefix: str, found: Percentiles | None) -> dict[str, float]:
    """Return percentiles by their keys in `FIGURES`."""
    return {f"{prefix}{name}": getattr(found, name) for name in ("p50_ms", "p90_ms", "p99_ms")} if found else {}


@dataclass(slots=True)
class Outcome:
    """All rounds of one server in one scenario; a server with a `fault` has no score."""

    server: Server
    rounds: list[Round] = field(default_factory=list)
    peak_rss_mb: float = 0.0
    fault: str | None = None

    def row(self, scenario: Scenario) -> Row:
        """Return what is stored of it."""
        if self.fault or not self.rounds:
            return Row(self.server.name, fault=public(self.fault or "no rounds"))
        costs = [played.cpu_us_per_reply for played in self.rounds]
        found: dict[str, list[float]] = {
            "cpu_spread_percent": [(max(costs) - min(costs)) * 100 / median(costs)],
            "peak_rss_mb": [self.peak_rss_mb],
        }
        for played in self.rounds:
            for key, value in played.figures(scenario).items():
                found.setdefault(key, []).append(value)
        return Row(self.server.name, known(found))


def known(figures: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """Return the figures that are known, with five digits: more are noise, and make files long."""
    rounded = {key: [float(f"{value:.5g}") for value in values] for key, values in figures.items()}
    return {key: values for key, values in rounded.items() if not any(map(math.isnan, values))}


@dataclass(slots=True)
class Contender:
    """A server that runs, or the reason why it does not."""

    server: Server
    child: Child | External | None
    fault: str | None = None


def measure(scenario: Scenario, servers: Sequence[Server], effort: Effort, progress: Progress) -> list[Outcome]:
    """Start the servers and return one outcome for each; every process is ended on return."""
    with contextlib.ExitStack() as stack:
        upstream = start_upstream(stack)
        contenders = [begin(stack, server, upstream) for server in servers]
        return play(scenario, contenders, upstream, effort, progress)


def play(
    scenario: Scenario, contenders: Sequence[Contender], upstream: Child, effort: Effort, progress: Progress
) -> list[Outcome]:
    """Play the rounds, interleaved, and return one outcome per contender."""
    outcomes = [Outcome(each.server, fault=each.fault) for each in contenders]
    pairs = [(outcome, each.child) for outcome, each in zip(outcomes, contenders, strict=True) if each.child]
    for number in range(effort.rounds + 1):
        progress(f"{scenario.name}: {f'round {number} of {effort.rounds}' if number else 'warm-up'}")
        for outcome, child in pairs:
            if not outcome.fault:
                _play(outcome, child, upstream, scenario, effort, warm_up=number == 0)
    for outcome, child in pairs:
        outcome.peak_rss_mb = child.peak_rss_mb()
    return outcomes


def section(scenario: Scenario, outcomes: Sequence[Outcome], baseline: str | None = None) -> Section:
    """Return the outcomes as a section of a result. `baseline` is another baseline than that of the scenario."""
    rows = [outcome.row(scenario) for outcome in outcomes]
    return Section(scenario.name, scenario.title, baseline or scenario.baseline, rows, scenario.family, scenario.size)


def start_upstream(stack: contextlib.ExitStack, port: int | None = None) -> Child:
    """Start the fake upstream; it ends with `stack`."""
    port = port or free_port()
    command = (sys.executable, "-m", "bench.upstream", "--port", str(port))
    return stack.enter_context(running(command, port, cores()[1]))


def start(stack: contextlib.ExitStack, server: Server, upstream: Child) -> Child:
    """Start a server in front of the upstream; it ends with `stack`. Raises `StartError`."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
    words = Words(free_port(), upstream.port, folder)
    return stack.enter_context(running(server.argv(words), words.port, cores()[0], server.variables(words)))


def begin(stack: contextlib.ExitStack, server: Server, upstream: Child) -> Contender:
    """Start a server that does not run already; one that cannot be started has a fault."""
    if server.running_at is not None:
        return Contender(server, External(server.running_at))
    try:
        return Contender(server, start(stack, server, upstream))
    except StartError as error:
        return Contender(server, None, str(error))


def _play(
    outcome: Outcome, child: Child | External, upstream: Child, scenario: Scenario, effort: Effort, *, warm_up: bool
) -> None:
    seconds = min(WARM_UP_S, effort.seconds) if warm_up else effort.seconds
    server_s, upstream_s = child.cpu_s(), upstream.cpu_s()
    command = load_command(outcome.server, child.port, scenario, seconds, scenario.connections or effort.connections)
    result = _load(command, seconds)
    played = Round(result, child.cpu_s() - server_s, upstream.cpu_s() - upstream_s)
    if result.failures or not result.replies:
        total = result.replies + result.failures
        outcome.fault = f"{result.failures} of {total} replies bad: {result.first_failure}"
    elif not warm_up:
        outcome.rounds.append(played)


def load_command(server: Server, port: int, scenario: Scenario, seconds: float, connections: int) -> list[str]:
    """Return the command of a load client; it prints a `LoadResult`."""
    command = [sys.executable, "-m", server.client, f"http://127.0.0.1:{port}{server.path}"]
    command += ["--body", scenario.body(server).decode(), "--seconds", str(seconds)]
    command += ["--connections", str(connections)]
    if server.text_known:
        command += ["--text-chars", str(scenario.text_chars)]
    return command


def _load(command: Sequence[str], seconds: float) -> LoadResult:
    finished = subprocess.run(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
        timeout=seconds + GRACE_S + LOAD_START_S,
        preexec_fn=prepare(cores()[1]),
    )
    return msgspec.json.decode(finished.stdout, type=LoadResult)
