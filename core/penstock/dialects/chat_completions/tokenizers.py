"""Counting the tokens of an input by the routes that backends have for it.

It knows what vLLM and llama.cpp want to be asked. Their routes stand beside `/v1`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar

import msgspec

from penstock.errors import upstream_failed
from penstock.json_codec import encode
from penstock.ports import Exchange, HttpRequest

from . import wire

T = TypeVar("T", bound=msgspec.Struct)


class _TokenizeChat(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The body of vLLM's `POST /tokenize`, for messages."""

    model: str
    messages: list[wire.ChatMessage]
    tools: list[wire.FunctionTool] | msgspec.Raw | None = None


class _TokenCount(msgspec.Struct):
    """Its reply."""

    count: int


class _Prompt(msgspec.Struct):
    """The reply to llama.cpp's `POST /apply-template`: the messages as one text."""

    prompt: str


class _TokenizeText(msgspec.Struct, kw_only=True):
    """The body of llama.cpp's `POST /tokenize`."""

    content: str
    add_special: Literal[True] = True
    parse_special: Literal[True] = True


class _Tokens(msgspec.Struct):
    """Its reply; what each token is does not matter."""

    tokens: list[msgspec.Raw]


_HEADERS = [("content-type", "application/json"), ("accept", "application/json")]


def _vllm(chat: wire.ChatRequest) -> Exchange[int]:
    """One request: messages and tools, as for a completion."""
    reply = yield _post("/tokenize", _TokenizeChat(model=chat.model, messages=chat.messages, tools=chat.tools))
    return _read(reply, _TokenCount).count


def _llama_cpp(chat: wire.ChatRequest) -> Exchange[int]:
    """Two requests: the whole completion as the template writes it, then that text as tokens."""
    reply = yield _post("/apply-template", chat)
    prompt = _read(reply, _Prompt).prompt
    reply = yield _post("/tokenize", _TokenizeText(content=prompt))
    return len(_read(reply, _Tokens).tokens)


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
