"""The data of a result: what was measured, of which servers, where and when. One JSON file each in `bench/results`.

Tables, charts and pages are made from it, so it knows what a figure is and how two servers compare, and no format.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import msgspec

FOLDER = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True, slots=True)
class Figure:
    """What a figure is called, with its unit, and how it is shown."""

    heading: str
    digits: int = 0
    ratio: bool = False
    """Whether tables show its ratio to the baseline's and to other checkouts'."""
    in_tables: bool = True


FIGURES = {
    "requests_per_s": Figure("requests/s", ratio=True),
    "streams_per_s": Figure("streams/s", ratio=True),
    "cpu_us_per_chunk": Figure("CPU µs/upstream chunk", 2, ratio=True),
    "cpu_us_per_request": Figure("CPU µs/request", 0, ratio=True),
    "cpu_us_per_stream": Figure("CPU µs/stream"),
    "first_event_p50_ms": Figure("first event p50 ms", 1),
    "first_event_p90_ms": Figure("first event p90 ms", 1, in_tables=False),
    "first_event_p99_ms": Figure("first event p99 ms", 1, in_tables=False),
    "first_delta_p50_ms": Figure("first delta p50 ms", 2),
    "first_delta_p90_ms": Figure("first delta p90 ms", 2, in_tables=False),
    "first_delta_p99_ms": Figure("first delta p99 ms", 1),
    "p50_ms": Figure("p50 ms", 2),
    "p90_ms": Figure("p90 ms", 2, in_tables=False),
    "p99_ms": Figure("p99 ms", 1),
    "events_per_stream": Figure("events/stream"),
    "events_per_cpu_s": Figure("events/CPU second"),
    "server_busy_percent": Figure("server core busy %"),
    "others_busy_percent": Figure("other core busy %"),
    "cpu_spread_percent": Figure("CPU spread %"),
    "cpu_us_per_json_reply": Figure("CPU µs/JSON reply", ratio=True),
    "cpu_us_per_lone_chunk": Figure("CPU µs/lone chunk", 1, ratio=True),
    "cpu_us_per_batched_chunk": Figure("CPU µs/batched chunk", 2, ratio=True),
    "added_p50_ms_c1": Figure("added p50 ms, c=1", 2),
    "added_p99_ms_c1": Figure("added p99 ms, c=1", 2),
    "added_p50_ms_c32": Figure("added p50 ms, c=32", 1),
    "added_p99_ms_c32": Figure("added p99 ms, c=32", 1),
    "added_ttft_p99_ms_c1": Figure("added TTFT p99 ms, c=1", 2),
    "added_ttft_p99_ms_c32": Figure("added TTFT p99 ms, c=32", 1),
    "start_s": Figure("start to first reply s", 2),
    "idle_rss_mb": Figure("RSS idle MB"),
    "peak_rss_mb": Figure("peak RSS MB"),
}
"""All figures, in the order of the tables. Those that a server has depend on the section."""

COSTS = ("cpu_us_per_request", "cpu_us_per_chunk")
"""The figures that bars compare, of which a section has one."""
WHOLE_COSTS = ("cpu_us_per_request", "cpu_us_per_stream")
"""The figures that are drawn against a size, of which a section has one."""


class Row(msgspec.Struct, omit_defaults=True):
    """The figures of one server: one value a round. A server with a `fault` has none."""

    server: str
    figures: dict[str, list[float]] = {}
    fault: str = ""
    absent: list[str] = []
    """Why figures that others have are not there."""

    def value(self, key: str) -> float | None:
        """Return the median of a figure over the rounds, where the server has it."""
        values = self.figures.get(key)
        return median(values) if values else None

    def ratio(self, key: str, other: "Row") -> float | None:
        """Return the median of the ratios of neighbouring rounds: what slows the machine for a while slows both."""
        pairs = zip(self.figures.get(key, []), other.figures.get(key, []), strict=False)  # one that failed has fewer
        ratios = [one / another for one, another in pairs if another]
        return median(ratios) if ratios else None


class Section(msgspec.Struct, omit_defaults=True):
    """One question, put to several servers. Sections of one `family` ask for different sizes of the same."""

    name: str
    title: str
    baseline: str = msgspec.field(name="floor")
    """The server that others are measured by."""
    rows: list[Row]
    family: str = ""
    size: float = 0.0

    def row(self, server: str) -> Row | None:
        """Return the row of that server."""
        return next((row for row in self.rows if row.server == server), None)

    @property
    def keys(self) -> list[str]:
        """The figures that any of its servers has."""
        return [key for key in FIGURES if any(key in row.figures for row in self.rows)]

    def first_of(self, keys: Iterable[str]) -> str | None:
        """Return the first of these figures that any of its servers has."""
        return next((key for key in keys if key in self.keys), None)


class Result(msgspec.Struct, omit_defaults=True):
    """One run of the bench."""

    name: str
    """The date, and what follows it in the names of its files."""
    machine: str
    versions: str
    command: str
    method: str
    sections: list[Section]
    checkouts: list[str] = []

    @property
    def date(self) -> str:
        """The day of the run."""
        return self.name[: len("2026-11-29")]

    @property
    def kind(self) -> str:
        """What follows the date in its name: nothing, or a word such as `compare`."""
        return self.name.removeprefix(self.date).removeprefix("-")


def write_result(result: Result, folder: Path = FOLDER) -> Path:
    """Write the file of a result, with a line for each section and each server, and return its path."""
    text = msgspec.json.encode(result)
    for begin in (b'{"name":', b'{"server":'):
        text = text.replace(begin, b"\n" + begin)
    path = folder / f"{result.name}.json"
    path.write_bytes(text.strip() + b"\n")
    return path


def read_results(folder: Path = FOLDER) -> list[Result]:
    """Return all results of a folder, the oldest first."""
    return [msgspec.json.decode(path.read_bytes(), type=Result) for path in sorted(folder.glob("*.json"), key=_stem)]


def _stem(path: Path) -> str:
    return path.stem  # without its ending: `2026-11-29` is before `2026-11-29-again`


def servers_of(sections: Iterable[Section]) -> list[str]:
    """Return the names of all servers that have figures, each once."""
    return list(dict.fromkeys(row.server for section in sections for row in section.rows if row.figures))


def families_of(sections: Iterable[Section]) -> Iterator[tuple[str, list[Section]]]:
    """Yield each family with its sections, the smallest first."""
    found = [section for section in sections if section.family]
    for family in dict.fromkeys(section.family for section in found):
        yield family, sorted((each for each in found if each.family == family), key=lambda each: each.size)
