"""The words a script is written in, and the fold of a script's chunks into one Chat Completions body.

Knows Chat Completions chunks. Never does I/O: `upstream.py` plays what is written here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]


@dataclass(frozen=True, init=False)
class Send:
    """Chunks, each as one server-sent event."""

    chunks: tuple[Json, ...]

    def __init__(self, *chunks: Json) -> None:
        object.__setattr__(self, "chunks", chunks)


@dataclass(frozen=True)
class Flood:
    """One chunk, many times over: for readers that are slow."""

    chunk: Json
    times: int


@dataclass(frozen=True)
class Raw:
    """Bytes as they are (comments, rubbish); no part of the JSON body."""

    data: bytes


@dataclass(frozen=True)
class Sleep:
    seconds: float


@dataclass(frozen=True)
class Hang:
    """Sends nothing more, until the client leaves."""


@dataclass(frozen=True)
class Cut:
    """Ends the connection in the middle of the body: by RST, or by closing before the body's end."""

    how: Literal["reset", "close"] = "reset"


@dataclass(frozen=True)
class Reply:
    """A whole HTTP reply that is no stream: errors, HTML pages, errors dressed as 200."""

    status: int
    body: Json | list[Json] | str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fail:
    """The first `times` requests get the reply; later ones go on to the next step."""

    times: int
    reply: Reply


Step = Send | Flood | Raw | Sleep | Hang | Cut | Reply | Fail


@dataclass(frozen=True)
class Call:
    """A tool call that the client should see in the end."""

    name: str
    payload: str
    type: str = "function_call"


@dataclass(frozen=True)
class Expect:
    """What the client should see in the end: a Response, or an HTTP error when `http` is not 200.

    None: this script does not state it.
    """

    status: str = "completed"
    text: str | None = ""
    reasoning: str | None = ""
    refusal: str | None = ""
    calls: tuple[Call, ...] | None = ()
    reason: str | None = None
    tokens: tuple[int, int] | None = None
    http: int = 200


@dataclass(frozen=True)
class Script:
    """Steps, how they are framed, what a client must ask to make sense of them, and what it should see."""

    steps: tuple[Step, ...]
    expect: Expect
    ask: Json = field(default_factory=dict)
    done: bool = True
    eol: str = "\n"
    prefix: str = "data: "
    chunked: bool = True
    """False: the body has no length and ends with the connection."""
    inline_think: bool = False
    """It makes sense only to a server that has `inline_think`."""
    piece_bytes: int | None = None
    """Writes are cut into pieces of this size, wherever that falls."""
    whole: Json | None = None
    """The body of a JSON reply, where it is not the fold of the chunks."""

    def frame(self, payload: str) -> bytes:
        return f"{self.prefix}{payload}{self.eol}{self.eol}".encode()


def fold_chunks(chunks: list[Json]) -> Json:
    """One chat.completion body with what the chunks contain."""
    error = next((chunk["error"] for chunk in chunks if "error" in chunk), None)
    if error is not None:
        return {"error": error}
    body: Json = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "scripted",
    }
    message: Json = {"role": "assistant", "content": None}
    texts: dict[str, list[str]] = {}
    choice: Json = {"index": 0, "message": message, "logprobs": None, "finish_reason": None}
    for chunk in chunks:
        if chunk.get("usage"):
            body["usage"] = chunk["usage"]
        for piece in chunk.get("choices") or ():
            choice["finish_reason"] = piece.get("finish_reason") or choice["finish_reason"]
            _extend(choice, "logprobs", piece.get("logprobs"))
            _add_delta(message, texts, piece.get("delta") or {})
    message |= {key: "".join(pieces) for key, pieces in texts.items()}
    if parts := message.pop("parts", None):
        message["content"] = [*parts, {"type": "text", "text": message["content"] or ""}]
    return body | {"choices": [choice]}


def _add_delta(message: Json, texts: dict[str, list[str]], delta: Json) -> None:
    for key in ("content", "refusal", "reasoning", "reasoning_content"):
        if isinstance(delta.get(key), list):
            message["parts"] = message.get("parts", []) + delta[key]
        elif delta.get(key):
            texts.setdefault(key, []).append(delta[key])
    for key, piece in (delta.get("audio") or {}).items():
        audio = message.setdefault("audio", {})
        audio[key] = audio.get(key, "") + piece
    for key in ("annotations", "reasoning_details", "images"):
        if delta.get(key):
            message[key] = message.get(key, []) + delta[key]
    for piece in delta.get("tool_calls") or ():
        _add_call(message.setdefault("tool_calls", []), piece)


def _add_call(calls: list[Json], piece: Json) -> None:
    """A piece goes to the newest call of its index, unless its name begins another one."""
    function = piece.get("function", {})
    index = int(piece.get("index", calls[-1]["index"] if calls and not piece.get("id") else len(calls)))
    known = next((call for call in reversed(calls) if call["index"] == index), None)
    if known is None or (function.get("name") and _is_json(known["function"]["arguments"])):
        known = {
            "index": index,
            "id": piece.get("id"),
            "type": "function",
            "function": {"name": "", "arguments": ""},
        }
        calls.append(known)
    known |= {key: value for key, value in piece.items() if key not in ("index", "id", "type", "function")}
    for key in ("name", "arguments"):
        known["function"][key] += function.get(key) or ""


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _extend(owner: Json, key: str, more: Json | None) -> None:
    for name, entries in (more or {}).items():
        owner[key] = owner[key] or {}
        owner[key][name] = (owner[key].get(name) or []) + (entries or [])


def payloads(step: Step) -> Iterator[Json]:
    """The chunks that a step sends, if any."""
    if isinstance(step, Send):
        yield from step.chunks
    elif isinstance(step, Flood):
        for _ in range(step.times):
            yield step.chunk
