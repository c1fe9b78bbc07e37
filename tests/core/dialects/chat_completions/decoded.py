"""What a backend sends, and the deltas that should come of it, in short forms."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from core.kit import Json, singly
from penstock.dialects.chat_completions.decode import ChatDecoder
from penstock.dialects.chat_completions.think import InlineThink
from penstock.transcript.deltas import Delta, Extras, Finish, ToolCallDelta, UsageDelta
from penstock.wire import Logprob, Usage

EVENT_BYTES_MAX = 10_000
STOP = Finish()


def decode(*pieces: bytes, inline_think: InlineThink = False, event_bytes_max: int = EVENT_BYTES_MAX) -> list[Delta]:
    decoder = ChatDecoder(inline_think=inline_think, event_bytes_max=event_bytes_max)
    return singly([delta for piece in pieces for delta in decoder.feed(piece)] + decoder.close())


def stream(*chunks: Json, done: bool = True) -> bytes:
    data = [json.dumps(chunk) for chunk in chunks] + ["[DONE]"] * done
    return "".join(f"data: {each}\n\n" for each in data).encode()


def choice(delta: Json | None = None, finish: str | None = None, **beside: Any) -> Json:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish, **beside}]}


def likely(*tokens: str) -> Json:
    return {"content": [{"token": token, "logprob": -1, "top_logprobs": []} for token in tokens]}


def probable(*tokens: str) -> list[Logprob]:
    return [Logprob(token=one, logprob=-1.0, bytes=list(one.encode()), top_logprobs=[]) for one in tokens]


def calling(*calls: Json) -> Json:
    return choice({"tool_calls": list(calls)})


def piece(arguments: Any, name: str | None = None, **fields: Any) -> Json:
    return {"function": {"name": name, "arguments": arguments}, **fields}


def extras(calls: dict[int, Json] | None = None, **turn: Any) -> Extras:
    """What is to be returned with the turn, and with its calls."""
    return Extras(origin="", turn=raw(turn), calls={index: raw(fields) for index, fields in (calls or {}).items()})


def raw(fields: Json) -> dict[str, msgspec.Raw]:
    return {name: msgspec.Raw(json.dumps(value).encode()) for name, value in fields.items()}


def call(index: int, arguments: str = "", name: str | None = None, call_id: str | None = None) -> ToolCallDelta:
    return ToolCallDelta(index=index, arguments=arguments, name=name, call_id=call_id)


def usage(**fields: Any) -> list[Delta]:
    return [UsageDelta(Usage(**{"input_tokens": 0, "output_tokens": 0, "total_tokens": 0} | fields))]


def whole(message: Json | None = None, finish: str | None = "stop", **beside: Any) -> bytes:
    """One JSON body."""
    return json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": finish}], **beside}).encode()


def bytewise(data: bytes) -> list[bytes]:
    """Every byte by itself."""
    return [data[at : at + 1] for at in range(len(data))]
