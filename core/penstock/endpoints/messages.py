"""The messages of WebSocket mode that are not events of a stream: requests of clients, and errors.

It knows the JSON of the messages. It never starts or sends anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from penstock.engine.request.request_body import read_body, without_bom
from penstock.errors import ApiError, invalid
from penstock.limits import Limits
from penstock.patterns import lazy_pattern
from penstock.wire import (
    NULL,
    UNSET,
    ClientEvent,
    Steer,
    SteerError,
    SteerFailed,
    UnsetType,
    WebSocketError,
    WebSocketErrorDetail,
)

Fields: TypeAlias = Mapping[str, msgspec.Raw]
"""The fields of a message, undecoded."""

_encode = msgspec.json.Encoder().encode


class _Turn(msgspec.Struct, tag_field="type", tag="response.create"):
    """The field of a failed turn that is read. The body has no `type`."""

    previous_response_id: str | None = None


_decode_turn = msgspec.json.Decoder(_Turn).decode

_STREAM_ID = lazy_pattern(rb'"([A-Za-z0-9_.-]{1,256})"')
_NOT_IN_BODY = frozenset({"type", "stream_id", "generate", "stream", "background"})


def read_event(message: bytes, limits: Limits) -> tuple[ClientEvent, Fields]:
    """A message of a client. Raises `ApiError`."""
    if len(message) > limits.body_bytes_max:
        text = f"The message is too long: at most {limits.body_bytes_max} bytes are allowed."
        raise ApiError(text, status=413, code="request_too_large")
    # spec: websocket-requests-read-once
    return read_body(without_bom(message), ClientEvent, limits)


def stream_id(event: ClientEvent) -> str | None:
    """The id of the stream that an event is for. None for the stream without an id. Raises `ApiError`."""
    value = event.stream_id
    if isinstance(value, UnsetType) or value == NULL:
        return None
    found = _STREAM_ID.fullmatch(bytes(value))
    if found is None:
        message = (
            "Invalid 'stream_id': expected 1 to 256 letters, digits, underscores, hyphens or periods. "
            "Leave it out for the stream without an id."
        )
        raise invalid(message, "stream_id", "invalid_stream_id")
    return found[1].decode()


def request_body(event: ClientEvent, fields: Fields) -> bytes:
    """The body of the `POST /responses` that a `response.create` corresponds to. Raises `ApiError`."""
    if event.background:
        message = "A response over WebSocket cannot run in the background: use POST /v1/responses."
        raise invalid(message, "background", "unsupported_parameter")
    request = {name: value for name, value in fields.items() if name not in _NOT_IN_BODY}
    return _encode(request | {"stream": True})


def previous_of(message: bytes) -> str | None:
    """The `previous_response_id` of a turn, even where the rest of the turn is invalid. None where it has none."""
    try:
        return _decode_turn(message).previous_response_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def error_message(error: ApiError, stream: str | None = None) -> bytes:
    """An error as a message. It always has a code."""
    detail = WebSocketErrorDetail(
        message=error.message,
        type=error.type,
        param=error.param,
        code=error.code or error.type,
        headers=dict(error.headers()) or UNSET,
    )
    return _encode(WebSocketError(status=error.status, error=detail, stream_id=stream or UNSET))


def steer_failed(fields: Fields, limits: Limits) -> bytes:
    """The answer to a `response.steer`, with its input. A running chat model accepts no input. Raises `ApiError`."""
    steering = {name: value for name, value in fields.items() if name in Steer.__struct_fields__}
    steer, _ = read_body(_encode(steering), Steer, limits)
    message = "Responses cannot be steered here: send a new request."
    error = SteerError(code="steering_not_supported", message=message)
    return _encode(SteerFailed(error=error, steer=steer))
