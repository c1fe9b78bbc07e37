"""What the tests with wrong requests share: an upstream that obliges, and the laws that hold for every answer."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qs

import msgspec

from core.kit import Scripted, ScriptedReply
from penstock import json_codec
from penstock.ports import HttpReply, HttpRequest
from penstock.wire import UNKNOWN, Response

STREAM = b'data: {"choices":[{"delta":{"reasoning":"Hm"}}]}\n\ndata: {"choices":[{"delta":{"content":"Hi"}}]}\n\n'
ENDED = b'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{}"}}]}}]}\n\n'
BODY = b'{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}'


BLAMELESS = (
    *("The body of the request", "The request has no body", "The content-encoding header", "Invalid body: "),
    *("Conversation with id ", "'previous_response_id' and 'conversation' cannot"),  # as OpenAI does
)

IN_PATHS = ("response_id", "conversation_id", "item_id")
STEPS = re.compile(r"\[(?:\d+|\.\.\.)\]|[^.\[\]]+")


class Obliging(Scripted):
    """Answers whatever it is asked, after it has looked whether that is JSON. Its context is a small one."""

    async def send(self, request: HttpRequest) -> HttpReply:
        if request.path == "/models":
            return ScriptedReply(b'{"data":[{"id":"any","max_model_len":64}]}')
        asked = json.loads(request.body)
        assert asked["messages"] is not None
        if asked.get("stream"):
            return ScriptedReply(STREAM, ENDED, b"data: [DONE]\n\n")
        return ScriptedReply(BODY, headers={"content-type": "application/json"})


def known(response: dict[str, Any]) -> dict[str, Any]:
    """A Response without the free text of the request, which the echo repeats and the oracle refuses."""
    encoder = msgspec.json.Encoder(enc_hook=lambda unknown: None)
    text = json.dumps(response).replace("Infinity", "1")  # what 1e400 is to Python is nothing to JSON
    decoded = json_codec.decoder(Response).decode(text.encode())
    rest: dict[str, Any] = _without_unknown(json.loads(encoder.encode(decoded)))
    return rest


def _without_unknown(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_unknown(entry) for entry in value if not _is_unknown(entry)]
    if isinstance(value, dict):
        return {key: _without_unknown(entry) for key, entry in value.items() if key != UNKNOWN}
    return value


def _is_unknown(value: Any) -> bool:
    return isinstance(value, dict) and value.get("type") == UNKNOWN


def check_headers(headers: dict[str, str]) -> None:
    for name, value in headers.items():
        assert f"{name}{value}".isascii()
        assert f"{name}{value}".isprintable()
        assert len(value) < 5_000


def check_blame(error: dict[str, Any], body: bytes, query: str = "") -> None:
    """The parameter to blame is one of the request; only for the body as a whole there is none."""
    assert len(error["message"]) < 5_000
    if error["param"] is None:
        assert error["message"].startswith(BLAMELESS)
    else:
        assert is_named(error["param"], body, query), f"nothing is {error['param']}"


def is_named(param: str, body: bytes, query: str) -> bool:
    """Whether a parameter is there, in path, query or body, or is missing where it might be."""
    root, *_ = steps = STEPS.findall(param)
    if root in IN_PATHS or root in {name.removesuffix("[]") for name in parse_qs(query, keep_blank_values=True)}:
        return True
    try:
        return _leads(json.loads(body or b"{}"), steps)
    except (ValueError, RecursionError):
        return True  # either answer is right


def _leads(value: Any, steps: list[str]) -> bool:
    """Keys may be missing, and all that would be in them; an entry of a list is there."""
    for step in steps:
        if step == "[...]":
            return isinstance(value, dict | list)
        if step.startswith("["):
            if not isinstance(value, list) or len(value) <= int(step[1:-1]):
                return False
            value = value[int(step[1:-1])]
        elif not isinstance(value, dict):
            return False
        elif value.get(step) is None:
            return True
        else:
            value = value[step]
    return True
