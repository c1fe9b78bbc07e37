"""Prometheus itself: it takes the metrics, the alerts and the dashboard's queries of a server under load."""

from __future__ import annotations

import json
import math
import subprocess
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from deploy.grafana.dashboard import SECTIONS, targets

from conformance.servers import free_port, program
from live.conftest import Start
from penstock.telemetry.metrics.registry import Metric
from requirements import shows
from support.mcp_lab import McpLab
from support.missing import skipped_if_missing
from support.raw import ask, post
from support.server import ROOT, PenstockServer
from support.waiting import until

pytestmark = pytest.mark.slow

RULES = ROOT / "deploy" / "prometheus"
PACED = "synthetic?tokens=20&ttft_ms=5&itl_ms=1"
CONFIG = """
global: {{scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: penstock
    static_configs: [{{targets: ["{target}"]}}]
"""
VARIABLES = {"$instance": ".+", "$model": ".*", "$__rate_interval": "4s"}


@pytest.fixture
def promtool() -> str:
    return needed("promtool")


def needed(name: str) -> str:
    """A program of Debian's package `prometheus`. CI has it."""
    with skipped_if_missing():
        return program(name)


def check(promtool: str, *arguments: str, text: bytes = b"") -> tuple[int, str]:
    done = subprocess.run([promtool, *arguments], input=text, capture_output=True, timeout=60, check=False)
    return done.returncode, (done.stdout + done.stderr).decode()


@pytest.fixture(scope="module")
def lab() -> Iterator[McpLab]:
    with McpLab() as running:
        yield running


@shows("metrics")
@pytest.mark.parametrize("vllm", ["true", "false"])
def test_promtool_finds_nothing_wrong(start: Start, promtool: str, vllm: str) -> None:
    server = start("--workers", "2", PENSTOCK_VLLM_METRICS=vllm)
    assert post(server.url, {"model": PACED, "input": "Hi", "stream": True}).status == 200
    text = ask(server.base, "GET", "/metrics").body
    code, output = check(promtool, "check", "metrics", text=text)
    # the colons in vLLM's names are those of recording rules, for promtool
    complaints = [
        line for line in output.splitlines() if not (vllm == "true" and line.endswith("should not contain ':'"))
    ]
    assert (complaints, code) == ([], 3 if vllm == "true" else 0)


def test_the_configuration_and_the_alerts_are_right(promtool: str) -> None:
    for arguments in (("check", "config", "prometheus.yml"), ("test", "rules", "alerts_test.yml")):
        code, output = check(promtool, *arguments[:2], str(RULES / arguments[2]))
        assert code == 0, output


def test_every_alert_is_tested_both_ways() -> None:
    alerts = [line.split()[-1] for line in (RULES / "alerts.yml").read_text().splitlines() if "- alert:" in line]
    tested = (RULES / "alerts_test.yml").read_text()
    assert len(alerts) == 10
    assert all(tested.count(f"alertname: {alert}") == 2 for alert in alerts)


@shows("metrics")
def test_every_query_of_the_dashboard_has_data(start: Start, lab: McpLab, tmp_path: Path) -> None:
    settings = {"PENSTOCK_MCP": "on", "PENSTOCK_EGRESS_ALLOW": lab.address, "PENSTOCK_STORE": "sqlite:///metrics.db"}
    server = start("--workers", "2", **settings)
    panels = [panel for section in SECTIONS.values() for panel in section]
    queries = [(panel.metric, query) for panel in panels for query, _ in targets(panel.metric)]
    with prometheus(server, tmp_path) as url, under_load(server, lab):
        for metric, query in queries:
            until(lambda metric=metric, query=query: has_data(url, metric, query))  # type: ignore[misc]
        rules = [rule for group in get(url, "rules")["groups"] for rule in group["rules"]]
        assert len(rules) == 10
        until(lambda: all(rule["health"] == "ok" for group in get(url, "rules")["groups"] for rule in group["rules"]))


@contextmanager
def prometheus(server: PenstockServer, folder: Path) -> Iterator[str]:
    """The API of a Prometheus that scrapes this server."""
    binary = needed("prometheus")
    config = folder / "prometheus.yml"
    config.write_text(CONFIG.format(rules=RULES / "alerts.yml", target=server.base.removeprefix("http://")))
    address = f"127.0.0.1:{free_port()}"
    options = [f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={address}"]
    process = subprocess.Popen([binary, *options, "--log.level=warn"])
    try:
        url = f"http://{address}/api/v1"
        until(lambda: answers(url))
        yield url
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def under_load(server: PenstockServer, lab: McpLab) -> Iterator[None]:
    """Requests of every kind, one after the other, until the test has what it wants."""
    is_over = False

    def run() -> None:
        dice = {"type": "mcp", "server_label": "dice", "server_url": lab.url, "require_approval": "never"}
        hosted = {"tools": [dice], "tool_choice": {"type": "mcp", "server_label": "dice", "name": "roll"}}
        bodies: tuple[dict[str, Any], ...] = ({"stream": True}, {"banana": 1}, {"model": "unknown"}, hosted)
        while not is_over:
            for body in bodies:
                post(server.url, {"model": PACED, "input": "Hi", **body})

    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(run)
        try:
            yield
        finally:
            is_over = True
        running.result()


def answers(url: str) -> bool:
    try:
        return bool(get(url, "status/buildinfo"))
    except OSError:
        return False


def get(url: str, path: str) -> Any:
    with urllib.request.urlopen(f"{url}/{path}", timeout=20) as reply:
        return json.loads(reply.read())["data"]


def has_data(url: str, metric: Metric, query: str) -> bool:
    """Whether the query has a series, and a histogram has values."""
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    values = [float(series["value"][1]) for series in get(url, f"query?query={quote(query)}")["result"]]
    return bool(values) and (metric.kind != "histogram" or not all(map(math.isnan, values)))
