"""The start of the server: it imports what it needs, and what is optional when that is first used."""

from __future__ import annotations

import re

from requirements import shows
from support.raw import post
from support.server import PenstockServer

OPTIONAL = {
    *("aiohttp", "asyncpg", "redis"),  # without an upstream, and without such a store
    *("cryptography", "sqlite3", "tomllib", "tomlkit"),  # without anything to seal, store or read
    *("starlette", "websockets"),  # for other hosts, and for clients of WebSocket
    *("pydantic", "openai", "httpx", "orjson", "h11", "http.client", "urllib.request"),
}
IMPORTED = re.compile(r"^import time: .*\| +(\S+)$", re.MULTILINE)


@shows("lean-start")
def test_the_server_imports_nothing_that_is_optional() -> None:
    with PenstockServer(env={"PYTHONPROFILEIMPORTTIME": "1"}) as server:
        assert post(server.url, {"model": "synthetic", "input": "Hi"}).status == 200
        imported = set(IMPORTED.findall(server.log))
    assert {"uvicorn", "httptools", "penstock.service"} <= imported
    assert not imported & OPTIONAL
