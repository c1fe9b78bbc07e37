"""The app of variables and file under an ASGI server of the user's choice, and `python -m penstock`."""

from __future__ import annotations

import subprocess
import sys

import pytest

from live.conftest import Start
from requirements import shows
from support.ignored_headers import post
from support.server import PenstockServer
from support.upstream import ScriptedUpstream
from support.waiting import until

FACTORY = "penstock_adapters.starlette:app_from_environment"
MAIN = f"""
import contextlib, socket, uvicorn
with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.suppress(KeyboardInterrupt):
    print(f"listening on http://127.0.0.1:{{listener.getsockname()[1]}}", flush=True)
    uvicorn.Server(uvicorn.Config("{FACTORY}", factory=True, log_level="warning")).run([listener])
"""


class UvicornServer(PenstockServer):
    """Plain uvicorn, which gets the factory's name and nothing else."""

    command = (sys.executable, "-c", MAIN)


@shows("any-host")
def test_the_factory_reads_variables_and_the_file(start: Start, upstream: ScriptedUpstream) -> None:
    server = start(
        toml=f'[[upstreams]]\nname = "chat"\nurl = "{upstream.url}"\nmodels = ["*"]\n',
        server=UvicornServer,
        PENSTOCK_MODEL="text",
        PENSTOCK_STORE="memory://",
    )
    for stream in (False, True):
        answer = post(server.url, {"input": "Hello?", "stream": stream})
        assert (answer.status, answer.response["status"], answer.response["model"]) == (200, "completed", "text")
    again = post(server.url, {"input": "And?", "previous_response_id": answer.response["id"]})
    assert again.response["status"] == "completed"
    until(lambda: "There are no API keys" in server.log)


@shows("any-host")
def test_a_mistake_ends_the_host_with_one_line_about_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("host")
    (folder / "penstock.toml").write_text("prot = 1")
    command = [sys.executable, "-m", "uvicorn", "--factory", FACTORY, "--port", "0"]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode != 0
    assert ended.stderr.rstrip().endswith("penstock.toml: prot: there is no such setting; did you mean port? (line 1)")


def test_the_package_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "penstock", "--version"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout.split()[0], ended.stderr) == (0, "penstock", "")
