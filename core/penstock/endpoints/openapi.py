"""The endpoint of the OpenAPI document, which is imported and made with the first request for it."""

from __future__ import annotations

import msgspec

from penstock.endpoints.request_context import RequestContext
from penstock.http import Reply, json_reply
from penstock.version import VERSION

_encode = msgspec.json.Encoder(order="deterministic").encode


class OpenApi:
    """`/openapi.json`."""

    def __init__(self, *, websocket: bool) -> None:
        self._websocket = websocket
        self._root_path = ""
        self._document: bytes | None = None

    async def document(self, request: RequestContext) -> Reply:
        """`GET /openapi.json`. The document is stored until it is requested at another root path."""
        from penstock.endpoints.openapi_document import make_document

        root_path = request.http.root_path
        if self._document is None or root_path != self._root_path:
            self._document = _encode(make_document(VERSION, websocket=self._websocket, root_path=root_path))
            self._root_path = root_path
        return json_reply(self._document)
