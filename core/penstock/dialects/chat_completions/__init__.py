"""The Chat Completions dialect: what vLLM, llama.cpp, Ollama and nearly every provider serve.

`encode` makes requests and `history` their messages, with the `upstream_fields` that go back; `decode` reads replies,
`tokenizers` count, `wire` is the vocabulary, `presets` knows what is particular about well-known servers. All is pure.
"""

from __future__ import annotations

from collections.abc import Mapping

from penstock.errors import ApiError
from penstock.limits import Limits
from penstock.ports import Exchange, HttpRequest, Turn
from penstock.upstream_replies import KeyOwner, read_context_sizes, read_models, reply_error
from penstock.wire import JsonObjectFormat, JsonSchemaFormat, Model

from .decode import ChatDecoder
from .encode import encode, to_body
from .finish import FinishReasons
from .presets import PRESETS, Preset
from .refused_fields import Refused, RefusedFields, left_out_of
from .think import InlineThink
from .tokenizers import TOKENIZERS
from .unknown_values import UnknownValues
from .wire import Options

_JSON = ("content-type", "application/json")


class ChatCompletions:
    """The dialect of one upstream, with what is particular about it."""

    def __init__(self, options: Options, limits: Limits, origin: str = "") -> None:
        self._options = options
        self._limits = limits
        self._origin = origin if options.returns_fields else None
        """What marks as this upstream's the fields that it wants back; None where it wants none."""
        self._unknown = UnknownValues()
        self._finish_reasons = FinishReasons(options.finish_reasons, self._unknown)
        self._refused = RefusedFields(limits.noted_models_max)

    def encode(self, turn: Turn) -> HttpRequest:
        """`POST /chat/completions`. Raises `ApiError` for what a chat model cannot take."""
        return self._request(turn, self._refused.of(turn.model))

    def encode_again(self, turn: Turn, error: ApiError) -> HttpRequest | None:
        """Without the fields that the model refuses, where these change nothing of what is asked."""
        refused = self._refused.learn(turn.model, error)
        return None if refused is None else self._request(turn, refused)

    def _request(self, turn: Turn, refused: Refused) -> HttpRequest:
        accept = ("accept", "text/event-stream" if turn.stream else "application/json")
        body = to_body(turn, self._options, self._origin, self, refused)
        left_out = left_out_of(turn, refused) if refused else ()
        return HttpRequest(
            method="POST", path="/chat/completions", headers=[_JSON, accept], body=body, left_out=left_out
        )

    def decoder(self, turn: Turn) -> ChatDecoder:
        """A decoder for a stream or a whole completion, whichever comes."""
        inline_think = self._options.inline_think
        return ChatDecoder(
            inline_think=_begins_opened(turn) if inline_think == "opened" else inline_think,
            event_bytes_max=self._limits.upstream_event_bytes_max,
            origin=self._origin,
            returned_bytes_max=self._limits.returned_bytes_max,
            unknown=self._unknown,
            finish_reasons=self._finish_reasons,
        )

    def error(self, status: int, headers: Mapping[str, str], body: bytes, *, key: KeyOwner) -> ApiError:
        """What a reply with this status means to the client."""
        return reply_error(status, headers, body, key=key, explains_500=self._options.explains_500)

    def models_request(self) -> HttpRequest:
        """`GET /models`."""
        return HttpRequest(method="GET", path="/models", headers=[("accept", "application/json")])

    def decode_models(self, body: bytes) -> list[Model]:
        """The models of a reply."""
        return read_models(body)

    def decode_context_sizes(self, body: bytes) -> dict[str, int]:
        """The sizes of contexts, by any of the names that backends have for them."""
        return read_context_sizes(body)

    def count(self, turn: Turn) -> Exchange[int] | None:
        """By the tokenizer that the upstream has a route for, if it was named."""
        tokenizer = TOKENIZERS[self._options.tokenizer]
        return tokenizer and tokenizer(encode(turn, self._options, self._origin))


def _begins_opened(turn: Turn) -> InlineThink:
    """JSON that was asked for begins with no thought: an upstream without a reasoning parser forces its grammar."""
    text = turn.request.text
    return True if text and isinstance(text.format, JsonObjectFormat | JsonSchemaFormat) else "opened"


__all__ = ["PRESETS", "ChatCompletions", "Options", "Preset"]
