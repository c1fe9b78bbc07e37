"""Results as charts: ratios as bars, latency as percentiles, cost against size as lines. SVG, the same each time.

It draws what `result_data.py` has and computes nothing but positions. Matplotlib is imported by those who draw, not by
those who measure.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import FuncFormatter, NullFormatter

from bench.result_data import COSTS, FIGURES, WHOLE_COSTS, Result, Section, families_of, servers_of

STYLE = {
    "svg.fonttype": "none",  # letters stay letters: small, and they can be searched
    "svg.hashsalt": "penstock",  # ids do not change from run to run
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # which matplotlib has with it
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "axes.axisbelow": True,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
}
COLOURS = ("#2563a8", "#e08214", "#3a9d6e", "#b2405c", "#7b5ea7", "#8c6d31", "#5f6b73", "#d66ba0", "#9aa52d", "#1f9bb0")
BASELINE_COLOUR = "#b8bec4"
WIDTH_IN = 8.5
BAR_IN = 0.24
TITLE_IN = 0.45
PERCENTILES = (("p50_ms", "o", "p50"), ("p90_ms", "|", "p90"), ("p99_ms", "D", "p99"))


def charts(result: Result) -> dict[str, str]:
    """Return the charts of a result by their names; one without figures is left out."""
    plain = [section for section in result.sections if not section.family]
    with mpl.rc_context(STYLE):
        drawn = {
            "ratios": ratio_bars(plain),
            "cpu": cpu_bars(plain),
            "latency": latency_dots(plain, ""),
            "first-token": latency_dots(plain, "first_delta_"),
            "size": size_lines(result.sections),
        }
    return {name: text for name, text in drawn.items() if text}


class _Ratio(NamedTuple):
    """The cost of a server in a section, by that of the baseline."""

    section: str
    server: str
    baseline: str
    value: float


def ratio_bars(sections: Sequence[Section]) -> str:
    """Return the CPU of each server as a multiple of the baseline's: a bar to the left of 1 is less."""
    ratios = [ratio for section in sections for ratio in _ratios(section)]
    if not ratios:
        return ""
    drawing, axes = _axes(len(ratios))
    colours = _colours([ratio.server for ratio in ratios])
    for position, ratio in enumerate(ratios):
        axes.barh(position, ratio.value - 1, left=1, color=colours[ratio.server], height=0.72)
        offset, side = ((4, 0), "left") if ratio.value >= 1 else ((-4, 0), "right")
        label, end = f"{ratio.value:.2f} of {ratio.baseline}", (ratio.value, position)
        axes.annotate(label, end, offset, textcoords="offset points", va="center", ha=side, fontsize=8)
    values = [1.0, *(ratio.value for ratio in ratios)]
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xlim(min(values) / 5, max(values) * 5)
    _plain_ticks(axes, "x")
    axes.set_yticks(range(len(ratios)), [f"{ratio.section}  {ratio.server}" for ratio in ratios])
    axes.set_title("CPU, as a multiple of the baseline's: less is better")
    axes.grid(visible=False, axis="y")
    return _svg(drawing)


def _ratios(section: Section) -> Iterator[_Ratio]:
    key, baseline = section.first_of(COSTS), section.row(section.baseline)
    if key is None or baseline is None:
        return
    for row in section.rows:
        if row is not baseline and (value := row.ratio(key, baseline)):
            yield _Ratio(section.name, row.server, baseline.server, value)


def cpu_bars(sections: Sequence[Section]) -> str:
    """Return the CPU of each server as bars, one panel a section; labels are ratios to the baseline, which is grey."""
    keyed = [(section, key) for section in sections if (key := section.first_of(COSTS))]
    if not keyed:
        return ""
    counts = [sum(key in row.figures for row in section.rows) for section, key in keyed]
    heights = [count * BAR_IN + TITLE_IN for count in counts]
    drawing = Drawing(figsize=(WIDTH_IN, sum(heights)), layout="constrained")
    colours = _colours(servers_of(section for section, _ in keyed))
    panels = drawing.subplots(len(keyed), 1, squeeze=False, height_ratios=counts)[:, 0]
    for axes, (section, key) in zip(panels, keyed, strict=True):
        _bars(axes, section, key, colours)
    return _svg(drawing)


def _bars(axes: Axes, section: Section, key: str, colours: Mapping[str, str]) -> None:
    baseline = section.row(section.baseline)
    rows = [row for row in section.rows if key in row.figures]
    values = [row.value(key) or 0.0 for row in rows]
    row_colours = [BASELINE_COLOUR if row is baseline else colours[row.server] for row in rows]
    axes.barh(range(len(rows)), values, color=row_colours, height=0.72)
    for position, (row, value) in enumerate(zip(rows, values, strict=True)):
        ratio = row.ratio(key, baseline) if baseline and row is not baseline else None
        label = f"{value:,.{FIGURES[key].digits}f} µs" + (
            "" if ratio is None else f",  {ratio:.2f} of {section.baseline}"
        )
        axes.annotate(label, (value, position), (4, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(range(len(rows)), [row.server for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0, max(values) * 1.35)
    axes.set_title(f"{section.name}: {FIGURES[key].heading}, less is better")
    axes.grid(visible=False, axis="y")


def latency_dots(sections: Sequence[Section], prefix: str) -> str:
    """Return p50, p90 and p99 of each server as dots on a line, on a scale of powers of ten."""
    lines = [
        (f"{section.name}  {row.server}", row.server, [row.value(prefix + key) for key, *_ in PERCENTILES])
        for section in sections
        for row in section.rows
    ]
    drawable = [(label, server, [each for each in values if each]) for label, server, values in lines if all(values)]
    if not drawable:
        return ""
    drawing, axes = _axes(len(drawable))
    colours = _colours([server for _, server, _ in drawable])
    for position, (_, server, values) in enumerate(drawable):
        axes.plot(values, [position] * len(values), color=colours[server], linewidth=1.2)
        for value, (_, marker, _) in zip(values, PERCENTILES, strict=True):
            axes.plot([value], [position], marker, color=colours[server], markersize=5)
    axes.set_xscale("log")
    _plain_ticks(axes, "x")
    axes.set_yticks(range(len(drawable)), [label for label, *_ in drawable])
    what = "Time to the first delta" if prefix else "Time to the end of a reply"
    axes.set_title(f"{what}: ● p50, | p90, ◆ p99, in ms")
    axes.grid(visible=False, axis="y")
    return _svg(drawing)


def size_lines(sections: Sequence[Section]) -> str:
    """Return the CPU of a request against its size, one panel a family, one line a server."""
    families = list(families_of(sections))
    if not families:
        return ""
    drawing = Drawing(figsize=(WIDTH_IN, 3.2), layout="constrained")
    colours = _colours(servers_of(section for _, members in families for section in members))
    panels = drawing.subplots(1, len(families), squeeze=False)[0]
    for axes, (family, members) in zip(panels, families, strict=True):
        for server in servers_of(members):
            points = [
                (each.size, row.value(key))
                for each in members
                if (row := each.row(server)) and (key := each.first_of(WHOLE_COSTS))
            ]
            axes.plot(*zip(*points, strict=True), "o-", color=colours[server], label=server, markersize=4)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks([each.size for each in members], [f"{each.size:,g}" for each in members])
        _plain_ticks(axes, "y")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(family, wrap=True)
    panels[0].set_ylabel("CPU µs")
    panels[0].legend(frameon=False)
    drawing.suptitle("CPU against size, less is better", x=0.01, ha="left", fontsize=10)
    return _svg(drawing)


def history_lines(results: Sequence[Result], section: str, key: str) -> str:
    """Return one figure of one section over all results, one line a server."""
    names = [result.name for result in results]
    found = [next((each for each in result.sections if each.name == section), None) for result in results]
    with mpl.rc_context(STYLE):
        drawing = Drawing(figsize=(WIDTH_IN / 2, 2.4), layout="constrained")
        axes = drawing.subplots()
        servers = servers_of(each for each in found if each)
        for server, colour in _colours(servers).items():
            rows = [each.row(server) if each else None for each in found]
            points = [
                (position, row.value(key)) for position, row in enumerate(rows) if row and row.value(key) is not None
            ]
            if points:
                axes.plot(*zip(*points, strict=True), "o-", color=colour, label=server, markersize=4)
        axes.set_xticks(range(len(names)), names, rotation=20, ha="right", fontsize=7)
        axes.set_ylim(bottom=0)
        axes.set_title(f"{section}: {FIGURES[key].heading}")
        axes.legend(frameon=False, fontsize=7)
        return _svg(drawing)


def _axes(lines: int) -> tuple[Drawing, Axes]:
    drawing = Drawing(figsize=(WIDTH_IN, lines * BAR_IN + TITLE_IN + 0.4), layout="constrained")
    axes = drawing.subplots()
    axes.set_ylim(lines - 0.4, -0.6)
    return drawing, axes


def _colours(names: Sequence[str]) -> dict[str, str]:
    distinct = list(dict.fromkeys(names))
    return {name: COLOURS[position % len(COLOURS)] for position, name in enumerate(distinct)}


def _plain_ticks(axes: Axes, which: str) -> None:
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axis.set_minor_formatter(NullFormatter())


def _svg(drawing: Drawing) -> str:
    text = io.StringIO()
    drawing.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue()
