"""What the server sent in reply to one request, checked as a whole: no test reads an unchecked reply.

Knows status, headers, framing, and what kind of body belongs to them. What a body may contain, `oracle.py` knows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from openai.types import Model
from openai.types.responses.input_token_count_response import InputTokenCountResponse
from pydantic import BaseModel

from support import oracle, raw, sse
from support.steps import Call

Json = dict[str, Any]

STREAM_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
}


class ModelPage(BaseModel):
    """What `GET /models` gives; the package knows its entries only."""

    object: str
    data: list[Model]


@dataclass
class CheckedReply:
    """A reply: an error, a Response (of a stream, its fold), or another body."""

    status: int
    headers: dict[str, str]
    body: Any = None
    error: Json = field(default_factory=dict)
    events: list[Json] = field(default_factory=list)
    response: Json = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The events by type, without `response.`."""
        return [event["type"].removeprefix("response.") for event in self.events]


def judged(status: int, headers: Mapping[str, str], writes: Sequence[bytes]) -> CheckedReply:
    """Raises where the reply is not what was promised; `writes` are its body as it was written."""
    result = CheckedReply(status, dict(headers))
    assert result.headers.get("x-request-id"), f"a reply without an x-request-id: {result}"
    if result.headers["content-type"].startswith("text/event-stream"):
        assert result.headers.items() >= STREAM_HEADERS.items()
        result.events = sse.events(b"".join(writes))
        result.response = oracle.check_stream(result.events)
        return result
    assert result.headers["content-type"] == "application/json"
    result.body = json.loads(b"".join(writes))
    if status >= 400:
        result.error = oracle.check_error(result.body)
    elif result.body.get("object") == "response":
        result.response = oracle.check_response(result.body)
    elif result.body.get("object") in {"list", "model"}:
        oracle.check(ModelPage if result.body["object"] == "list" else Model, result.body)
    elif result.body.get("object") == "response.input_tokens":
        oracle.check(InputTokenCountResponse, result.body)
    return result


def ask(url: str, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> CheckedReply:
    """One request over a socket of its own."""
    return _judge(raw.ask(url, method, path, body, headers))


def post(url: str, body: Any, path: str = "/responses", **headers: str) -> CheckedReply:
    """One JSON request over a socket of its own. No event of the reply spans two writes."""
    return _judge(raw.post(url, body, path, **headers))


def _judge(answer: raw.Answer) -> CheckedReply:
    if answer.headers.get("content-type", "").startswith("text/event-stream"):
        sse.check_writes(answer.writes)
    return judged(answer.status, answer.headers, answer.writes)


# What was sent, in short.


def texts(response: Json, kind: str, part: str, key: str = "text") -> str:
    """All text in the parts of one type, of the items of one type."""
    items = [item for item in response["output"] if item["type"] == kind]
    return "".join(one[key] for item in items for one in item.get("content") or () if one["type"] == part)


def calls(response: Json) -> tuple[Call, ...]:
    """The calls, in the script's words."""
    payload = {"function_call": "arguments", "custom_tool_call": "input"}
    items = [item for item in response["output"] if item["type"] in payload]
    return tuple(Call(item["name"], item[payload[item["type"]]], item["type"]) for item in items)


def nameless(response: Json) -> Json:
    """Without what two replies to one question never share: times, sealed texts, and ids other than by their order."""
    ids: dict[str, str] = {}

    def rename(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: rename(one, name) for name, one in value.items()}
        if isinstance(value, list):
            return [rename(one) for one in value]
        if key in {"created_at", "completed_at", "encrypted_content"}:
            return value is not None
        if key in {"id", "item_id", "call_id"} and isinstance(value, str):
            return ids.setdefault(value, f"{value.partition('_')[0]} {len(ids)}")
        return value

    renamed: Json = rename(response)
    return renamed
