"""The route of the administrator: the live options of the synthetic model.

It knows who may use it: no page of another site, and where the server has keys only callers with one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from penstock.endpoints.request_context import RequestContext
from penstock.http import Reply, json_reply

if TYPE_CHECKING:  # a server without the synthetic model imports nothing of it
    from penstock.engine.upstreams.synthetic.live_options import LiveOptions


class Admin:
    """`/admin/synthetic`. `check` raises `ApiError` for requests that may come from a page of another site."""

    def __init__(self, live: LiveOptions, check: Callable[[Mapping[str, str]], None]) -> None:
        self._live = live
        self._check = check

    async def read(self, request: RequestContext) -> Reply:
        """`GET /admin/synthetic`: the live options."""
        self._check(request.http.headers)
        await self._live.join()
        return json_reply(self._live.body)

    async def write(self, request: RequestContext) -> Reply:
        """`POST /admin/synthetic`: set all live options, in place of those before."""
        self._check(request.http.headers)
        await self._live.join()
        await self._live.set(await request.body())
        return json_reply(self._live.body)
