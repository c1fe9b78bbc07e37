"""Results of the bench: what is stored, how servers compare, and the pages and charts that are made of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from bench.documents import DOCUMENTS, with_charts
from bench.report import markdown
from bench.result_data import FIGURES, FOLDER, Result, Row, Section, read_results, write_result
from bench.speed_table import with_speed

from requirements import shows
from support.server import ROOT

FIRST, OTHER = "2026-11-29", "2026-11-29-again"


def row(server: str, *costs: float, key: str = "cpu_us_per_request") -> Row:
    latency = {name: [1.5, 2.5] for name in ("p50_ms", "p90_ms", "p99_ms")}
    return Row(server, {key: list(costs)} | latency)


def result(name: str) -> Result:
    sections = [
        Section(
            "json",
            "a reply",
            "bare",
            [row("bare", 40.0, 50.0), row("a<b", 120.0, 200.0), Row("broken", fault="no | score")],
        ),
        *(Section(f"reply-{size}", "a size", "bare", [row("bare", size)], "reply, words", size) for size in (20, 200)),
        Section("stream", "a stream", "bare", [row("bare", 2.0, key="cpu_us_per_chunk")]),
    ]
    return Result(name, "2 cores", "Python 3", "python -m bench", "Medians.", sections, ["base"])


def test_a_ratio_is_that_of_neighbouring_rounds() -> None:
    assert row("one", 30.0, 80.0, 100.0).ratio("cpu_us_per_request", row("other", 10.0, 20.0)) == 3.5
    assert row("one", 30.0).ratio("cpu_us_per_request", Row("other", fault="absent")) is None


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    for name in (OTHER, FIRST):
        write_result(result(name), tmp_path)
    assert read_results(tmp_path) == [result(FIRST), result(OTHER)]


def test_the_tables_of_a_result() -> None:
    lines = markdown(result(FIRST)).splitlines()
    heading = lines.index("### json: a reply")
    assert lines[heading + 2].startswith("| server | CPU µs/request | of bare | of base | p50 ms | p99 ms |")
    assert lines[heading + 5].startswith("| a<b | 160 | 3.50 |  | 2.00 | 2.0 |")
    assert "**no score**: no \\| score" in lines[heading + 6]


PUBLISH = """
import sys
from pathlib import Path
from bench.result_data import read_results
from bench.pages import publish
[publish(result, Path(sys.argv[1])) for result in read_results(Path(sys.argv[1]))]
"""


def publish(folder: Path) -> dict[str, str]:
    """Every file that the results of a folder become. Matplotlib runs in a process of its own: it is slow to import."""
    subprocess.run([sys.executable, "-c", PUBLISH, str(folder)], cwd=ROOT, check=True, timeout=100)
    return {str(path.relative_to(folder)): path.read_text("utf-8") for path in folder.rglob("*") if path.is_file()}


@shows("bench-history")
def test_pages_and_charts_are_made_of_the_data_alone(tmp_path: Path) -> None:
    for name in (FIRST, OTHER):
        write_result(result(name), tmp_path)
    files = publish(tmp_path)
    charts = {name for name in files if name.endswith(".svg")}
    assert charts >= {f"{FIRST}/{name}.svg" for name in ("ratios", "cpu", "latency", "size")} | {
        "history/json-cpu_us_per_request.svg"
    }
    for name in charts:
        assert ElementTree.fromstring(files[name]).tag == "{http://www.w3.org/2000/svg}svg"
    assert "3.50 of bare" in files[f"{FIRST}/cpu.svg"]
    assert "3.50 of bare" in files[f"{FIRST}/ratios.svg"]
    assert "a&lt;b" in files[f"{FIRST}.html"]
    assert files[f"{FIRST}.md"] == markdown(result(FIRST))
    index = files["index.html"]
    assert f'<a href="{FIRST}.html">' in index
    assert "160 (3.50 of bare)" in index
    assert files[f"{FIRST}/cpu.svg"] == files[f"{OTHER}/cpu.svg"], "the same data, the same bytes"


@pytest.mark.parametrize("stored", read_results(), ids=lambda stored: stored.name)
def test_a_stored_result_has_its_pages(stored: Result) -> None:
    assert {key for section in stored.sections for each in section.rows for key in each.figures} <= FIGURES.keys()
    page = (FOLDER / f"{stored.name}.html").read_text("utf-8")
    assert f'src="{stored.name}/cpu.svg"' in page
    assert (FOLDER / stored.name / "cpu.svg").is_file()
    assert f"{stored.name}.html" in (FOLDER / "index.html").read_text("utf-8")


PAGE = """\
Text <!-- chart: cpu --> is no line of its own.
{first}<!-- chart: cpu -->
{other}<!-- chart: again/cpu -->
{absent}<!-- chart: again/size -->
"""


@shows("bench-history")
def test_a_document_shows_the_newest_chart_that_is_there(tmp_path: Path) -> None:
    results, names = tmp_path / "results", ("2026-11-20", "2026-11-21-again", "2026-11-22", "2026-11-23-other")
    for name in names:
        (results / name).mkdir(parents=True)
    for drawn in (names[0], names[1], names[3]):
        (results / drawn / "cpu.svg").touch()
    stored = [result(name) for name in names]
    wanted = PAGE.format(
        first="![CPU, 2026-11-20](../results/2026-11-20/cpu.svg) ",
        other="![CPU, 2026-11-21](../results/2026-11-21-again/cpu.svg) ",
        absent="",
    )
    before = PAGE.format(first="", other="![old](../old.svg) ", absent="![old](../old.svg) ")
    assert with_charts(before, tmp_path / "docs", stored, results) == wanted
    assert with_charts(wanted, tmp_path / "docs", stored, results) == wanted


@shows("bench-history")
@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_documents_show_the_charts_of_the_stored_results(name: str) -> None:
    """After a new result: `python -m bench.pages --write`."""
    text = (ROOT / name).read_text("utf-8")
    assert "<!-- chart: " in text
    assert with_charts(text, (ROOT / name).parent, read_results()) == text
    assert with_speed(text, read_results()) == text


TABLE = """\
Text (2026-01-01):

| what | rate | CPU |
| --- | --- | --- |
{rows}
Text.
"""


@shows("bench-history")
def test_the_table_of_speed_has_the_figures_of_a_whole_result() -> None:
    [whole] = [stored for stored in read_results() if stored.name == FIRST]
    written = with_speed(TABLE.format(rows="| old | 1 | 2 |\n"), [whole, result("2026-11-30"), result(f"{OTHER}-2")])
    lines = written.splitlines()
    assert lines[0] == f"Text ({FIRST}):"
    row = whole.sections[0].row("penstock")
    assert row is not None
    assert lines[4].startswith(f"| JSON reply of 200 words | {row.value('requests_per_s'):,.0f} requests/s |")
    assert lines[-1] == "Text."
    assert "old" not in written
    assert with_speed(TABLE, [result("2026-11-30")]) == TABLE, "a figure is absent, so nothing changes"
