"""Fixed bytes of both languages: what the fake upstream sends, and a Response with the same content.

It knows JSON shapes and SSE framing, and builds everything once; it never opens a socket.
Every word is five characters long, so that the length of a reply's text proves that no delta was lost.
"""

from collections.abc import Iterator
from typing import Any

import orjson

WORD_CHARS = 5
DEFAULT_DELTAS = 200
PROMPT_TOKENS = 12
CREATED_AT_S = 1_700_000_000
SSE_END = b"data: [DONE]\n\n"

JSON_TYPE = b"application/json"
SSE_TYPE = b"text/event-stream"

Json = dict[str, Any]


def words(count: int) -> list[str]:
    """Return `count` words of `WORD_CHARS` characters each."""
    return [f"{index % 10_000:04d} " for index in range(count)]


# Chat Completions: what the fake upstream sends.


def chat_usage(deltas: int) -> Json:
    """Return the usage object of a completion of `deltas` tokens."""
    total = PROMPT_TOKENS + deltas
    return {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": deltas, "total_tokens": total}


def chat_completion(model: str, deltas: int) -> bytes:
    """Return the JSON body of one whole chat completion."""
    message = {"role": "assistant", "content": "".join(words(deltas)), "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    head = {"id": "chatcmpl-bench", "object": "chat.completion", "created": CREATED_AT_S, "model": model}
    tail = {"choices": [choice], "usage": chat_usage(deltas), "system_fingerprint": "fp_bench"}
    return orjson.dumps(head | tail)


def chat_chunk(model: str, delta: Json, finish: str | None = None) -> bytes:
    """Return one SSE event that carries one `chat.completion.chunk`."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return data(_chunk_head(model) | {"choices": [choice]})


def chat_chunks(model: str, deltas: int, include_usage: bool) -> list[bytes]:
    """Return a stream's SSE events: the role, `deltas` words, one last piece (finish, usage, `[DONE]`)."""
    last = chat_chunk(model, {}, "stop")
    if include_usage:
        last += data(_chunk_head(model) | {"choices": [], "usage": chat_usage(deltas)})
    first = chat_chunk(model, {"role": "assistant", "content": ""})
    return [first, *(chat_chunk(model, {"content": word}) for word in words(deltas)), last + SSE_END]


def _chunk_head(model: str) -> Json:
    head = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": CREATED_AT_S}
    return head | {"model": model, "system_fingerprint": "fp_bench"}


def data(payload: Json) -> bytes:
    """Return one SSE event without a type."""
    return b"data: " + orjson.dumps(payload) + b"\n\n"


# Responses: what the bare endpoint and the fake upstream send.


def response(deltas: int, status: str = "completed") -> Json:
    """Return a Response with every field that a real server echoes; about 2 kB of JSON with 200 words."""
    done = status == "completed"
    usage = {
        "input_tokens": PROMPT_TOKENS,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": deltas,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": PROMPT_TOKENS + deltas,
    }
    return {
        "id": "resp_bench0000000000000000000000000000000000",
        "object": "response",
        "created_at": CREATED_AT_S,
        "completed_at": CREATED_AT_S if done else None,
        "status": status,
        "background": False,
        "conversation": None,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "max_tool_calls": None,
        "model": f"stream-{deltas}",
        "output": [_message("".join(words(deltas)), "completed")] if done else [],
        "parallel_tool_calls": True,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "previous_response_id": None,
        "prompt_cache_key": None,
        "reasoning": {"effort": None, "summary": None},
        "safety_identifier": None,
        "service_tier": "default",
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": usage if done else None,
        "user": None,
        "metadata": {},
    }


def response_json(deltas: int) -> bytes:
    """Return the JSON body of a completed Response."""
    return orjson.dumps(response(deltas))


EVENTS_BEFORE_DELTAS = 4
"""How many events precede the first delta of a stream."""


def response_events(deltas: int) -> list[bytes]:
    """Return the SSE events of the same Response as a stream, `[DONE]` being the last."""
    numbered = enumerate(_payloads(deltas))
    return [*(event(payload | {"sequence_number": number}) for number, payload in numbered), SSE_END]


def _payloads(deltas: int) -> Iterator[Json]:
    text = "".join(words(deltas))
    item, part = {"output_index": 0}, {"item_id": "msg_bench", "output_index": 0, "content_index": 0}
    started = response(deltas, "in_progress")
    yield {"type": "response.created", "response": started}
    yield {"type": "response.in_progress", "response": started}
    yield {"type": "response.output_item.added", **item, "item": _message(None, "in_progress")}
    yield {"type": "response.content_part.added", **part, "part": _text_part("")}
    for word in words(deltas):
        yield {"type": "response.output_text.delta", **part, "delta": word, "logprobs": []}
    yield {"type": "response.output_text.done", **part, "text": text, "logprobs": []}
    yield {"type": "response.content_part.done", **part, "part": _text_part(text)}
    yield {"type": "response.output_item.done", **item, "item": _message(text, "completed")}
    yield {"type": "response.completed", "response": response(deltas)}


def _message(text: str | None, status: str) -> Json:
    content = [] if text is None else [_text_part(text)]
    return {"id": "msg_bench", "type": "message", "status": status, "role": "assistant", "content": content}


def _text_part(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def event(payload: Json) -> bytes:
    """Return one SSE event of the payload's type."""
    return b"event: " + str(payload["type"]).encode() + b"\n" + data(payload)


# HTTP/1.1 framing.


def with_length(status: bytes, content_type: bytes, body: bytes) -> bytes:
    """Return one whole HTTP reply with a content-length."""
    head = b"HTTP/1.1 %b\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n"
    return head % (status, content_type, len(body)) + body


def chunked_head(content_type: bytes) -> bytes:
    """Return the head of a chunked HTTP reply."""
    return b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ntransfer-encoding: chunked\r\n\r\n" % content_type


def http_chunk(piece: bytes) -> bytes:
    """Return `piece` framed as one HTTP chunk; the empty piece is the last chunk."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)
