"""Every block of code in a page is read, and every program runs against the live server."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from documents.pages import ROOT, Block, blocks
from penstock.settings import ConfigFile, KeySettings, load
from penstock.telemetry.metrics.registry import REGISTRY
from penstock_adapters.cli import main
from support.mcp_lab import McpLab

READ_HERE = {"python", "toml", "json", "prometheus"}
READ_ELSEWHERE = {
    "console": "test_commands.py, and test_printed.py what is printed",
    "sh": "test_commands.py",
    "sse": "test_outputs.py",
    "mermaid": "tests/core/transcript/test_diagram.py draws them",
    "": "plain text; test_log_line.py reads the line of the log",
}
SETTINGS = [block for block in blocks("toml") if not block.text.startswith("# prompts/")]
TEMPLATES = [block for block in blocks("toml") if block.text.startswith("# prompts/")]
MOUNTED = """
from starlette.applications import Starlette
from starlette.testclient import TestClient
from penstock import Settings
app = Starlette()
{}
reply = TestClient(app, base_url="http://localhost").post("/ai/v1/responses", json={{"input": "Hi"}})
assert reply.json()["status"] == "completed", reply.text
"""
CLIENT = """
from openai import OpenAI
client = OpenAI(base_url="http://127.0.0.1:8080/v1", api_key="unused")
"""


def named(found: list[Block]) -> list[object]:
    return [pytest.param(block, id=block.name) for block in found]


def test_every_language_is_read() -> None:
    assert {block.language for block in blocks()} <= READ_HERE | READ_ELSEWHERE.keys()


def test_plain_text_is_no_code() -> None:
    """No test reads it, but for the line of the log."""
    pages = {str(block.page.relative_to(ROOT)) for block in blocks("")}
    assert pages == {"ARCHITECTURE.md", "docs/logs.md"}, "give the block its language, so that a test reads it"


@pytest.mark.parametrize("block", named(SETTINGS))
def test_settings_can_be_loaded(block: Block) -> None:
    text = block.text.replace("sha256:…", "sha256:" + "a" * 64)
    load({}, {"EXAMPLE_API_KEY": "sk-1"}, ConfigFile("penstock.toml", text))


def test_the_entry_of_a_key_has_its_fields() -> None:
    [text] = [block.text for block in SETTINGS if block.text.startswith("[[keys]]")]
    [entry] = tomllib.loads(text)["keys"]
    assert entry.keys() == set(KeySettings.__struct_fields__)


@pytest.mark.parametrize("block", named(TEMPLATES))
def test_a_template_can_be_used(block: Block, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / block.text.splitlines()[0].removeprefix("# ")
    file.parent.mkdir(parents=True)
    file.write_text(block.text, encoding="utf-8")
    assert main(["prompts", "check", "--prompts", str(tmp_path / "prompts")]) == 0
    assert capsys.readouterr().out == "compare 2: that, this, trade\n"


@pytest.mark.parametrize("block", named(blocks("prometheus")))
def test_metrics_are_those_of_the_register(block: Block) -> None:
    families = [*text_string_to_metric_families(block.text.replace("…", "."))]
    assert families
    known = {metric.name.removesuffix("_total"): metric.kind for metric in REGISTRY}
    assert {family.name: family.type for family in families}.items() <= known.items()


@pytest.mark.parametrize("block", named(blocks("json")))
def test_json_is_json(block: Block) -> None:
    json.loads(block.text)


@pytest.mark.parametrize("block", named(blocks("python")))
def test_a_program_runs(block: Block, served: str, mcp_lab: McpLab) -> None:
    text = program(block.text).replace("http://127.0.0.1:8080", served)
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", text.replace("https://mcp.example.com/mcp", mcp_lab.url)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout or "print" not in block.text


def program(text: str) -> str:
    """What a page shows, with what it leaves to its reader."""
    if "app.mount(" in text:
        return MOUNTED.format(text)
    return text if "client." not in text or "OpenAI(" in text else CLIENT + text
