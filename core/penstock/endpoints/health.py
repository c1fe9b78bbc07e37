"""The routes by which whoever runs the server asks how it is; they want no key."""

from __future__ import annotations

import msgspec

from penstock.endpoints.call import Call
from penstock.engine import Engine
from penstock.http import Reply, json_reply
from penstock.wire import ServerStatus

_encode = msgspec.json.Encoder().encode


class Health:
    """`/healthz` and `/readyz`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def alive(self, call: Call) -> Reply:
        """`GET /healthz`: the process is alive."""
        return json_reply(_encode(ServerStatus(status="ok")))

    async def ready(self, call: Call) -> Reply:
        """`GET /readyz`: whether the server takes requests; 503 once it was asked to stop."""
        if self._engine.drain.is_begun:
            return json_reply(_encode(ServerStatus(status="draining")), 503)
        return json_reply(_encode(ServerStatus(status="ready")))
