"""The line number of a setting in a TOML file, for messages: the standard library's parser reports no lines.

It knows headers and keys that begin a line. A value in an inline table or an array has the line of its outermost key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from penstock.patterns import lazy_pattern

_HEADER = lazy_pattern(r"\s*(\[\[|\[)\s*([^\[\]]+?)\s*\]\]?\s*(#.*)?")
_KEY = lazy_pattern(
    r"""\s*((?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*'))*)\s*="""
)
_STEP = lazy_pattern(r"[A-Za-z0-9_-]+|\[\d+\]")


def line_of(text: str, path: str) -> int | None:
    """The line number, from 1, of the setting at `path`, such as `upstreams[0].url`. None where none is found.

    A path without a line, such as that of a missing key, gets the line of its table.
    """
    wanted = _STEP.findall(path)
    best, depth = None, 0
    for number, steps in _paths(text):
        common = min(len(steps), len(wanted))
        if common > depth and wanted[:common] == steps[:common]:
            best, depth = number, common
    return best


def _paths(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each line with a header or a key, and its path."""
    table: list[str] = []
    arrays: Counter[str] = Counter()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.fullmatch(line):
            table = _steps(header[2])
            if header[1] == "[[":
                name = ".".join(table)
                table = [*table, f"[{arrays[name]}]"]
                arrays[name] += 1
            else:
                table = _in_last(table, arrays)
            yield number, table
        elif key := _KEY.match(line):
            yield number, [*table, *_steps(key[1])]


def _in_last(table: list[str], arrays: Counter[str]) -> list[str]:
    """The path of a table, which is in the last table of an array where its name begins with that of the array."""
    for length in range(len(table) - 1, 0, -1):
        if count := arrays[".".join(table[:length])]:
            return [*table[:length], f"[{count - 1}]", *table[length:]]
    return table


def _steps(key: str) -> list[str]:
    return [step.strip().strip("\"'") for step in key.split(".")]
