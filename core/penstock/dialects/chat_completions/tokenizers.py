"""Counting the tokens of an input by the routes that backends have for it.

It knows what vLLM and llama.cpp want to be asked. Their routes stand beside `/v1`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from penstock.errors import upstream_failed
from penstock.json_codec import encode
from penstock.ports import Exchange, HttpRequest

from . import wire

T = TypeVar("T", bound=msgspec.Struct)

_HEADERS = [("content-type", "application/json"), ("accept", "application/json")]


def _vllm(chat: wire.ChatRequest) -> Exchange[int]:
    """One request: messages and tools, as for a completion."""
    reply = yield _post("/tokenize", wire.TokenizeChat(model=chat.model, messages=chat.messages, tools=chat.tools))
    return _read(reply, wire.ReadTokenCount).count


def _llama_cpp(chat: wire.ChatRequest) -> Exchange[int]:
    """Two requests: the whole completion as the template writes it, then that text as tokens."""
    reply = yield _post("/apply-template", chat)
    prompt = _read(reply, wire.ReadPrompt).prompt
    reply = yield _post("/tokenize", wire.TokenizeText(content=prompt, add_special=True, parse_special=True))
    return len(_read(reply, wire.ReadTokens).tokens)


def _post(path: str, body: msgspec.Struct) -> HttpRequest:
    return HttpRequest(method="POST", path=path, beside_v1=True, headers=[*_HEADERS], body=encode(body))


def _read(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise upstream_failed("The upstream's count of tokens cannot be read.") from None


TOKENIZERS: dict[str, Callable[[wire.ChatRequest], Exchange[int]] | None] = {
    "none": None,
    "vllm": _vllm,
    "llama.cpp": _llama_cpp,
}
"""By the name that the options have for them."""
