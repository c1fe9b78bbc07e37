"""`penstock doctor`: a line for everything that the settings name, and exit code 1 where something does not work."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest

from penstock_adapters.cli import main
from requirements import shows
from support.mcp_lab import McpLab

NOWHERE = "127.0.0.1:9"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty folder, and no variable of ours."""
    for name in os.environ:
        if name.startswith("PENSTOCK_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def diagnosed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str]]:
    """The exit code, and the lines without times."""
    code = main(["doctor", *arguments])
    output = capsys.readouterr()
    assert output.err == ""
    return code, [re.sub(r" \(\d+ ms\)$", "", line) for line in output.out.splitlines()]


@shows("doctor")
def test_what_works_has_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert diagnosed(capsys, "--store", "sqlite:///a.db") == (
        0,
        [
            "ok    upstream synthetic: it lists 1 of the models that it serves",
            "ok    store sqlite:///a.db: rows can be written and read",
        ],
    )
    assert diagnosed(capsys, "--store", "none://")[1][1] == "ok    store none://: nothing is stored"


@shows("doctor")
def test_what_does_not_work_has_its_reason(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_SEARCH", f"brave:http://{NOWHERE}")
    monkeypatch.setenv("PENSTOCK_SEARCH_KEY", "sk-canary")
    store = f"redis://me:sk-canary@{NOWHERE}/0"
    code, lines = diagnosed(capsys, "--upstream", f"http://{NOWHERE}/v1", "--store", store)
    assert code == 1
    assert "sk-canary" not in "".join(lines)
    upstream, stored, search, pages = lines
    assert upstream.startswith("fail  upstream default: does not list its models: The upstream cannot be reached")
    assert stored.startswith(f"fail  store redis://{NOWHERE}/0: The store in Redis fails: the server cannot be reached")
    assert search == "fail  search brave: the search engine cannot be reached: connection refused"
    assert pages == "ok    pages: HTML, text and PDF can be read"


@shows("doctor")
def test_mcp_servers_are_listed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with McpLab() as lab:
        settings = f"""
        mcp = "on"
        store = "none://"
        [mcp_servers]
        lab = {{ url = "{lab.url}", headers = {{ x-key = "header-canary" }} }}
        away = {{ url = "http://{NOWHERE}/path-canary" }}
        program = {{ command = "/no/such/program" }}
        [mcp_connectors]
        connector_gmail = "{lab.url}"
        """
        (tmp_path / "penstock.toml").write_text(settings)
        code, lines = diagnosed(capsys)
    assert code == 1
    assert lines[2:] == [
        "ok    mcp lab: it lists 7 tools",
        "fail  mcp away: The server cannot be reached.",
        "fail  mcp program: The program of the server cannot be started.",
        "ok    mcp connector_gmail: it lists 7 tools",
    ]
    (tmp_path / "penstock.toml").write_text('mcp = "on"')
    assert diagnosed(capsys)[1][2:] == ["ok    mcp: the SDK is installed; servers are those of requests"]


@shows("doctor")
def test_an_mcp_server_that_never_answers_does_not_hold_the_command(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = f"""
        mcp = "on"
        store = "none://"
        [limits]
        mcp_list_s = 0.2
        [mcp_servers]
        silent = {{ url = "http://127.0.0.1:{silent.getsockname()[1]}/" }}
        """
        (tmp_path / "penstock.toml").write_text(settings)
        code, lines = diagnosed(capsys)
    assert code == 1
    assert lines[-1] == "fail  mcp silent: The server has not listed its tools within 0.2 seconds."
