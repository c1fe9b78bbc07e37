"""The OpenAPI document: the operations, and the schemas of the wire format, for people and for generators.

It knows OpenAPI and what all replies have in common. The contents come from `operations` and the structs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from penstock import wire
from penstock.endpoints.operations import OPERATIONS, PARAMETERS, Operation
from penstock.endpoints.schemas import Schema, Schemas, make_schemas, ref
from penstock.patterns import lazy_pattern

_JSON = "application/json"
_SSE = "text/event-stream"
_NAME = lazy_pattern(r"{(\w+)}")

_DESCRIPTION = (
    "The OpenAI Responses API in front of any model. Objects may have keys, and items, parts, tools and events may "
    "have types, that this document does not know."
)
_WEBSOCKET = (
    "The same path accepts WebSocket connections: clients send `response.create` messages with this body, "
    "and get the events of the stream, one JSON message each."
)

_STATUSES: dict[int, str] = {
    200: "Success.",
    400: "The request is invalid; `param` names the parameter.",
    401: "The API key is missing or wrong.",
    403: "The page, the host or the key is not allowed.",
    404: "There is nothing with this id, or it belongs to another caller.",
    413: "The body is too long.",
    415: "The body is not JSON, or its encoding is not supported.",
    426: "WebSocket is not served by this handshake: use HTTP.",
    429: "Too many requests: try again later.",
    500: "The server has an error.",
    502: "The upstream has an error, or cannot be reached.",
    503: "Not available now: try again later.",
    504: "The upstream took too long.",
}


class _Header(msgspec.Struct, frozen=True):
    """A header of replies."""

    kind: str
    description: str
    required: bool = False


_HEADERS: dict[str, _Header] = {
    "x-request-id": _Header("string", "The request's own id, or a new one.", required=True),
    "x-should-retry": _Header("string", "`false` where another try would fail too."),
    "retry-after": _Header("integer", "Seconds to wait before trying again."),
    "retry-after-ms": _Header("integer", "Milliseconds to wait before trying again."),
    "www-authenticate": _Header("string", "`Bearer`."),
    "x-penstock-ignored": _Header("string", "The names of parameters and tools of the request that are ignored."),
    "x-penstock-mapped": _Header("string", "Content parts that were read as another type, as `path.type=type`."),
}
_HEADERS_OF: dict[int, tuple[str, ...]] = {
    401: ("www-authenticate",),
    429: ("retry-after", "retry-after-ms"),
    503: ("retry-after", "retry-after-ms"),
}


def make_document(release: str, *, websocket: bool, root_path: str = "") -> dict[str, Any]:
    """The document of this release of the server, which clients find at this root path."""
    schemas = make_schemas(*_kinds())
    paths = {
        path: {method.lower(): _operation(path, operation, tag, schemas) for method, operation in methods.items()}
        for tag, family in OPERATIONS.items()
        for path, methods in family.items()
    }
    if websocket:
        paths["/responses"]["post"]["description"] = _WEBSOCKET
    return {
        "openapi": "3.1.0",
        "info": {"title": "Penstock", "version": release, "description": _DESCRIPTION, "license": {"name": "MIT"}},
        "servers": [{"url": f"{root_path}/v1"}],
        "tags": [{"name": tag} for tag in OPERATIONS],
        "security": [{"bearer": []}, {}],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "headers": {name: _header(header) for name, header in _HEADERS.items()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, where the server has any."}
            },
        },
    }


def _kinds() -> tuple[list[Any], list[Any]]:
    """The types that clients send in bodies, and all others."""
    operations = list(_operations())
    bodies = [operation.body for operation in operations if operation.body is not None]
    replies = [kind for operation in operations for kind in (operation.reply, *operation.also.values())]
    return bodies, [*replies, wire.ErrorBody, *(parameter.kind for parameter in PARAMETERS.values())]


def _operations() -> Iterator[Operation]:
    for family in OPERATIONS.values():
        for methods in family.values():
            yield from methods.values()


def _operation(path: str, operation: Operation, tag: str, schemas: Schemas) -> dict[str, Any]:
    names = _NAME.findall(path)
    described: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [tag],
        "responses": {
            str(status): _reply(status, kind, operation, schemas)
            for status, kind in sorted(_replies(operation, has_ids=bool(names)).items())
        },
    }
    if names or operation.query:
        described["parameters"] = [
            *(_parameter(name, "path", schemas) for name in names),
            *(_parameter(name, "query", schemas) for name in operation.query),
        ]
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": {_JSON: {"schema": schemas.roots[operation.body]}}}
    if operation.relayed:
        described["responses"]["default"] = {"description": "The upstream's reply.", "content": {"*/*": {}}}
    if operation.open:
        described["security"] = []
    return described


def _replies(operation: Operation, *, has_ids: bool) -> dict[int, Any]:
    """The body of each status that an operation can answer with."""
    errors = dict.fromkeys(_error_statuses(operation, has_ids=has_ids), wire.ErrorBody)
    return {200: operation.reply, **errors, **operation.also}


def _error_statuses(operation: Operation, *, has_ids: bool) -> Iterable[int]:
    if operation.open:
        return
    yield from (401, 403, 500)
    if operation.body is not None:
        yield from (400, 413, 415)
    if operation.query:
        yield 400
    if has_ids:
        yield 404
    if operation.stored:
        yield from (404, 503)
    if operation.upstream:
        yield from (404, 429, 502, 503, 504)


def _reply(status: int, kind: Any, operation: Operation, schemas: Schemas) -> dict[str, Any]:
    media_type = operation.media_type if status == 200 else _JSON
    content: dict[str, Any] = {media_type: {"schema": schemas.roots[kind]}}
    names = ["x-request-id", *_HEADERS_OF.get(status, ())]
    if status == 200 and operation.streams:
        content[_SSE] = {} if operation.relayed else {"schema": _event()}
    if status == 200 and operation.ignores:
        names += ["x-penstock-ignored", "x-penstock-mapped"]
    if kind is wire.ErrorBody:
        names.append("x-should-retry")
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    return {"description": _STATUSES[status], "headers": headers, "content": content}


def _event() -> Schema:
    """One server-sent event. The last one may be `[DONE]`, which has no name."""
    data = {"type": "string", "contentMediaType": _JSON, "contentSchema": ref("StreamEvent")}
    return {
        "type": "object",
        "properties": {"event": {"type": "string"}, "data": {"anyOf": [{"const": "[DONE]"}, data]}},
        "required": ["data"],
    }


def _parameter(name: str, location: str, schemas: Schemas) -> dict[str, Any]:
    parameter = PARAMETERS[name]
    described = {
        "name": name,
        "in": location,
        "description": parameter.description,
        "schema": schemas.roots[parameter.kind],
    }
    return described | {"required": True} if location == "path" else described


def _header(header: _Header) -> dict[str, Any]:
    return {"description": header.description, "required": header.required, "schema": {"type": header.kind}}
