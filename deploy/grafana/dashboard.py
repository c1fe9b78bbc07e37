"""The dashboard for Grafana, made from the registry of metrics.

`python deploy/grafana/dashboard.py` writes `deploy/grafana/penstock.json`. A test is red where that file is out of
date, or where a metric is on no panel.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from penstock.telemetry.metrics import registry
from penstock.telemetry.metrics.registry import MODEL, Metric

FILE = Path(__file__).with_name("penstock.json")
Json = dict[str, Any]

WIDTH, PANEL_WIDTH, PANEL_HEIGHT = 24, 8, 8
QUANTILES = (0.5, 0.95, 0.99)
UNITS = {"seconds": "s", "tokens": "short", "": "short"}
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


class Panel(NamedTuple):
    """One panel: its title, and the metric that it shows."""

    title: str
    metric: Metric


SECTIONS: dict[str, tuple[Panel, ...]] = {
    "Requests": (
        Panel("Requests per second", registry.REQUESTS),
        Panel("Responses per second, by their end", registry.RESPONSES),
        Panel("Responses that are being made", registry.RUNNING),
        Panel("Requests that wait", registry.QUEUED),
        Panel("WebSocket connections", registry.WEBSOCKETS),
        Panel("Ignored parameters per second", registry.IGNORED_PARAMETERS),
        Panel("Calls of hosted tools", registry.TOOL_CALLS),
    ),
    "Times": (
        Panel("Time to first token", registry.FIRST_TOKEN),
        Panel("Between tokens (upstream reads)", registry.INTER_TOKEN),
        Panel("Whole response", registry.RESPONSE_DURATION),
    ),
    "Tokens": (
        Panel("Input tokens per second", registry.INPUT_TOKENS),
        Panel("Output tokens per second", registry.OUTPUT_TOKENS),
        Panel("Cached input tokens per second", registry.CACHED_TOKENS),
        Panel("Reasoning tokens per second", registry.REASONING_TOKENS),
    ),
    "Upstreams": (
        Panel("Failed calls per second, by blame", registry.UPSTREAM_ERRORS),
        Panel("Retries per second", registry.UPSTREAM_RETRIES),
        Panel("Open breakers", registry.BREAKER_OPEN),
        Panel("Breakers that opened, per second", registry.BREAKER_TRIPS),
    ),
    "Server": (
        Panel("Store", registry.STORE),
        Panel("Leases taken over, per second", registry.LEASES_TAKEN_OVER),
        Panel("Silent workers, per second", registry.SCRAPE_ERRORS),
        Panel("Streams without a terminal event, per second", registry.STREAMS_WITHOUT_TERMINAL),
        Panel("Versions", registry.BUILD),
    ),
    "Synthetic model": (
        Panel("Lag of tokens", registry.STREAM_LAG),
        Panel("KV cache in use", registry.KV_USAGE),
        Panel("Preemptions per second", registry.PREEMPTIONS),
        Panel("Prefix cache: tokens searched per second", registry.PREFIX_CACHE_QUERIES),
        Panel("Prefix cache: tokens found per second", registry.PREFIX_CACHE_HITS),
    ),
}


def targets(metric: Metric) -> Iterator[tuple[str, str]]:
    """The queries of a metric, each with the legend of its lines."""
    labels = ", ".join(metric.labels)
    legend = " ".join(f"{{{{{label}}}}}" for label in metric.labels)
    by = f"sum by ({labels}) " if labels else "sum"
    chosen = 'instance=~"$instance"' + (f', {MODEL}=~"$model"' if MODEL in metric.labels else "")
    if metric.kind == "gauge":
        yield f"{by}({metric.name}{{{chosen}}})", legend
    elif metric.kind == "counter":
        yield f"{by}(rate({metric.name}{{{chosen}}}[$__rate_interval]))", legend
    else:
        buckets = (
            f"sum by ({', '.join(('le', *metric.labels))}) (rate({metric.name}_bucket{{{chosen}}}[$__rate_interval]))"
        )
        for quantile in QUANTILES:
            yield f"histogram_quantile({quantile}, {buckets})", f"p{quantile * 100:g} {legend}".strip()


def panels() -> Iterator[Json]:
    """The sections, and the panels of each, from left to right."""
    number = top = 0
    for section, of_section in SECTIONS.items():
        number += 1
        grid_position = {"h": 1, "w": WIDTH, "x": 0, "y": top}
        yield {
            "id": number,
            "type": "row",
            "title": section,
            "collapsed": False,
            "gridPos": grid_position,
            "panels": [],
        }
        top += 1
        for index, panel in enumerate(of_section):
            number += 1
            row, column = divmod(index, WIDTH // PANEL_WIDTH)
            grid_position = {
                "h": PANEL_HEIGHT,
                "w": PANEL_WIDTH,
                "x": column * PANEL_WIDTH,
                "y": top + row * PANEL_HEIGHT,
            }
            yield _panel(number, panel, grid_position)
        top += PANEL_HEIGHT * -(-len(of_section) // (WIDTH // PANEL_WIDTH))


def _panel(number: int, panel: Panel, grid_position: Json) -> Json:
    queries = [
        {"refId": chr(ord("A") + index), "datasource": DATASOURCE, "expr": query, "legendFormat": legend or panel.title}
        for index, (query, legend) in enumerate(targets(panel.metric))
    ]
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.metric.help,
        "datasource": DATASOURCE,
        "gridPos": grid_position,
        "fieldConfig": {"defaults": {"unit": UNITS[panel.metric.unit], "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": queries,
    }


def _variable(name: str, metric: Metric, label: str) -> Json:
    query = f"label_values({metric.name}, {label})"
    return {
        "name": name,
        "type": "query",
        "datasource": DATASOURCE,
        "definition": query,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
        "sort": 1,
    }


def current() -> str:
    """The dashboard as it should be."""
    dashboard = {
        "title": "Penstock",
        "uid": "penstock",
        "description": "Requests, times, tokens, upstreams and stores. Written by deploy/grafana/dashboard.py.",
        "tags": ["penstock", "llm"],
        "schemaVersion": 39,
        "editable": True,
        "time": {"from": "now-1h", "to": "now"},
        "refresh": "30s",
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "prometheus"},
                _variable("instance", registry.BUILD, "instance"),
                _variable("model", registry.RESPONSES, MODEL),
            ]
        },
        "panels": list(panels()),
    }
    return json.dumps(dashboard, indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(current(), encoding="utf-8")
