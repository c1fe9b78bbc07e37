"""Outcomes to Markdown: medians over the rounds beside the bare endpoint, and a page for `bench/results`.

It knows tables and units; it names the machine by cores, processor and versions, never by host or path.
"""

import os
import platform
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from statistics import median

from bench.figures import Percentiles
from bench.rounds import Outcome, Round
from bench.scenarios import Scenario
from bench.servers import Checkout

PACKAGES = ("penstock", "uvicorn", "uvloop", "httptools", "starlette", "aiohttp", "msgspec", "orjson")
RESULTS = Path(__file__).resolve().parent / "results"
METHOD = """\
* Medians of interleaved rounds; ratios are medians of the ratios of rounds that were played one after another. The
  server under test had one core alone (where there are two), the load client and the upstream shared another.
  `bare` is a Starlette route that returns fixed bytes in one send (`bare-each`: one send per event), `tcp-relay`
  writes what it reads: floors, not rivals. `name@checkout` is the same server by the code of an older tree."""
FOLDERS = re.compile(r"(?<![\w.:/])/(?:[^\s/]+/)+")  # of an absolute path; not of a relative one, nor a URL's
Figure = Callable[[Round], float]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: heading with unit, figure per round, digits; `ratio` adds those to the floor and to checkouts."""

    heading: str
    figure: Figure
    digits: int = 0
    ratio: bool = False


def cpu_us_per_reply(played: Round) -> float:
    """Return the server's CPU microseconds per reply."""
    return played.server_cpu_s * 1e6 / played.load.replies


def busy_percent(played: Round) -> float:
    """Return how much of its core the server used: far below 100, something else bounds the rate."""
    return played.server_cpu_s * 100 / played.load.elapsed_s


def others_percent(played: Round) -> float:
    """Return how much of the other core the load client and the upstream used."""
    return (played.load.client_cpu_s + played.upstream_cpu_s) * 100 / played.load.elapsed_s


def _ms(pick: Callable[[Round], Percentiles | None], name: str) -> Figure:
    def figure(played: Round) -> float:
        found = pick(played)
        return getattr(found, name) if found else float("nan")

    return figure


def columns_of(scenario: Scenario) -> list[Column]:
    """Return the columns that suit the scenario."""
    latency = [_ms(lambda played: played.load.latency, name) for name in ("p50_ms", "p99_ms")]
    tail = [
        Column("server core busy %", busy_percent),
        Column("other core busy %", others_percent),
    ]
    if not scenario.stream:
        return [
            Column("requests/s", lambda played: played.load.replies_per_s, 0, True),
            Column("CPU ms/request", lambda played: cpu_us_per_reply(played) / 1000, 3, True),
            Column("p50 ms", latency[0], 2),
            Column("p99 ms", latency[1], 1),
            *tail,
        ]
    return [
        Column("streams/s", lambda played: played.load.replies_per_s, 0, True),
        Column("CPU µs/upstream chunk", lambda played: cpu_us_per_reply(played) / scenario.deltas, 2, True),
        Column("CPU ms/stream", lambda played: cpu_us_per_reply(played) / 1000, 2),
        Column("first event p50 ms", _ms(lambda played: played.load.first_event, "p50_ms"), 1),
        Column("first delta p50 ms", _ms(lambda played: played.load.first_delta, "p50_ms"), 2),
        Column("first delta p99 ms", _ms(lambda played: played.load.first_delta, "p99_ms"), 1),
        Column("whole p50 ms", latency[0], 1),
        Column("events/stream", lambda played: played.load.events_per_reply),
        *tail,
    ]


def table(scenario: Scenario, outcomes: Sequence[Outcome], checkouts: Sequence[Checkout]) -> str:
    """Return the scenario's section: a heading and one row per server."""
    columns = columns_of(scenario)
    played = {outcome.server.name: outcome.rounds for outcome in outcomes}
    headings = ["server"]
    for column in columns:
        headings.append(column.heading)
        if column.ratio:
            headings += [f"of {name}" for name in (scenario.floor, *(checkout.name for checkout in checkouts))]
    headings += ["CPU spread %", "peak RSS MB"]
    rows = []
    for outcome in outcomes:
        others = [scenario.floor, *(checkout.of(outcome.server).name for checkout in checkouts)]
        rows.append(_row(outcome, columns, [played.get(name, []) for name in others], len(headings)))
    rule = ["---"] + ["---:"] * (len(headings) - 1)
    lines = map(_line, [headings, rule, *rows])
    return f"### {scenario.name}: {scenario.title}\n\n" + "\n".join(lines) + "\n"


def _row(outcome: Outcome, columns: Sequence[Column], others: Sequence[list[Round]], width: int) -> list[str]:
    if outcome.fault or not outcome.rounds:
        fault = (outcome.fault or "no rounds").replace("|", "\\|").replace("\n", " ")
        return [outcome.server.name, f"**no score**: {public(fault)}", *[""] * (width - 2)]
    cells = [outcome.server.name]
    for column in columns:
        cells.append(f"{median(map(column.figure, outcome.rounds)):,.{column.digits}f}")
        if column.ratio:
            cells += [_ratio(column.figure, outcome.rounds, rounds) for rounds in others]
    return [*cells, f"{_spread_percent(outcome.rounds):.0f}", f"{outcome.peak_rss_mb:.0f}"]


def _ratio(figure: Figure, rounds: Sequence[Round], others: Sequence[Round]) -> str:
    """Return the median of the ratios of neighbouring rounds: what slows the machine for a while slows both."""
    pairs = zip(rounds, others, strict=False)  # a server that failed has fewer
    ratios = [figure(one) / figure(other) for one, other in pairs]
    return f"{median(ratios):.2f}" if ratios else ""


def _spread_percent(rounds: Sequence[Round]) -> float:
    costs = [cpu_us_per_reply(played) for played in rounds]
    return (max(costs) - min(costs)) * 100 / median(costs)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def public(text: str) -> str:
    """Return `text` with every absolute path cut to its last name."""
    return FOLDERS.sub("", text)


def page(argv: Sequence[str], sections: Sequence[str]) -> str:
    """Return the whole page: the machine, the command, the sections."""
    return "\n".join(
        [
            f"# Bench, {_today()}",
            "",
            f"* Machine: {_machine()}.",
            f"* Versions: {_versions()}.",
            f"* Command: `{public(shlex.join(['python', '-m', 'bench', *argv]))}`.",
            METHOD,
            "",
            *sections,
        ]
    )


def write(text: str) -> Path:
    """Write the page of today and return its path, relative to the repository."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{_today()}.md"
    path.write_text(text, encoding="utf-8")
    return path.relative_to(RESULTS.parent.parent)


def _today() -> str:
    return datetime.now(tz=UTC).date().isoformat()


def _machine() -> str:
    count = len(os.sched_getaffinity(0))
    return f"{count} cores, {_processor()}, {platform.system()} {platform.machine()}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown processor"


def _versions() -> str:
    found = [f"Python {'.'.join(map(str, sys.version_info[:3]))}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(found)
