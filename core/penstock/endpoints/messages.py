"""The messages of WebSocket mode that are no events of a stream: requests as clients wrap them, errors, refusals.

They know shapes and names; nothing is begun or sent here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from penstock.engine.request.request_body import read_body, without_bom
from penstock.errors import ApiError, invalid
from penstock.limits import Limits
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
"""A message as it was sent."""

_encode = msgspec.json.Encoder().encode


class _Turn(msgspec.Struct, tag_field="type", tag="response.create"):
    """What is read of a turn that failed. Its body has no type."""

    previous_response_id: str | None = None


_decode_turn = msgspec.json.Decoder(_Turn).decode

_STREAM_ID = re.compile(rb'"([A-Za-z0-9_.-]{1,256})"')
_NO_PART_OF_THE_REQUEST = frozenset({"type", "stream_id", "generate", "stream", "background"})


def read_event(message: bytes, limits: Limits) -> tuple[ClientEvent, Fields]:
    """What a client says. Raises `ApiError`."""
    if len(message) > limits.body_bytes_max:
        text = f"The message is too long: at most {limits.body_bytes_max} bytes are taken."
        raise ApiError(text, status=413, code="request_too_large")
    return read_body(without_bom(message), ClientEvent, limits)


def stream_id(event: ClientEvent) -> str | None:
    """The name of the stream that an event is for; None for the one without. Raises `ApiError`."""
    given = event.stream_id
    if isinstance(given, UnsetType) or given == NULL:
        return None
    found = _STREAM_ID.fullmatch(bytes(given))
    if found is None:
        message = (
            "Invalid 'stream_id': expected 1 to 256 letters, digits, underscores, hyphens or periods. "
            "Leave it out for the stream without a name."
        )
        raise invalid(message, "stream_id", "invalid_stream_id")
    return found[1].decode()


def request_body(event: ClientEvent, fields: Fields) -> bytes:
    """The body of the `POST /responses` that a `response.create` stands for. Raises `ApiError`."""
    if event.background:
        message = "A response over WebSocket cannot run in the background: use POST /v1/responses."
        raise invalid(message, "background", "unsupported_parameter")
    request = {name: value for name, value in fields.items() if name not in _NO_PART_OF_THE_REQUEST}
    return _encode(request | {"stream": True})


def previous_of(message: bytes) -> str | None:
    """The response that a turn goes on from, however wrong the rest of the turn is; None for what is no turn."""
    try:
        return _decode_turn(message).previous_response_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def error_message(error: ApiError, stream: str | None = None) -> bytes:
    """An error as the client sees it; a code is always there."""
    detail = WebSocketErrorDetail(
        message=error.message,
        type=error.type,
        param=error.param,
        code=error.code or error.type,
        headers=dict(error.headers()) or UNSET,
    )
    return _encode(WebSocketError(status=error.status, error=detail, stream_id=stream or UNSET))


def steer_failed(fields: Fields, limits: Limits) -> bytes:
    """The input of a `response.steer` back: a chat model cannot be told more while it speaks. Raises `ApiError`."""
    given = {name: value for name, value in fields.items() if name in Steer.__struct_fields__}
    steer, _ = read_body(_encode(given), Steer, limits)
    message = "Responses cannot be steered here: send a new request."
    error = SteerError(code="steering_not_supported", message=message)
    return _encode(SteerFailed(error=error, steer=steer))
