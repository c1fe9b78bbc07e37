"""The start of the server: it imports what it needs, and what is optional when that is first used."""

from __future__ import annotations

import re

import pytest

from requirements import shows
from support.raw import post
from support.server import PenstockServer
from support.upstream import ScriptedUpstream

OPTIONAL = {
    *("aiohttp", "yarl", "multidict"),  # without an upstream behind a proxy
    *("asyncpg", "redis", "sqlite3"),  # without such a store
    *("cryptography", "tomllib", "tomlkit"),  # without anything to seal or to read
    *("starlette", "websockets"),  # for other hosts, and for clients of WebSocket
    *("pydantic", "openai", "httpx", "orjson", "h11", "http.client", "urllib.request"),
}
IMPORTED = re.compile(r"^import time: .*\| +(\S+)$", re.MULTILINE)


@shows("lean-start")
@pytest.mark.parametrize("has_upstream", [False, True])
def test_the_server_imports_nothing_that_is_optional(upstream: ScriptedUpstream, has_upstream: bool) -> None:
    arguments = ["--upstream", upstream.url] if has_upstream else []
    with PenstockServer(*arguments, env={"PYTHONPROFILEIMPORTTIME": "1"}) as server:
        model = "text" if has_upstream else "synthetic"
        assert post(server.url, {"model": model, "input": "Hi"}).status == 200
        imported = set(IMPORTED.findall(server.log))
    assert {"uvicorn", "httptools", "penstock.service"} <= imported
    assert not imported & OPTIONAL
