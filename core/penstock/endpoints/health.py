"""The routes for health checks. They need no key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import msgspec

from penstock.endpoints.request_context import RequestContext
from penstock.engine import Engine
from penstock.http import Reply, json_reply
from penstock.wire import ServerStatus

_encode = msgspec.json.Encoder().encode

ALIVE = ("/healthz", "/health", "/livez", "/ping")
"""The paths of the check whether the process is alive. Each is what some load tools and balancers ask for."""

Check: TypeAlias = Callable[[], Awaitable[list[str]]]
"""Returns why the server is not ready, in short sentences. It is empty where the server is ready."""


class Health:
    """`/healthz` with its other names, and `/readyz`."""

    def __init__(self, engine: Engine, *, needs_upstream: bool) -> None:
        self._engine = engine
        # spec: readiness
        self._checks: list[Check] = [self._store, self._upstreams] if needs_upstream else [self._store]

    async def alive(self, request: RequestContext) -> Reply:
        """`GET /healthz`: the process is alive."""
        return json_reply(_encode(ServerStatus(status="ok")))

    async def ready(self, request: RequestContext) -> Reply:
        """`GET /readyz`: whether the server accepts requests. 503 while it is stopping, and 503 with the reasons."""
        if self._engine.drain.is_begun:
            return json_reply(_encode(ServerStatus(status="draining")), 503)
        reasons = [reason for check in self._checks for reason in await check()]
        if reasons:
            return json_reply(_encode(ServerStatus(status="unready", reasons=reasons)), 503)
        return json_reply(_encode(ServerStatus(status="ready")))

    async def _store(self) -> list[str]:
        # spec: failing-stores
        return [] if await self._engine.store_check.works() else ["The store does not work; the log has the reason."]

    async def _upstreams(self) -> list[str]:
        return [f"The upstream '{name}' does not answer." for name in await self._engine.catalog.unreachable()]
