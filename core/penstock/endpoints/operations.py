"""The operations of each route, for `GET /openapi.json`.

It knows the names and parameters of operations, and the structs of their bodies and replies. A test compares it with
the service's table of routes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

import msgspec

from penstock import ids, wire
from penstock.endpoints.request_context import PAGE_LIMIT_MAX

FREE: TypeAlias = dict[str, msgspec.Raw]
"""A JSON object that this server does not read."""

_NONE: Mapping[int, Any] = {}


class Parameter(NamedTuple):
    """A parameter of a path or a query."""

    kind: Any
    description: str


class Operation(NamedTuple):
    """The operation of one method on one path."""

    id: str
    summary: str
    reply: Any
    """The type of the body with status 200."""
    body: Any = None
    query: tuple[str, ...] = ()
    also: Mapping[int, Any] = _NONE
    """The types of the bodies with other statuses, beside those that the other fields imply."""
    streams: bool = False
    """Whether the reply may be a stream of events instead."""
    relayed: bool = False
    """Whether the reply is the upstream's reply."""
    ignores: bool = False
    """Whether `x-penstock-ignored` names what is ignored."""
    upstream: bool = False
    """Whether it may call an upstream."""
    stored: bool = False
    """Whether it uses the store."""
    open: bool = False
    """Whether it needs no key."""
    media_type: str = "application/json"
    """The media type of the reply with status 200."""


def _relay(id: str, *, streams: bool = False) -> Operation:
    summary = "Pass a request on to the upstream of its `model`, byte for byte. The built-in model answers it itself."
    return Operation(id, summary, FREE, body=FREE, streams=streams, relayed=True, ignores=True, upstream=True)


def _alive(id: str, more: str = "") -> Operation:
    return Operation(id, f"Check whether the process is alive{more}.", wire.ServerStatus, open=True)


_ID = Annotated[str, msgspec.Meta(pattern=f"^{ids.ID.pattern}$")]
_PAGE = ("after", "limit", "order", "include[]")
_ERROR_400 = {400: wire.ErrorBody}

PARAMETERS: dict[str, Parameter] = {
    "response_id": Parameter(_ID, "The id of a response."),
    "conversation_id": Parameter(_ID, "The id of a conversation."),
    "item_id": Parameter(_ID, "The id of an item."),
    "model": Parameter(Annotated[str, msgspec.Meta(min_length=1)], "The name of a model; it may contain slashes."),
    "after": Parameter(str, "The id of the item after which the page begins."),
    "limit": Parameter(Annotated[int, msgspec.Meta(ge=1, le=PAGE_LIMIT_MAX)], "The most items that the page contains."),
    "order": Parameter(Literal["asc", "desc"], "The order of the items; the default is `desc`, the newest first."),
    "include[]": Parameter(list[wire.Include], "Fields of items that are listed on request only."),
    "stream": Parameter(bool, "Whether to get the events instead; for background responses only."),
    "starting_after": Parameter(
        Annotated[int, msgspec.Meta(ge=0, lt=10**18)], "The number of the event after which the stream begins."
    ),
}
"""The parameters of paths and queries, by name."""

OPERATIONS: dict[str, dict[str, dict[str, Operation]]] = {
    "Responses": {
        "/responses": {
            "POST": Operation(
                "createResponse",
                "Create a response.",
                wire.Response,
                body=wire.CreateResponse,
                also={426: wire.ErrorBody},
                streams=True,
                ignores=True,
                upstream=True,
                stored=True,
            ),
        },
        "/responses/input_tokens": {
            "POST": Operation(
                "countInputTokens",
                "Count the input tokens of a request, without running it.",
                wire.InputTokens,
                body=wire.CreateResponse,
                ignores=True,
                upstream=True,
                stored=True,
            ),
        },
        "/responses/compact": {
            "POST": Operation(
                "compactResponse",
                "Compact a context: summarise it, so that it has fewer tokens.",
                wire.CompactedResponse,
                body=wire.CompactResponse,
                ignores=True,
                upstream=True,
                stored=True,
            ),
        },
        "/responses/{response_id}": {
            "GET": Operation(
                "getResponse",
                "Get a response, or its events from a given one on.",
                wire.Response,
                query=("include[]", "stream", "starting_after"),
                streams=True,
                stored=True,
            ),
            "DELETE": Operation("deleteResponse", "Delete a response.", wire.Deleted, stored=True),
        },
        "/responses/{response_id}/cancel": {
            "POST": Operation(
                "cancelResponse", "Cancel a background response.", wire.Response, also=_ERROR_400, stored=True
            ),
        },
        "/responses/{response_id}/input_items": {
            "GET": Operation(
                "listInputItems", "List the input items of a response.", wire.ItemList, query=_PAGE, stored=True
            ),
        },
    },
    "Conversations": {
        "/conversations": {
            "POST": Operation(
                "createConversation",
                "Create a conversation.",
                wire.Conversation,
                body=wire.CreateConversation,
                stored=True,
            ),
        },
        "/conversations/{conversation_id}": {
            "GET": Operation("getConversation", "Get a conversation.", wire.Conversation, stored=True),
            "POST": Operation(
                "updateConversation",
                "Update a conversation's metadata.",
                wire.Conversation,
                body=wire.UpdateConversation,
                stored=True,
            ),
            "DELETE": Operation("deleteConversation", "Delete a conversation.", wire.Deleted, stored=True),
        },
        "/conversations/{conversation_id}/items": {
            "GET": Operation(
                "listConversationItems", "List a conversation's items.", wire.ItemList, query=_PAGE, stored=True
            ),
            "POST": Operation(
                "createConversationItems",
                "Add items to a conversation.",
                wire.ItemList,
                body=wire.CreateConversationItems,
                query=("include[]",),
                stored=True,
            ),
        },
        "/conversations/{conversation_id}/items/{item_id}": {
            "GET": Operation("getConversationItem", "Get an item.", wire.InputItem, query=("include[]",), stored=True),
            "DELETE": Operation("deleteConversationItem", "Delete an item.", wire.Conversation, stored=True),
        },
    },
    "Models": {
        "/models": {"GET": Operation("listModels", "List the models.", wire.ModelList, upstream=True)},
        "/models/{model}": {"GET": Operation("getModel", "Get a model.", wire.Model, upstream=True)},
    },
    "Relays": {
        "/chat/completions": {"POST": _relay("createChatCompletion", streams=True)},
        "/completions": {"POST": _relay("createCompletion", streams=True)},
        "/embeddings": {"POST": _relay("createEmbedding")},
        "/rerank": {"POST": _relay("rerank")},
        "/tokenize": {"POST": _relay("tokenize")},
        "/detokenize": {"POST": _relay("detokenize")},
    },
    "Server": {
        "/": {
            "GET": Operation(
                "getServer",
                "Get the name and version of this server.",
                str,
                open=True,
                media_type="text/plain; charset=utf-8",
            ),
        },
        "/health": {"GET": _alive("isHealthy", "; the same as `/healthz`")},
        "/healthz": {"GET": _alive("isAlive")},
        "/livez": {"GET": _alive("isLive", "; the same as `/healthz`")},
        "/ping": {"GET": _alive("ping", "; the same as `/healthz`")},
        "/version": {"GET": Operation("getVersion", "Get the version of this server.", wire.ServerVersion, open=True)},
        "/readyz": {
            "GET": Operation(
                "isReady",
                "Check whether the server accepts requests.",
                wire.ServerStatus,
                also={503: wire.ServerStatus},
                open=True,
            ),
        },
        "/metrics": {
            "GET": Operation(
                "getMetrics",
                "Get the metrics, in Prometheus' text format.",
                str,
                also={404: wire.ErrorBody},
                media_type="text/plain; version=0.0.4; charset=utf-8",
            ),
        },
        "/openapi.json": {"GET": Operation("getDocument", "Get this document.", FREE, open=True)},
    },
}
"""Every operation: by family, by path, by method."""
