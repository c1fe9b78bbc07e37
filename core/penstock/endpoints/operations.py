"""The operations: what a client may ask, route by route, as `GET /openapi.json` tells it.

It knows names, parameters and which struct stands where; the shapes are those of the structs. A test holds it against
the service's own table of routes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

import msgspec

from penstock import ids, wire
from penstock.endpoints.request_context import PAGE_LIMIT_MAX

FREE: TypeAlias = dict[str, msgspec.Raw]
"""A JSON object that is nobody's business here."""

_NONE: Mapping[int, Any] = {}


class Parameter(NamedTuple):
    """A parameter of a path or a query."""

    kind: Any
    description: str


class Operation(NamedTuple):
    """What one method on one path does."""

    id: str
    summary: str
    reply: Any
    """The body of status 200."""
    body: Any = None
    query: tuple[str, ...] = ()
    also: Mapping[int, Any] = _NONE
    """The bodies of further statuses, beyond those that follow from the rest."""
    streams: bool = False
    """Events may come instead of the reply."""
    relayed: bool = False
    """Whatever the upstream replies is the reply."""
    ignores: bool = False
    """What cannot be honoured is named in `x-penstock-ignored`."""
    upstream: bool = False
    """An upstream may be asked."""
    stored: bool = False
    """The store is asked."""
    open: bool = False
    """No key is wanted."""
    media_type: str = "application/json"
    """Of the reply with status 200."""


def _relay(id: str, *, streams: bool = False) -> Operation:
    summary = "Pass a request on to the upstream, byte for byte; its `model` says which one that is."
    return Operation(id, summary, FREE, body=FREE, streams=streams, relayed=True, upstream=True)


_ID = Annotated[str, msgspec.Meta(pattern=f"^{ids.ID.pattern}$")]
_PAGE = ("after", "limit", "order", "include[]")
_ERROR_400 = {400: wire.ErrorBody}

PARAMETERS: dict[str, Parameter] = {
    "response_id": Parameter(_ID, "The id of a response."),
    "conversation_id": Parameter(_ID, "The id of a conversation."),
    "item_id": Parameter(_ID, "The id of an item."),
    "model": Parameter(Annotated[str, msgspec.Meta(min_length=1)], "The name of a model; it may have slashes."),
    "after": Parameter(str, "The id of the item behind which the page begins."),
    "limit": Parameter(Annotated[int, msgspec.Meta(ge=1, le=PAGE_LIMIT_MAX)], "How many items the page has at most."),
    "order": Parameter(Literal["asc", "desc"], "The order of the items; the newest come first unless it is `asc`."),
    "include[]": Parameter(list[wire.Include], "What is listed beyond the rule."),
    "stream": Parameter(bool, "Whether the events are sent instead; of background responses only."),
    "starting_after": Parameter(
        Annotated[int, msgspec.Meta(ge=0, lt=10**18)], "The number of the event behind which the stream begins."
    ),
}
"""The parameters of paths and queries, by name."""

OPERATIONS: dict[str, dict[str, dict[str, Operation]]] = {
    "Responses": {
        "/responses": {
            "POST": Operation(
                "createResponse",
                "Make a response.",
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
                "Count what the input of a request would cost, without running it.",
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
                "Sum a context up, so that it can go on in few tokens.",
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
                "Read a response, or its events from any one on.",
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
                "listInputItems", "List what a response was made from.", wire.ItemList, query=_PAGE, stored=True
            ),
        },
    },
    "Conversations": {
        "/conversations": {
            "POST": Operation(
                "createConversation",
                "Begin a conversation.",
                wire.Conversation,
                body=wire.CreateConversation,
                stored=True,
            ),
        },
        "/conversations/{conversation_id}": {
            "GET": Operation("getConversation", "Read a conversation.", wire.Conversation, stored=True),
            "POST": Operation(
                "updateConversation",
                "Change a conversation's metadata.",
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
            "GET": Operation("getConversationItem", "Read an item.", wire.InputItem, query=("include[]",), stored=True),
            "DELETE": Operation("deleteConversationItem", "Delete an item.", wire.Conversation, stored=True),
        },
    },
    "Models": {
        "/models": {"GET": Operation("listModels", "List the models.", wire.ModelList, upstream=True)},
        "/models/{model}": {"GET": Operation("getModel", "Read a model.", wire.Model, upstream=True)},
    },
    "Relays": {
        "/chat/completions": {"POST": _relay("createChatCompletion", streams=True)},
        "/completions": {"POST": _relay("createCompletion", streams=True)},
        "/embeddings": {"POST": _relay("createEmbedding")},
        "/rerank": {"POST": _relay("rerank")},
    },
    "Server": {
        "/": {
            "GET": Operation(
                "getServer", "Ask what this server is.", str, open=True, media_type="text/plain; charset=utf-8"
            ),
        },
        "/health": {"GET": Operation("isHealthy", "The same as `/healthz`.", wire.ServerStatus, open=True)},
        "/healthz": {"GET": Operation("isAlive", "Ask whether the process is alive.", wire.ServerStatus, open=True)},
        "/readyz": {
            "GET": Operation(
                "isReady",
                "Ask whether the server takes requests.",
                wire.ServerStatus,
                also={503: wire.ServerStatus},
                open=True,
            ),
        },
        "/openapi.json": {"GET": Operation("getDocument", "Read this document.", FREE, open=True)},
    },
}
"""Every operation: by family, by path, by method."""
