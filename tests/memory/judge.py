"""The judge of stored state: replies of the routes that remember, and streams that are cut or resumed.

What a body or an event may contain, `support.oracle` knows; here stands which of its judgements belongs to which reply.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Literal

from openai.types import Model
from openai.types.conversations import Conversation, ConversationDeletedResource, ConversationItem
from openai.types.responses import ResponseItem
from pydantic import BaseModel

from support import oracle, sse
from support.caller import Caller, ReceivedReply
from support.grammar import TERMINAL
from support.ignored_headers import STREAM_HEADERS, Json


class DeletedResponse(BaseModel):
    """The package gives None for it."""

    id: str
    object: Literal["response"]
    deleted: Literal[True]


class Page(BaseModel):
    """A page of items; what they are, is judged apart. The ends of an empty page are null."""

    object: Literal["list"]
    data: list[object]
    first_id: str | None
    last_id: str | None
    has_more: bool


KINDS: dict[str, Any] = {
    "conversation": Conversation,
    "conversation.deleted": ConversationDeletedResource,
    "model": Model,
}


class Peer(Caller):
    """The package's client of one replica; at its end everything that it read is judged."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.client.close()
        if kind is None:
            for received in self.ears.received:
                judge(received)


def judge(received: ReceivedReply) -> None:
    """Raises where a reply is not what was promised."""
    body = b"".join(received.pieces)
    assert received.headers.get("x-request-id"), f"a reply without an x-request-id: {received}"
    if received.headers["content-type"].startswith("text/event-stream"):
        assert received.headers.items() >= STREAM_HEADERS.items()
        whole = received.ended or body.endswith(b"data: [DONE]\n\n")
        check_events(events_of(body, whole=whole), whole=whole)
    elif received.ended:
        assert received.headers["content-type"] == "application/json"
        check_body(received.status, json.loads(body))


def events_of(body: bytes, *, whole: bool) -> list[Json]:
    """The events that were read; of a stream that was left, as far as they are whole."""
    if whole:
        return sse.events(body)
    return sse.events(body[: body.rfind(b"\n\n") + 2], done=False) if b"\n\n" in body else []


def check_events(events: Sequence[Json], *, whole: bool = True) -> None:
    """A stream, the end of one that was resumed, or the beginning of one that was left."""
    if events and events[-1]["type"] == "error":
        events, whole = _before_error(events), False
    if whole and events and events[0]["sequence_number"] == 0:
        check_stream(events)
        return
    numbers = [oracle.check_event(event)["sequence_number"] for event in _as_failed(events)]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else True
    ends = [event["type"] in TERMINAL for event in events]
    assert not any(ends[:-1]), "an event after the terminal one"
    assert not whole or not ends or ends[-1], "the stream ends without a terminal event"


def _before_error(events: Sequence[Json]) -> Sequence[Json]:
    """What was sent before an error that ends the stream, and not the response: it takes no number of its own."""
    *result, error = events
    oracle.check_event(error)
    assert error["code"]
    assert error["sequence_number"] == (result[-1]["sequence_number"] if result else 0)
    return result


def check_stream(events: Sequence[Json]) -> Json:
    """A stream from its first event to its terminal one; gives the Response that it adds up to."""
    return oracle.check_stream(_as_failed(events))


def _as_failed(events: Sequence[Json]) -> list[Json]:
    """Where a response was cancelled, the stream ends as a failure: the package has no event for it."""
    if not events or events[-1].get("response", {}).get("status") != "cancelled":
        return list(events)
    oracle.check_response(events[-1]["response"])
    error = {"code": "server_error", "message": "cancelled"}
    return [*events[:-1], events[-1] | {"response": events[-1]["response"] | {"status": "failed", "error": error}}]


def check_body(status: int, body: Json) -> None:
    """A reply that is no stream."""
    if status >= 400:
        oracle.check_error(body)
    elif body.get("object") == "response":
        (_check_deleted if "deleted" in body else oracle.check_response)(body)
    elif body.get("object") == "list":
        check_page(body)
    else:
        oracle.check(KINDS.get(body.get("object", ""), ConversationItem), body)


def check_page(page: Mapping[str, Any]) -> None:
    """A page: each of its items is one of the package's, and its ends are those of its items."""
    oracle.check(Page, page)
    for item in page["data"]:
        try:
            oracle.check(ResponseItem, item)
        except oracle.OracleError:
            oracle.check(ConversationItem, item)
    item_ids = [item["id"] for item in page["data"]] or [None]
    assert (page["first_id"], page["last_id"]) == (item_ids[0], item_ids[-1])
    assert len(set(item_ids)) == len(item_ids)


def _check_deleted(body: Json) -> None:
    oracle.check(DeletedResponse, body)
