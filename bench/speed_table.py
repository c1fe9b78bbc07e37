"""The table of speed in README, made of the newest result that has all of its figures. It measures nothing.

A figure in it is named by its scenario, its server and its key; what follows a colon is how it is written.
"""

import re
from collections.abc import Sequence

from bench.result_data import Result

ROWS = """\
| JSON reply of 200 words | {json penstock requests_per_s} requests/s \
| {json penstock cpu_us_per_request:ms} ms a request \
| a Starlette route that returns fixed bytes: {json bare requests_per_s}/s, {json bare cpu_us_per_request:ms} ms |
| the same, stored before its reply \
| in memory {json-stored penstock-memory requests_per_s}/s, SQLite {json-stored penstock-sqlite requests_per_s}/s \
| {json-stored penstock-memory cpu_us_per_request:ms} and {json-stored penstock-sqlite cpu_us_per_request:ms} ms \
| without a store {json-stored penstock requests_per_s}/s, {json-stored penstock cpu_us_per_request:ms} ms |
| stream of 200 deltas, each written on its own; ten to a write \
| {stream penstock streams_per_s} and {stream-batched penstock streams_per_s} streams/s \
| {stream penstock cpu_us_per_chunk:us} and {stream-batched penstock cpu_us_per_chunk:us} µs a delta \
| fixed bytes, one send an event: {stream bare-each streams_per_s}/s, {stream bare-each cpu_us_per_chunk:us} µs |
| a delta that comes alone, to a server that sleeps | | {lone-chunk penstock cpu_us_per_chunk} µs \
| a TCP relay that writes what it reads: {lone-chunk tcp-relay cpu_us_per_chunk} µs |
| the synthetic model, without an upstream \
| {json penstock-synthetic requests_per_s} requests/s, {stream penstock-synthetic streams_per_s} streams/s \
| {json penstock-synthetic cpu_us_per_request:ms} ms a request, \
{stream penstock-synthetic cpu_us_per_chunk:us} µs a delta | |
"""
_FIGURE = re.compile(r"\{([\w-]+) ([\w-]+) (\w+)(?::(\w+))?\}")
_TABLE = re.compile(r"\(\d{4}-\d\d-\d\d\):\n\n(\| what \| rate \|.*\n\| --- .*\n)(?:\|.*\n)+")
_UNITS: dict[str | None, tuple[float, int]] = {"ms": (1_000, 3), "us": (1, 1), None: (1, 0)}
"""By what a figure is divided, and with how many digits it is written."""


def with_speed(text: str, results: Sequence[Result]) -> str:
    """Return the text of README with the figures and the date of the newest result that has all of them."""
    for result in reversed(results):
        if not result.kind and (rows := _rows(result)):
            return _TABLE.sub(rf"({result.date}):\n\n\g<1>{rows}", text)
    return text


def _rows(result: Result) -> str:
    """Return the rows, or nothing where a figure is absent."""
    sections = {section.name: section for section in result.sections}
    written = {}
    for named in _FIGURE.finditer(ROWS):
        section, server, key, unit = named.groups()
        row = sections[section].row(server) if section in sections else None
        value = row.value(key) if row else None
        if value is None:
            return ""
        divisor, digits = _UNITS[unit]
        written[named[0]] = f"{value / divisor:,.{digits}f}"
    return _FIGURE.sub(lambda named: written[named[0]], ROWS)
