"""The command as a user runs it: what goes wrong is one line and exit code 2, what goes well ends with 0."""

from __future__ import annotations

import json
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import tomllib

import pytest

from live.conftest import Start
from requirements import shows
from support.ignored_headers import ask
from support.raw import Connection
from support.server import PenstockServer, environment
from support.upstream import ScriptedUpstream

COMMAND = (sys.executable, "-m", "penstock_adapters.cli")
ENDS_S = 20.0


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as empty:
        return subprocess.run(
            [*COMMAND, *arguments],
            cwd=empty,
            env=environment() | env,
            capture_output=True,
            text=True,
            timeout=ENDS_S,
            check=False,
        )


MISTAKES: list[tuple[list[str], dict[str, str], str]] = [
    (["--upstream", "nonsense"], {}, "http"),
    (["--upstream", "ftp://127.0.0.1/v1"], {}, "http"),
    (["--upstream", "http://127.0.0.1/v1/chat/completions"], {}, "base URL"),
    (["--port", "eighty"], {}, "--port"),
    (["--port", "70000"], {}, "--port"),
    (["--host", "0.0.0.0"], {}, "--allow-anonymous"),
    (["--config", "nowhere.toml"], {}, "nowhere.toml"),
    (["--upstream-key-env", "NO_SUCH_KEY", "--upstream", "http://127.0.0.1/v1"], {}, "NO_SUCH_KEY"),
    ([], {"PENSTOCK_LIMITS_IDLE_S": "-1"}, "PENSTOCK_LIMITS_IDLE_S"),
    ([], {"PENSTOCK_ABSENT_TOOLS": "perhaps"}, "PENSTOCK_ABSENT_TOOLS"),
    ([], {"PENSTOCK_PROT": "80"}, "PENSTOCK_PORT"),
]


@pytest.mark.parametrize(("arguments", "env", "reported"), MISTAKES, ids=str)
def test_a_mistake_is_one_line(arguments: list[str], env: dict[str, str], reported: str) -> None:
    ended = run("serve", *arguments, **env)
    [line] = ended.stderr.splitlines()
    assert (ended.returncode, ended.stdout) == (2, "")
    assert line.startswith("penstock: ")
    assert reported in line


@shows("json-logs")
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_port_in_use_is_one_line(server: PenstockServer, form: str) -> None:
    port = server.base.rpartition(":")[2]
    ended = run("serve", "--port", port, "--log-format", form)
    [line] = ended.stderr.splitlines()
    if form == "json":
        assert json.loads(line).items() >= {"level": "error", "logger": "penstock.serving"}.items()
    assert ended.returncode == 2
    assert re.search(rf"\b{port}\b.*in use", line)


def test_secrets_are_masked() -> None:
    keys = {"PENSTOCK_API_KEYS": "sk-mine", "CLOUD": "sk-cloud"}
    ended = run("config", "--upstream", "https://api.example.com/v1", "--upstream-key-env", "CLOUD", **keys)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "sk-" not in ended.stdout
    settings = tomllib.loads(ended.stdout)
    assert settings["upstreams"][0]["url"] == "https://api.example.com/v1"
    assert settings["limits"]["idle_s"] > 0


def test_the_request_to_paste_works(synthetic: PenstockServer) -> None:
    """Without curl, which need not be there."""
    [line] = [line for line in synthetic.lines if line.startswith("try: ")]
    command, url, _, header, _, body = shlex.split(line.removeprefix("try: "))
    assert (command, url) == ("curl", f"{synthetic.url}/responses")
    name, _, value = header.partition(": ")
    assert ask(synthetic.url, "POST", "/responses", body.encode(), {name: value}).response["status"] == "completed"


def test_it_prints_which_models_it_serves(start: Start, server: PenstockServer, synthetic: PenstockServer) -> None:
    assert any(line.startswith("models: synthetic") for line in synthetic.lines)
    assert any(line.startswith("models: text, ") for line in server.lines)


@shows("signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_well_while_streams_are_open(upstream: ScriptedUpstream, number: signal.Signals) -> None:
    with PenstockServer("--upstream", upstream.url, env={"PENSTOCK_DRAIN_S": "0.2"}) as server:
        with Connection(server.url) as connection:
            connection.post({"model": "hang_midway", "input": "Hello?", "stream": True})
            connection.head()
            server.process.send_signal(number)
            assert server.process.wait(ENDS_S) == 0
        upstream.completion().wait_left()


@shows("signals")
def test_nothing_listens_afterwards(upstream: ScriptedUpstream) -> None:
    with PenstockServer() as server:
        host, port = server.base.removeprefix("http://").split(":")
    with pytest.raises(OSError), socket.create_connection((host, int(port)), timeout=1):
        """It must not."""
