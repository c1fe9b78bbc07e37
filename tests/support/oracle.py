"""The judge: what the `openai` package, and the contract beyond it, allow in a body, an event, a stream.

Knows the package's models and the grammar of a stream. Never imports penstock: it must not share mistakes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Literal

from openai.types import responses
from pydantic import BaseModel

from support.grammar import NEVER_INCOMPLETE, fold
from support.shapes import Shapes, members, tags

Json = dict[str, Any]


class BackgroundOptions(BaseModel):
    """What the package has among a request's parameters only."""

    completion_window: Literal["soonest"]
    continuation_id: str | None = None


class FoundPage(BaseModel):
    """A result of a search, which the package has no model of."""

    type: Literal["text_result"]
    url: str
    title: str
    snippet: str
    date: str | None = None


OPEN_RESPONSES = "echoed as other servers do: Open Responses has it among its keys"
LOAD_TOOLS = "vLLM lists it, and its bench reads it"
SAME_LOGPROB = "a delta says of a token all that the finished part says of it"

ITEM_STATUS = Literal["in_progress", "completed", "incomplete"]

# What the package lacks: (model, key) -> its type, and why we send it all the same.
OURS: dict[tuple[str, str], tuple[Any, str]] = {
    ("Response", "store"): (bool, "the API echoes it; the package forgot it"),
    ("Response", "presence_penalty"): (float, OPEN_RESPONSES),
    ("Response", "background_options"): (BackgroundOptions, "every parameter is echoed"),
    ("Response", "frequency_penalty"): (float, OPEN_RESPONSES),
    ("ResponseUsage", "estimated"): (Literal[True], "marks usage that the upstream never gave"),
    ("InputTokenCountResponse", "estimated"): (Literal[True], "marks a count that the upstream never made"),
    ("ResponseFunctionCallArgumentsDoneEvent", "name"): (str, "the API's reference has it"),
    ("LocalShellCallOutput", "call_id"): (str, "the API's reference has it"),
    ("ResponseCustomToolCall", "status"): (ITEM_STATUS, "every output item has one"),
    ("ResponseFunctionWebSearch", "results"): (list[FoundPage], "`include` asks for it; the package forgot it"),
    ("Filters", "blocked_domains"): (list[str], "the API has it"),
    ("Model", "root"): (str, LOAD_TOOLS),
    ("Model", "max_model_len"): (int, LOAD_TOOLS),
    ("Logprob", "bytes"): (list[int], SAME_LOGPROB),
    ("LogprobTopLogprob", "bytes"): (list[int], SAME_LOGPROB),
}

# Words that the package lacks: (model, key) -> the words, and why we send them all the same.
WORDS: dict[tuple[str, str], tuple[tuple[str, ...], str]] = {
    ("ResponseError", "code"): (("context_length_exceeded",), "the API sends it, and Codex compacts on it"),
}

# Keys that the package calls optional and the contract promises.
PROMISED: dict[str, tuple[str, ...]] = {
    "Response": (
        "id", "object", "created_at", "completed_at", "status", "error", "incomplete_details", "model",
        "output", "instructions", "parallel_tool_calls", "previous_response_id", "conversation", "reasoning",
        "store", "background", "temperature", "top_p", "text", "tools", "tool_choice", "truncation", "usage",
        "max_output_tokens", "max_tool_calls", "service_tier", "top_logprobs", "presence_penalty", "metadata",
        "frequency_penalty", "prompt_cache_key", "safety_identifier", "user",
    ),
    "ResponseOutputText": ("annotations", "logprobs"),
    "FunctionTool": ("description", "parameters", "strict"),
    "ResponseReasoningItem": ("status", "summary"),
    "ResponseFunctionToolCall": ("id", "status"),
    "ResponseCustomToolCall": ("id", "status"),
    "ResponseFunctionCallArgumentsDoneEvent": ("name",),
    "ResponseErrorEvent": ("code", "message", "param"),
}  # fmt: skip


class ErrorDetail(BaseModel):
    """The package has no model of it: its clients read these keys."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(BaseModel):
    error: ErrorDetail


class UsageEvent(BaseModel):
    """Ours: `response.usage`, which `stream_options.include_usage` asks for."""

    type: str
    sequence_number: int
    usage: responses.ResponseUsage


EVENTS: dict[str, type[BaseModel]] = {
    tag: model for model in members(responses.ResponseStreamEvent) for tag in tags(model)
} | {"response.usage": UsageEvent}
OURS |= {
    (model.__name__, "obfuscation"): (str, "padding; the API's reference has it on every delta")
    for tag, model in EVENTS.items()
    if tag.endswith(".delta") and "obfuscation" not in model.model_fields
}

# What must be null, and what must not, in each status.
NULL_UNLESS = {"completed_at": "completed", "incomplete_details": "incomplete", "error": "failed"}

SHAPES = Shapes(
    {key: kind for key, (kind, _) in OURS.items()}, PROMISED, {key: words for key, (words, _) in WORDS.items()}
)


class OracleError(AssertionError):
    """What the package or the contract does not allow."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))


def check(kind: Any, value: Any, shapes: Shapes = SHAPES) -> None:
    """The value is exactly what this type of the package defines."""
    if problems := _problems(kind, json.dumps(value), shapes):
        raise OracleError(problems)


@lru_cache(maxsize=4096)
def _problems(kind: Any, text: str, shapes: Shapes) -> tuple[str, ...]:
    """Streams of tests have most of their events in common: each is judged once."""
    return tuple(shapes.problems(kind, json.loads(text)))


def check_response(body: Json) -> Json:
    """A Response, in whatever status."""
    check(responses.Response, body)
    if problems := list(_status_problems(body)):
        raise OracleError(problems)
    return body


def check_event(event: Json) -> Json:
    name = event.get("type")
    if not isinstance(name, str) or name not in EVENTS:
        raise OracleError([f"no such event: {name!r}"])
    check(EVENTS[name], event)
    if "response" in event:
        check_response(event["response"])
    return event


def check_stream(events: Iterable[Json]) -> Json:
    """A whole stream, every event and all of them together; gives its fold, a Response."""
    return check_response(fold([check_event(event) for event in events]))


def check_error(body: Json) -> Json:
    """The body of a reply that is no 2xx; gives what is in it."""
    check(ErrorBody, body)
    error: Json = body["error"]
    if not error["message"] or not error["type"]:
        raise OracleError([f"$.error: neither message nor type may be empty: {error}"])
    return error


def _status_problems(body: Json) -> Iterator[str]:
    status = body["status"]
    for key, when in NULL_UNLESS.items():
        if (body[key] is None) == (status == when):
            yield f"$.{key}: {body[key]!r} in status {status}"
    if body["usage"] is None and status in {"completed", "incomplete"}:
        yield f"$.usage: null in status {status}"
    for index, item in enumerate(body["output"]):
        if not item.get("id"):
            yield f"$.output[{index}].id: an item without"
        may_stay = item.get("type") in NEVER_INCOMPLETE or status in {"queued", "in_progress"}
        if item.get("status") == "in_progress" and not may_stay:
            yield f"$.output[{index}].status: in_progress, and the response is {status}"
