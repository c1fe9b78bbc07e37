"""Is a reply good? A broken server must not score, so every reply of a run is checked, not a sample.

It knows the two shapes of a Responses reply, JSON and SSE; it answers with the reason for a refusal, or None.
"""

from typing import Any

import orjson

from bench.bodies import SSE_END

COMPLETED = b'"response.completed"'
DATA = b"data: "


def fault_of(status: int, body: bytes, stream: bool, text_chars: int | None) -> str | None:
    """Return why the reply is bad, or None. `text_chars` is the text's exact length; None: any but empty."""
    if status != 200:
        return f"status {status}: {body[:200].decode(errors='replace')}"
    try:
        final = _last_response(body) if stream else orjson.loads(body)
    except ValueError as error:
        return f"unreadable: {error}"
    return response_fault(final, text_chars)


def _last_response(body: bytes) -> Any:
    if body.count(COMPLETED) != 1:  # the type in the JSON, as not every server has an `event` line
        raise ValueError("not exactly one response.completed")
    events = body.removesuffix(SSE_END)  # which OpenAI's streams do not have
    return orjson.loads(events.rstrip().rpartition(DATA)[2])["response"]


def response_fault(final: Any, text_chars: int | None) -> str | None:
    """Return why a Response is bad, or None."""
    if not isinstance(final, dict) or final.get("status") != "completed":
        return "the Response is not completed"
    parts = [part for item in final.get("output", ()) for part in item.get("content") or ()]
    seen_chars = sum(len(part.get("text", "")) for part in parts)
    if text_chars is None:
        return None if seen_chars else "the text is empty"
    return None if seen_chars == text_chars else f"the text has {seen_chars} characters, expected {text_chars}"
