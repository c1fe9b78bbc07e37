"""The files of functions: what they refer to is there, and what they install is enough."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from deploy.files import DEPLOY
from penstock.version import VERSION
from support.server import ROOT, environment
from support.upstream import ScriptedUpstream

FUNCTIONS = ("azure", "google", "vercel")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRA = {"cryptography", "httptools", "msgspec"}
"""What `penstock[function]` installs, as modules."""
ABSENT = ("aiohttp", "backports", "brotli", "starlette", "uvicorn", "uvloop", "websockets", "ruamel", "tomlkit")
PROGRAM = f"""
import asyncio, json, runpy, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {ABSENT!r}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
app = runpy.run_path(sys.argv[1])["app"]

async def main():
    sent = []
    body = json.dumps({{"model": "text", "input": "Hi", "stream": True}}).encode()
    asked = [{{"type": "http.request", "body": body}}]
    async def receive():
        return asked.pop() if asked else await asyncio.Event().wait()
    async def send(message):
        sent.append(message)
    headers = [(b"content-type", b"application/json")]
    await app({{"type": "http", "method": "POST", "path": "/api/v1/responses", "headers": headers}}, receive, send)
    assert sent[0]["status"] == 200, sent
    assert b"response.completed" in b"".join(message["body"] for message in sent[1:])

asyncio.run(main())
"""


@pytest.mark.parametrize("folder", FUNCTIONS)
def test_what_a_function_installs_is_what_the_tests_run(folder: str) -> None:
    """The wheel of this version, and packages that are of the group `hosts`, or come with one of that."""
    wheel, *others = (DEPLOY / folder / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert wheel == f"./wheels/penstock-{VERSION}-py3-none-any.whl[function]"
    lock = (ROOT / "requirements-hosts.lock").read_text(encoding="utf-8")
    assert not [each for each in others if f"\n{Requirement(each).name}==" not in lock]


@pytest.mark.slow
def test_the_wheel_is_made_as_the_readme_describes(tmp_path: Path) -> None:
    for folder in FUNCTIONS:
        assert "`pip wheel --no-deps --wheel-dir wheels ../..`" in (DEPLOY / folder / "README.md").read_text("utf-8")
    command = (sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--quiet")
    subprocess.run((*command, "--wheel-dir", str(tmp_path / "wheels"), str(ROOT)), check=True, timeout=120)
    asked = (DEPLOY / "vercel" / "requirements.txt").read_text(encoding="utf-8").strip()
    assert [f"./wheels/{path.name}[function]" for path in (tmp_path / "wheels").iterdir()] == [asked]


def test_the_extra_has_what_a_function_imports() -> None:
    extra = {Requirement(each).name for each in PROJECT["project"]["optional-dependencies"]["function"]}
    assert extra | {"msgspec"} == EXTRA


def test_vercel_json_names_files_that_are_there() -> None:
    project = json.loads((DEPLOY / "vercel" / "vercel.json").read_text(encoding="utf-8"))
    for name in project["functions"]:
        assert (DEPLOY / "vercel" / name).is_file()
    [rewrite] = project["rewrites"]
    assert f"{rewrite['destination'].removeprefix('/')}.py" in project["functions"]
    version = (DEPLOY / "vercel" / ".python-version").read_text(encoding="utf-8")
    assert tuple(map(int, version.split("."))) >= (3, 12)


@pytest.mark.slow
def test_a_function_needs_no_more_than_it_installs(tmp_path: Path) -> None:
    with ScriptedUpstream() as upstream:
        env = environment() | {"PENSTOCK_ALLOW_ANONYMOUS": "true", "PENSTOCK_UPSTREAM": upstream.url}
        command = (sys.executable, "-c", PROGRAM, str(DEPLOY / "vercel" / "api" / "index.py"))
        ended = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
