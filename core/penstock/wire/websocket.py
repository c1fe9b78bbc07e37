"""WebSocket mode: what a client says, and how it is told that it said something wrong.

It knows the shapes. The body of a `response.create` is that of `POST /responses`, and is read as such.
"""

from __future__ import annotations

import msgspec

from ._base import UNSET, UnsetType, Wire
from .error import ErrorDetail


class ClientEvent(Wire, kw_only=True):
    """A message of a client, as far as it is no request. `stream_id` is read by whoever answers it."""

    type: str
    stream_id: msgspec.Raw | UnsetType = UNSET
    generate: bool | None = None
    stream: bool | None = None
    background: bool | None = None


class Steer(Wire, kw_only=True):
    """What a client would have a response consider while it is being made."""

    previous_response_id: str
    input: msgspec.Raw


class SteerError(Wire, kw_only=True):
    """Why it does not."""

    type: str = "invalid_request_error"
    code: str
    message: str


class SteerFailed(Wire, kw_only=True, tag_field="type", tag="response.steer.failed"):
    """The client has its input back, for its next request."""

    sequence_number: int = 0
    error: SteerError
    steer: Steer


class WebSocketErrorDetail(ErrorDetail, kw_only=True):
    """What went wrong, with the headers that an HTTP reply would have had."""

    headers: dict[str, str] | UnsetType = UNSET


class WebSocketError(Wire, kw_only=True, tag_field="type", tag="error"):
    """The answer to a message from which no response was made, or word of the connection itself."""

    status: int
    error: WebSocketErrorDetail
    stream_id: str | UnsetType = UNSET
