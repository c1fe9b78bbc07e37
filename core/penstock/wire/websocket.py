"""WebSocket mode: the messages of a client, and the error messages that it gets.

It knows the JSON only. The body of a `response.create` is that of `POST /responses`, and is decoded in the same way.
"""

import msgspec

from ._base import UNSET, UnsetType, Wire
from .error import ErrorDetail


class ClientEvent(msgspec.Struct, kw_only=True):
    """The fields of a client's message that are not parameters of the request. It skips all others."""

    type: str
    stream_id: msgspec.Raw | UnsetType = UNSET
    generate: bool | None = None
    stream: bool | None = None
    background: bool | None = None


class Steer(Wire, kw_only=True):
    """Input that a client sends for a running response."""

    previous_response_id: str
    input: msgspec.Raw


class SteerError(Wire, kw_only=True):
    """The reason why the input was not used."""

    type: str = "invalid_request_error"
    code: str
    message: str


class SteerFailed(Wire, kw_only=True, tag_field="type", tag="response.steer.failed"):
    """The input was not used. The event returns it, so that the client can send it with its next request."""

    sequence_number: int = 0
    error: SteerError
    steer: Steer


class WebSocketErrorDetail(ErrorDetail, kw_only=True):
    """An error, with the headers that an HTTP reply would have."""

    headers: dict[str, str] | UnsetType = UNSET


class WebSocketError(Wire, kw_only=True, tag_field="type", tag="error"):
    """The error of a message that started no response, or an error of the connection."""

    status: int
    error: WebSocketErrorDetail
    stream_id: str | UnsetType = UNSET
