"""The root: what this server is, for a person who opens its address in a browser, and its version. It needs no key."""

from __future__ import annotations

from penstock.endpoints.request_context import RequestContext
from penstock.http import Reply, json_reply
from penstock.json_codec import encode
from penstock.version import VERSION
from penstock.wire import ServerVersion

_TEXT = ("content-type", "text/plain; charset=utf-8")


class About:
    """`/` and `/version`."""

    async def server(self, request: RequestContext) -> Reply:
        """`GET /`: the name, the version, and the paths of the API and its document."""
        root = request.http.root_path
        text = (
            f"Penstock {VERSION}: the OpenAI Responses API in front of any model.\n"
            f"The API is under {root}/v1 of this address: POST {root}/v1/responses, GET {root}/v1/models.\n"
            f"Its OpenAPI document is {root}/v1/openapi.json.\n"
        )
        return Reply(200, [_TEXT], text.encode())

    async def version(self, request: RequestContext) -> Reply:
        """`GET /version`: the version, as vLLM reports its own."""
        return json_reply(encode(ServerVersion(version=VERSION)))
