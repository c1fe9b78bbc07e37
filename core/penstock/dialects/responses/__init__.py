"""The Responses dialect: an upstream that speaks as we do, whose items, tools and events are told as they are.

`encode` makes requests, `decode` reads streams and whole Responses. All of it is pure. The state is ours: the upstream
gets the whole context each time, and is asked to keep nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.errors import ApiError
from penstock.limits import Limits
from penstock.ports import Exchange, HttpRequest, Turn
from penstock.replies import read_context_sizes, read_models, reply_error
from penstock.wire import Model

from .decode import ResponsesDecoder, read_token_count
from .encode import encode, encode_count

_HEADERS = [("content-type", "application/json"), ("accept", "text/event-stream")]


class Responses:
    """The dialect of one upstream. It has no options: whoever speaks it, speaks it whole."""

    def __init__(self, options: Any, limits: Limits) -> None:
        self._limits = limits

    def encode(self, turn: Turn) -> HttpRequest:
        """`POST /responses`, always as a stream: a body is the fold of its events here as anywhere."""
        return HttpRequest(method="POST", path="/responses", headers=[*_HEADERS], body=encode(turn))

    def decoder(self, turn: Turn) -> ResponsesDecoder:
        """A decoder for a stream or a whole Response, whichever comes."""
        return ResponsesDecoder(event_bytes_max=self._limits.upstream_event_bytes_max)

    def error(self, status: int, headers: Mapping[str, str], body: bytes, *, own_key: bool) -> ApiError:
        """What a reply with this status means to the client."""
        return reply_error(status, headers, body, own_key=own_key)

    def models_request(self) -> HttpRequest:
        """`GET /models`."""
        return HttpRequest(method="GET", path="/models", headers=[("accept", "application/json")])

    def decode_models(self, body: bytes) -> list[Model]:
        """The models of a reply."""
        return read_models(body)

    def decode_context_sizes(self, body: bytes) -> dict[str, int]:
        """The sizes of contexts, where the upstream tells them."""
        return read_context_sizes(body)

    def count(self, turn: Turn) -> Exchange[int]:
        """`POST /responses/input_tokens`."""
        headers = [*_HEADERS[:1], ("accept", "application/json")]
        body = encode_count(turn)
        return read_token_count(
            (yield HttpRequest(method="POST", path="/responses/input_tokens", headers=headers, body=body))
        )


__all__ = ["Responses"]
