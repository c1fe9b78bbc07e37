"""The root: what this server is, for a person who opens its address in a browser. It needs no key."""

from __future__ import annotations

from penstock.endpoints.request_context import RequestContext
from penstock.http import Reply
from penstock.version import version

_TEXT = ("content-type", "text/plain; charset=utf-8")


class About:
    """`/`."""

    async def server(self, request: RequestContext) -> Reply:
        """`GET /`: the name, the version, and the paths of the API and its document."""
        text = (
            f"Penstock {version()}: the OpenAI Responses API in front of any model.\n"
            "The API is under /v1 of this address: POST /v1/responses, GET /v1/models.\n"
            "Its OpenAPI document is /v1/openapi.json.\n"
        )
        return Reply(200, [_TEXT], text.encode())
