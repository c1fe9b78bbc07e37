"""Results as Markdown: what the terminal shows, and what `bench/results/<name>.md` has."""

from collections.abc import Sequence

from bench.result_data import FIGURES, Result, Row, Section


def markdown(result: Result) -> str:
    """Return the whole page: the machine, the command, the sections."""
    head = [
        f"# Bench, {result.name}",
        "",
        f"* Machine: {result.machine}.",
        f"* Versions: {result.versions}.",
        f"* Command: `{result.command}`.",
        f"* {result.method}",
        "",
    ]
    return "\n".join([*head, *(table(section, result.checkouts) for section in result.sections)])


def table(section: Section, checkouts: Sequence[str]) -> str:
    """Return a section: a heading and one row per server."""
    lines = [f"### {section.name}: {section.title}", ""]
    headings, *rows = cells(section, checkouts)
    rule = ["---"] + ["---:"] * (len(headings) - 1)
    return "\n".join([*lines, *map(_line, [headings, rule, *rows]), *_notes(section)]) + "\n"


def _notes(section: Section) -> list[str]:
    """Return why figures are absent, behind an empty line."""
    notes = [f"* {row.server}: {reason}" for row in section.rows for reason in row.absent]
    return ["", *notes] if notes else []


def cells(section: Section, checkouts: Sequence[str]) -> list[list[str]]:
    """Return the table of a section: the headings, then a row for each server."""
    keys = [key for key in section.keys if FIGURES[key].in_tables]
    headings = ["server"]
    for key in keys:
        headings.append(FIGURES[key].heading)
        if FIGURES[key].ratio:
            headings += [f"of {name}" for name in (section.baseline, *checkouts)]
    return [headings, *(_row(section, row, keys, checkouts, len(headings)) for row in section.rows)]


def _row(section: Section, row: Row, keys: Sequence[str], checkouts: Sequence[str], width: int) -> list[str]:
    if row.fault:
        fault = row.fault.replace("|", "\\|").replace("\n", " ")
        return [row.server, f"**no score**: {fault}", *[""] * (width - 2)]
    others = [section.baseline, *(f"{row.server}@{name}" for name in checkouts)]
    found = [row.server]
    for key in keys:
        value = row.value(key)
        found.append("" if value is None else f"{value:,.{FIGURES[key].digits}f}")
        if FIGURES[key].ratio:
            found += [_ratio(row, key, section.row(other)) for other in others]
    return found


def _ratio(row: Row, key: str, other: Row | None) -> str:
    ratio = row.ratio(key, other) if other else None
    return "" if ratio is None else f"{ratio:.2f}"


def _line(found: Sequence[str]) -> str:
    return "| " + " | ".join(found) + " |"
