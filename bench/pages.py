"""The pages of results: one with the charts and tables of each, and an index with the history of each figure.

`python -m bench.pages` makes all of them again from the JSON files in `bench/results`. With `--write`, README and
docs show the charts and figures of the newest results, too.
"""

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from bench import charts
from bench.documents import CAPTIONS, show_newest
from bench.report import cells, markdown
from bench.result_data import COSTS, FIGURES, FOLDER, Figure, Result, Section, read_results, write_result

STYLE = """\
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 1rem 0; }
td, th { padding: .2rem .7rem; border-bottom: 1px solid #8884; text-align: right; font-weight: normal; }
td:first-child, th:first-child { text-align: left; white-space: nowrap; }
th { color: #888; vertical-align: bottom; }
.scroll { overflow-x: auto; }
img { background: #fff; max-width: 100%; border-radius: 4px; margin: .5rem 0; }
"""


def publish(result: Result, folder: Path = FOLDER) -> Path:
    """Store a result, write its pages and charts, and the index; return the page's path in the repository."""
    # spec: bench-history
    write_result(result, folder)
    (folder / f"{result.name}.md").write_text(markdown(result), encoding="utf-8")
    write_page(result, folder)
    write_index(read_results(folder), folder)
    return Path(*folder.parts[-2:], f"{result.name}.html")


def write_page(result: Result, folder: Path) -> None:
    """Write the page of a result, and its charts in a folder of its name."""
    drawn = charts.charts(result)
    (folder / result.name).mkdir(exist_ok=True)
    for name, text in drawn.items():
        (folder / result.name / f"{name}.svg").write_text(text, encoding="utf-8")
    body = [
        f"<p>{escape(result.method)}</p>",
        f"<ul><li>{escape(result.machine)}</li><li>{escape(result.versions)}</li>",
        f"<li><code>{escape(result.command)}</code></li></ul>",
        *(f'<h2>{CAPTIONS[name]}</h2>\n<img src="{result.name}/{name}.svg" alt="{CAPTIONS[name]}">' for name in drawn),
        "<h2>All figures</h2>",
    ]
    for section in result.sections:
        body += [f"<h3>{escape(section.name)}: {escape(section.title)}</h3>", _table(cells(section, result.checkouts))]
        body += [f"<p>{escape(row.server)}: {escape(reason)}</p>" for row in section.rows for reason in row.absent]
    _write(folder / f"{result.name}.html", f"Bench, {result.name}", body)


def write_index(results: Sequence[Result], folder: Path) -> None:
    """Write the page with the history of each figure, and charts of those that cost."""
    shutil.rmtree(folder / "history", ignore_errors=True)
    (folder / "history").mkdir()
    listed = "".join(f'<li><a href="{each.name}.html">{each.name}</a>: {escape(each.machine)}</li>' for each in results)
    body = [
        "<p>Results of different days and machines compare by their ratios, not by their microseconds.</p>",
        f"<ul>{listed}</ul>",
    ]
    for section in dict.fromkeys(section.name for result in results for section in result.sections):
        body += [f"<h2>{escape(section)}</h2>", *_history(results, section, folder)]
    _write(folder / "index.html", "Bench: the history of each figure", body)


def _history(results: Sequence[Result], name: str, folder: Path) -> Iterator[str]:
    sections = [next((each for each in result.sections if each.name == name), None) for result in results]
    for key, figure in FIGURES.items():
        servers = dict.fromkeys(row.server for each in sections if each for row in each.rows if key in row.figures)
        if not servers:
            continue
        if key in COSTS and sum(each is not None for each in sections) > 1:
            chart = f"history/{name}-{key}.svg"
            (folder / chart).write_text(charts.history_lines(results, name, key), encoding="utf-8")
            yield f'<img src="{chart}" alt="{escape(figure.heading)}">'
        rows = [[server, *(_cell(each, server, key, figure) for each in sections)] for server in servers]
        yield _table([[figure.heading, *(result.name for result in results)], *rows])


def _cell(section: Section | None, server: str, key: str, figure: Figure) -> str:
    row = section.row(server) if section else None
    value = row.value(key) if row else None
    if section is None or row is None or value is None:
        return ""
    baseline = section.row(section.baseline)
    ratio = row.ratio(key, baseline) if figure.ratio and baseline and row is not baseline else None
    return f"{value:,.{figure.digits}f}" + (f" ({ratio:.2f} of {baseline.server})" if ratio and baseline else "")


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *others = [[escape(cell).replace("**", "") for cell in row] for row in rows]
    lines = ["<tr>" + "".join(f"<th>{cell}</th>" for cell in head) + "</tr>"]
    lines += ["<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in others]
    return '<div class="scroll"><table>\n' + "\n".join(lines) + "\n</table></div>"


def _write(path: Path, title: str, body: Sequence[str]) -> None:
    head = f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>\n'
    text = [head + f"<style>\n{STYLE}</style>", f"<h1>{escape(title)}</h1>", *body]
    path.write_text("\n".join(text) + "\n", encoding="utf-8")


def main() -> None:
    """Make the pages of all results again, and write the documents where that is asked."""
    parser = argparse.ArgumentParser(prog="python -m bench.pages", description="Make the pages of all results again.")
    parser.add_argument("--write", action="store_true", help="let README and docs show the newest ones")
    choices = parser.parse_args()
    results = read_results()
    for result in results:
        write_page(result, FOLDER)
    write_index(results, FOLDER)
    if choices.write:
        show_newest(results)
    print(f"{len(results)} results", file=sys.stderr)


if __name__ == "__main__":
    main()
