"""The Chat Completions dialect: what vLLM, llama.cpp, Ollama and nearly every provider speak.

`encode` makes requests, `decode` reads replies, `errors` reads refusals, `wire` is the vocabulary, `presets` knows what
is particular about the well-known servers. All of it is pure.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from penstock.errors import ApiError, upstream_failed
from penstock.limits import Limits
from penstock.ports import HttpRequest, Turn
from penstock.wire import Model

from .decode import ChatDecoder
from .encode import encode, to_json
from .errors import reply_error
from .presets import PRESETS, Preset
from .wire import Options, ReadModels

_JSON = ("content-type", "application/json")


class ChatCompletions:
    """The dialect of one upstream, with what is particular about it."""

    def __init__(self, options: Options, limits: Limits) -> None:
        self._options = options
        self._limits = limits

    def encode(self, turn: Turn) -> HttpRequest:
        """`POST /chat/completions`. Raises `ApiError` for what a chat model cannot be told."""
        accept = ("accept", "text/event-stream" if turn.stream else "application/json")
        body = to_json(encode(turn, self._options), turn.extras)
        return HttpRequest(method="POST", path="/chat/completions", headers=[_JSON, accept], body=body)

    def decoder(self, turn: Turn) -> ChatDecoder:
        """A decoder for a stream or a whole completion, whichever comes."""
        return ChatDecoder(
            inline_think=self._options.inline_think, event_bytes_max=self._limits.upstream_event_bytes_max
        )

    def error(self, status: int, headers: Mapping[str, str], body: bytes, *, own_key: bool) -> ApiError:
        """What a reply with this status means to the client."""
        return reply_error(status, headers, body, own_key=own_key)

    def models_request(self) -> HttpRequest:
        """`GET /models`."""
        return HttpRequest(method="GET", path="/models", headers=[("accept", "application/json")])

    def decode_models(self, body: bytes) -> list[Model]:
        """The models of a reply; more about them than their ids is not kept."""
        try:
            models = msgspec.json.decode(body, type=ReadModels).data
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raise upstream_failed("The upstream's list of models cannot be read.") from None
        return [
            Model(id=model.id, created=model.created or 0, owned_by=model.owned_by or "upstream") for model in models
        ]


__all__ = ["PRESETS", "ChatCompletions", "Options", "Preset"]
