"""The dashboard is what its script makes of the registry, and shows every metric once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from deploy.grafana.dashboard import SECTIONS, WIDTH, current

from penstock.telemetry.metrics import REGISTRY


def test_the_dashboard_is_up_to_date(golden: Callable[[str | Path, str], None]) -> None:
    golden("../deploy/grafana/penstock.json", current())


def test_every_metric_is_on_one_panel() -> None:
    charted = [panel.metric.name for panels in SECTIONS.values() for panel in panels]
    assert sorted(charted) == sorted(row.name for row in REGISTRY)


def test_panels_do_not_overlap() -> None:
    panels = json.loads(current())["panels"]
    cells = [
        (x, y)
        for box in (panel["gridPos"] for panel in panels)
        for x in range(box["x"], box["x"] + box["w"])
        for y in range(box["y"], box["y"] + box["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < WIDTH
    assert len({panel["id"] for panel in panels}) == len(panels)
