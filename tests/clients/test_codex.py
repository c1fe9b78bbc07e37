"""The Codex CLI, headless: it is set up as `penstock init codex` describes, runs a command and finishes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clients.conftest import WITHIN_S, installed
from requirements import shows
from support.scripts import OWN_USAGE, ROLE, call, chunk, text
from support.server import PenstockServer
from support.steps import Expect, Script, Send
from support.upstream import ScriptedUpstream
from support.waiting import until

COMMAND = {"cmd": "echo it runs > told.txt"}
MODEL = "codex-test"
TOKENS_MAX = 500
OWN_TABLES = """
[model_providers.other]
name = "Other"
base_url = "http://127.0.0.1:9/v1"

[tui]
notifications = false
"""
RUN = ("--profile", "penstock", "exec", "--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox")


@pytest.fixture(params=["http", "websocket"])
def transport(request: pytest.FixtureRequest) -> str:
    transport: str = request.param
    return transport


@pytest.fixture
def home(server: PenstockServer, transport: str, tmp_path: Path) -> Path:
    """Its own folder, with a configuration that a user has, and what `penstock init` adds to it."""
    port = server.base.rpartition(":")[2]
    home = tmp_path / "home"
    home.mkdir()
    (home / "config.toml").write_text(f'model = "other"\nmodel_auto_compact_token_limit = {TOKENS_MAX}\n{OWN_TABLES}')
    command = [sys.executable, "-m", "penstock_adapters.cli", "init", "codex", "--port", port, "--model", MODEL]
    env = os.environ | {
        "PENSTOCK_WEBSOCKET": "true" if transport == "websocket" else "false",
        "CODEX_HOME": str(home),
    }
    for _ in range(2):  # the second time, there is nothing left to do
        subprocess.run(command, env=env, capture_output=True, text=True, check=True, cwd=tmp_path)
    return home


def codex(home: Path, *task: str) -> list[dict[str, Any]]:
    """What it prints of a task that it is given."""
    program = installed(".bin/codex")
    work = home.parent / "work"
    work.mkdir(exist_ok=True)
    ran = subprocess.run(
        [str(program), *RUN, "-C", str(work), *task],
        env=os.environ | {"CODEX_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]


@shows("codex")
def test_it_runs_a_command_and_finishes(
    home: Path, server: PenstockServer, upstream: ScriptedUpstream, transport: str
) -> None:
    upstream.forget()
    known = len(server.lines)
    arguments = json.dumps(COMMAND)
    wants = Send(ROLE, *call(0, arguments[:9], arguments[9:], call_id="call_1", name="exec_command"))
    upstream.add(MODEL, Script((wants, Send(chunk({}, "tool_calls"), OWN_USAGE)), Expect()))
    upstream.add_after(1, MODEL, Script((Send(ROLE, *text("It ", "ran."), chunk({}, "stop"), OWN_USAGE),), Expect()))
    events = codex(home, "Run it.")
    assert (home.parent / "work" / "told.txt").read_text() == "it runs\n"
    items = [event["item"] for event in events if event["type"] == "item.completed"]
    assert [item["exit_code"] for item in items if item["type"] == "command_execution"] == [0]
    assert [item["text"] for item in items if item["type"] == "agent_message"] == ["It ran."]
    assert events[-1]["type"] == "turn.completed"
    request = {"http": "POST /v1/responses 200", "websocket": "GET /v1/responses 101"}[transport]
    until(lambda: any(request in line for line in server.lines[known:]))


@shows("compact")
def test_it_compacts_its_context_and_goes_on(home: Path, upstream: ScriptedUpstream) -> None:
    """A provider of OpenAI's name is asked for the compaction; any other one would only be asked for a summary."""
    usage = {"prompt_tokens": TOKENS_MAX, "completion_tokens": 1, "total_tokens": TOKENS_MAX + 1}
    step = Send(ROLE, *text("It ", "ran."), chunk({}, "stop"), {**OWN_USAGE, "usage": usage})
    upstream.add(MODEL, Script((step,), Expect()))
    upstream.forget()
    codex(home, "Run it.")
    events = codex(home, "resume", "--last", "And now?")
    assert events[-1]["type"] == "turn.completed"
    first, asked, answered = (one.body["messages"] for one in upstream.completions)
    assert asked[: len(first) + 1] == [*first, {"role": "assistant", "content": "It ran."}]
    assert [message["content"] for message in answered if message["role"] == "assistant"] == []
    assert [message["content"].rpartition("\n")[2] for message in answered[-2:]] == ["It ran.", "And now?"]
