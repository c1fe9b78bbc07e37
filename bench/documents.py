"""The charts that documents show: which result each is of, and the lines that show it.

A document asks for a chart by a comment, `<!-- chart: latency -->`, or `<!-- chart: compare/ratios -->` for one of the
results whose names end with `-compare`. The line with the comment shows that of the newest such result which has this
chart; where none has it, the line has the comment alone. It draws nothing.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from bench.processes import ROOT
from bench.result_data import FOLDER, Result
from bench.speed_table import with_speed

DOCUMENTS = ("README.md", "docs/benchmarks.md")
CAPTIONS = {
    "ratios": "CPU, as a multiple of the baseline's",
    "cpu": "CPU",
    "latency": "Time to the end of a reply",
    "first-token": "Time to the first delta",
    "size": "Cost against size",
}
"""What each chart shows, by its name."""
_LINE = re.compile(r"^(?:!\[[^\]]*\]\([^)]*\) )?(<!-- chart: (?:([\w-]+)/)?([\w-]+) -->)$", re.MULTILINE)


def show_newest(results: Sequence[Result], folder: Path = FOLDER, root: Path = ROOT) -> None:
    """Write the documents, with the charts and figures of the newest results."""
    # spec: bench-history
    for name in DOCUMENTS:
        page = root / name
        text = with_charts(page.read_text("utf-8"), page.parent, results, folder)
        page.write_text(with_speed(text, results), "utf-8")


def with_charts(text: str, beside: Path, results: Sequence[Result], folder: Path = FOLDER) -> str:
    """Return the text of a document in the folder `beside`, with the charts of the newest results."""

    def line(asked: re.Match[str]) -> str:
        comment, kind, chart = asked.groups()
        for result in reversed(results):
            drawn = folder / result.name / f"{chart}.svg"
            if result.kind == (kind or "") and drawn.is_file():
                return f"![{CAPTIONS[chart]}, {result.date}]({os.path.relpath(drawn, beside)}) {comment}"
        return comment

    return _LINE.sub(line, text)
