"""Importing is pure: quick, and nothing happens. Cold starts and edge snapshots live on it."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from architecture.source import ROOT, core
from requirements import shows

FRAMEWORKS = set("aiohttp httptools openai orjson pydantic starlette uvicorn uvloop".split())
HEAVY = set("asyncio http.client sqlite3 ssl urllib.request".split())
ROOTS = (ROOT / "core", ROOT / "adapters")


def probe(*modules: str, roots: tuple[Path, ...] = ROOTS) -> dict[str, Any]:
    """Without bytecode (-B): writing it is Python's doing, not ours."""
    command = [sys.executable, "-B", str(Path(__file__).with_name("probe.py")), *modules]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, roots))}
    run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False)
    assert run.returncode == 0
    return json.loads(run.stdout)


@shows("lean-imports")
def test_the_package_itself_is_light() -> None:
    loaded = set(probe("penstock")["loaded"])
    assert "penstock" in loaded
    assert not loaded & (FRAMEWORKS | HEAVY)


def test_the_hub_needs_no_framework() -> None:
    loaded = set(probe("penstock_adapters.asgi")["loaded"])
    assert "penstock_adapters.asgi" in loaded
    assert not loaded & FRAMEWORKS


@shows("lean-imports")
def test_the_client_needs_no_other_client() -> None:
    """Functions use it, and their cold start has no second for aiohttp."""
    loaded = set(probe("penstock_adapters.http_client")["loaded"])
    assert "penstock_adapters.http_client" in loaded
    assert not loaded & (FRAMEWORKS - {"httptools"} | {"http.client", "yarl", "urllib.request"})


@shows("lean-imports")
def test_importing_does_nothing() -> None:
    """No thread, socket, event loop, file, process, clock, chance or regular expression in core, or in the hub."""
    names = {module.name for module in core()}
    seen = probe(*sorted(names), "penstock_adapters.asgi")
    assert names <= set(seen["loaded"])
    assert not seen["done"]


def test_a_deed_is_seen(tmp_path: Path) -> None:
    deeds = "import asyncio, time\nasyncio.new_event_loop().close()\ntime.time()\nopen(__file__, 'a').close()"
    (tmp_path / "penstock_busy.py").write_text(deeds)
    done = "\n".join(probe("penstock_busy", roots=(tmp_path,))["done"])
    assert "socket." in done
    assert "time.time in penstock_busy" in done
    assert "open (" in done


@shows("lean-imports")
def test_a_regular_expression_is_compiled_with_its_first_use() -> None:
    """The synthetic model has others: it needs all of them."""
    eager = {module.name for module in core() for node in ast.walk(module.tree) if is_compilation(node)}
    assert {name for name in eager if "dialects.synthetic" not in name} == {"penstock.patterns"}


def is_compilation(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "re.compile"
