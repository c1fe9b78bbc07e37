"""Event formats: what a faulty event looks like on each kind of stream.

An event is the bytes that are sent for it: a server-sent event of Responses or of Chat Completions, or a message of a
WebSocket. It is decoded only where a fault changes it.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from penstock.errors import ApiError, upstream_failed
from penstock.json_codec import encode
from penstock.returned import Fields
from penstock.sse import DONE
from penstock.wire import ErrorBody, ErrorDetail

COMMENT = b":"
_END = b"\n\n"
_DATA = b"data: "
_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def failure() -> ApiError:
    """The error of a fault that ends a stream."""
    return upstream_failed("The synthetic model failed, as its options ask.", status=500)


class EventFormat(Protocol):
    """How the events of a stream are written."""

    def is_event(self, piece: bytes) -> bool:
        """Whether it counts as an event."""

    def malformed(self, event: bytes) -> bytes:
        """The event with broken JSON."""

    def error(self, event: bytes, number: int) -> bytes:
        """The error that is sent in place of the event with this number."""

    def failed(self, event: bytes, number: int) -> bytes:
        """The end of a failed response, with this number. `event` is the last one of the response."""


class WebSocketEvents:
    """Messages of a WebSocket. Each is the JSON of an event, which may have the id of its stream."""

    def is_event(self, piece: bytes) -> bool:
        """Every message is one."""
        return True

    def malformed(self, event: bytes) -> bytes:
        """The first half of the message, as far as it is UTF-8."""
        return event[: len(event) // 2].decode(errors="ignore").encode()

    def error(self, event: bytes, number: int) -> bytes:
        """An event `error` for the same stream."""
        error = failure()
        fields: Fields = {name: raw for name, raw in _decode(event).items() if name == "stream_id"}
        return encode(
            {
                "type": "error",
                "code": error.code,
                "message": error.message,
                "param": None,
                "sequence_number": number,
                **fields,
            }
        )

    def failed(self, event: bytes, number: int) -> bytes:
        """An event `response.failed` with the same Response."""
        fields = _decode(event)
        error = encode(failure().response_error())
        response = _decode(fields["response"]) | _raw(status=b'"failed"', error=error, incomplete_details=b"null")
        return encode(
            fields | _raw(type=b'"response.failed"', sequence_number=str(number).encode(), response=encode(response))
        )


class ResponsesEvents:
    """Server-sent events of Responses: the JSON of a message after the event's name."""

    def __init__(self) -> None:
        self.json = WebSocketEvents()

    def is_event(self, piece: bytes) -> bool:
        """Whether it is neither a comment nor the mark of the end."""
        return not piece.startswith(COMMENT) and piece != DONE

    def malformed(self, event: bytes) -> bytes:
        """The event with the first half of its JSON."""
        head, data = _split(event)
        return head + self.json.malformed(data) + _END

    def error(self, event: bytes, number: int) -> bytes:
        """An event `error`."""
        return b"event: error\n" + _DATA + self.json.error(_split(event)[1], number) + _END

    def failed(self, event: bytes, number: int) -> bytes:
        """An event `response.failed` with the same Response."""
        return b"event: response.failed\n" + _DATA + self.json.failed(_split(event)[1], number) + _END


class ChatEvents(ResponsesEvents):
    """Server-sent events of Chat Completions. A stream that fails ends with an error."""

    def error(self, event: bytes, number: int) -> bytes:
        """An error in place of a chunk."""
        error = failure()
        detail = ErrorDetail(message=error.message, type=error.type, param=None, code=error.code)
        return _DATA + encode(ErrorBody(error=detail)) + _END

    failed = error


def split_events(piece: bytes | bytearray) -> list[bytes]:
    """The server-sent events of a piece of a stream, each with the blank line at its end."""
    return [bytes(event) + _END for event in piece.split(_END) if event]


def _split(event: bytes) -> tuple[bytes, bytes]:
    """What is before the JSON of a server-sent event, and the JSON."""
    head, data, rest = event.partition(_DATA)
    return head + data, rest.removesuffix(_END)


def _raw(**fields: bytes) -> Fields:
    return {name: msgspec.Raw(json) for name, json in fields.items()}
