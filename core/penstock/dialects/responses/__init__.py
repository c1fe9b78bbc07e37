"""The Responses dialect: an upstream that serves the Responses API. Its items, tools and events are passed on as is.

`encode` makes requests, `decode` reads streams and whole Responses. All of it is pure. The state is ours: the upstream
gets the whole context each time, its sealed thoughts included, and is asked to store nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from penstock.errors import ApiError
from penstock.limits import Limits
from penstock.patterns import lazy_pattern
from penstock.ports import Exchange, HttpRequest, Turn
from penstock.upstream_replies import KeyOwner, read_context_sizes, read_models, reply_error
from penstock.wire import Model

from .decode import ResponsesDecoder, read_token_count
from .encode import encode, encode_count, includes_sealed
from .sealed_thoughts import SealedThoughts

_REFUSES_SEALED = lazy_pattern(r"\binclude\b|encrypted", re.IGNORECASE)
"""What is in an error about them: OpenAI names the parameter, others quote what they do not know."""
_NOTED_CHARS_MAX = 200
"""The longest name that is noted."""
_JSON = ("content-type", "application/json")


class ResponsesDialect:
    """The dialect of one upstream. It has no options: every such upstream serves all of it."""

    def __init__(self, options: Any, limits: Limits, origin: str = "") -> None:
        self._limits = limits
        self._origin = origin
        """What marks as this upstream's the fields that it wants back."""
        self._unsealing: dict[str, None] = {}
        """The models that were refused because of the sealed thoughts that we asked for."""

    def encode(self, turn: Turn) -> HttpRequest:
        """`POST /responses`, for a stream where the client reads one, and else for a whole Response."""
        return self._request(turn, seals=turn.model not in self._unsealing)

    def encode_again(self, turn: Turn, error: ApiError) -> HttpRequest | None:
        """Without sealed thoughts, where the model refused these: one that does not think has none."""
        is_ours = not includes_sealed(turn) and turn.model not in self._unsealing
        if (
            not is_ours
            or error.status not in (400, 422)
            or not _REFUSES_SEALED.search(f"{error.param} {error.message}")
        ):
            return None
        if len(self._unsealing) >= self._limits.noted_models_max:
            self._unsealing.clear()
        if len(turn.model) <= _NOTED_CHARS_MAX:
            self._unsealing[turn.model] = None
        return self._request(turn, seals=False)

    def decoder(self, turn: Turn) -> ResponsesDecoder:
        """A decoder for a stream or a whole Response, whichever comes."""
        sealed_thoughts = None if includes_sealed(turn) else SealedThoughts(self._origin)
        return ResponsesDecoder(event_bytes_max=self._limits.upstream_event_bytes_max, sealed_thoughts=sealed_thoughts)

    def error(self, status: int, headers: Mapping[str, str], body: bytes, *, key: KeyOwner) -> ApiError:
        """What a reply with this status means to the client."""
        return reply_error(status, headers, body, key=key)

    def models_request(self) -> HttpRequest:
        """`GET /models`."""
        return HttpRequest(method="GET", path="/models", headers=[("accept", "application/json")])

    def decode_models(self, body: bytes) -> list[Model]:
        """The models of a reply."""
        return read_models(body)

    def decode_context_sizes(self, body: bytes) -> dict[str, int]:
        """The sizes of contexts, where the upstream reports them."""
        return read_context_sizes(body)

    def count(self, turn: Turn) -> Exchange[int]:
        """`POST /responses/input_tokens`."""
        headers = [_JSON, ("accept", "application/json")]
        body = encode_count(turn, self._origin)
        return read_token_count(
            (yield HttpRequest(method="POST", path="/responses/input_tokens", headers=headers, body=body))
        )

    def _request(self, turn: Turn, *, seals: bool) -> HttpRequest:
        accept = ("accept", "text/event-stream" if turn.stream else "application/json")
        body = encode(turn, self._origin, seals=seals)
        return HttpRequest(method="POST", path="/responses", headers=[_JSON, accept], body=body)


__all__ = ["Responses"]
