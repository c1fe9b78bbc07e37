"""A Responses reply as deltas: a stream in any split, or a whole Response.

It knows which events are the upstream's own life (they are ours to tell) and which are the answer (they are relayed).
An event or a field that nobody here knows is relayed too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, get_args

import msgspec

from penstock import lossless
from penstock.characters import mended
from penstock.errors import upstream_failed
from penstock.replies import told_error
from penstock.sse import SseReader
from penstock.transcript.deltas import Delta, Facts, Fault, Finish, Relayed, UsageDelta
from penstock.upstream_errors import read_error
from penstock.wire import (
    IncompleteReason,
    OutputItem,
    Response,
    ResponseError,
    StreamEvent,
    Unknown,
    Usage,
)

from .hidden import Hidden
from .whole import events_of

Fields: TypeAlias = dict[str, msgspec.Raw]

_fields_of = msgspec.json.Decoder(Fields).decode
_decode_event = lossless.Decoder[Any](StreamEvent, lenient=True).decode
_decode_items = lossless.Decoder[list[Any]](list[OutputItem], lenient=True).decode
_text_of = msgspec.json.Decoder(str).decode

_OURS = frozenset(
    "id object status created_at completed_at background error incomplete_details instructions model output"
    " previous_response_id conversation prompt store usage user metadata tools tool_choice".split()
)
"""Fields of the Response that are ours to say: its place and time here, what the client asked for, how it ended."""
_FIELDS = frozenset(field.encode_name for field in msgspec.structs.fields(Response))
_TOLD: dict[str, lossless.Decoder[Any]] = {
    field.encode_name: lossless.Decoder(field.type, lenient=True)
    for field in msgspec.structs.fields(Response)
    if field.encode_name not in _OURS and field.name != "unknown"
}
"""The other fields, by which the upstream says what was in force."""
_REASONS: tuple[str, ...] = get_args(IncompleteReason)
_OPTIONAL: dict[str, lossless.Decoder[Any]] = {
    "usage": lossless.Decoder(Usage | None, lenient=True),
    "status": lossless.Decoder(str | None),
    "error": lossless.Decoder(Any),
    "incomplete_details": lossless.Decoder(dict[str, Any] | None),
}
"""How a response ended, and what it cost."""


class _TokenCount(msgspec.Struct):
    """The reply of `POST /responses/input_tokens`."""

    input_tokens: int


def read_token_count(body: bytes) -> int:
    """The tokens of an input. Raises `ApiError`."""
    try:
        return msgspec.json.decode(body, type=_TokenCount).input_tokens
    except (msgspec.DecodeError, UnicodeError):
        raise upstream_failed("The upstream's count of tokens cannot be read.") from None


class ResponsesDecoder:
    """One reply. Its first byte tells a stream from a JSON body."""

    def __init__(self, *, event_bytes_max: int, hidden: Hidden | None = None) -> None:
        self.is_done = False
        self._hidden = hidden
        self._event_bytes_max = event_bytes_max
        self._sse = SseReader(event_bytes_max=event_bytes_max)
        self._body: bytearray | None = None
        self._begun = False

    @property
    def has_finished(self) -> bool:
        """Whether the terminal event was read."""
        return self.is_done

    def feed(self, chunk: bytes) -> list[Delta]:
        """The deltas that this chunk completes. Raises `ApiError` where the upstream tells of an error."""
        if not self._begun and chunk.strip():
            self._begun = True
            if chunk.lstrip().startswith(b"{"):
                self._body = bytearray()
        if self._body is None:
            return self._events(self._sse.feed(chunk))
        self._body += chunk
        if len(self._body) > self._event_bytes_max:
            raise upstream_failed(f"The upstream sent a reply of over {self._event_bytes_max} bytes.")
        return []

    def close(self) -> list[Delta]:
        """The end of the reply. One that told of no end was cut."""
        deltas = self._events(self._sse.close()) if self._body is None else self._whole(bytes(self._body))
        if not self.is_done:
            raise upstream_failed("The upstream's stream ended before its response did.")
        return deltas

    def _events(self, read: list[bytes]) -> list[Delta]:
        deltas: list[Delta] = []
        for data in read:
            if not self.is_done and data.strip() != b"[DONE]":
                deltas += self._event(data)
        return deltas

    def _event(self, data: bytes) -> list[Delta]:
        try:
            return self._told(data)
        except (msgspec.DecodeError, UnicodeError):
            data = mended(data)
        except (RecursionError, KeyError) as error:
            raise upstream_failed(f"The upstream sent what is no event of a response: {error}") from None
        try:
            return self._told(data)
        except (msgspec.DecodeError, UnicodeError, RecursionError, KeyError) as error:
            raise upstream_failed(f"The upstream sent what is no event of a response: {error}") from None

    def _told(self, data: bytes) -> list[Delta]:
        fields = _fields_of(data)
        tell = _OWN_LIFE.get(_text_of(fields["type"]))
        return self._relayed(_decode_event(data)) if tell is None else tell(self, fields)

    def _relayed(self, event: Any) -> list[Delta]:
        return [Relayed(event)] if self._hidden is None else [*self._hidden.take(event)]

    def _nothing(self, fields: Fields) -> list[Delta]:
        return []

    def _ended(self, fields: Fields) -> list[Delta]:
        self.is_done = True
        return _ending(_fields_of(fields["response"]))

    def _failed(self, fields: Fields) -> list[Delta]:
        raise told_error(read_error({name: msgspec.json.decode(value) for name, value in fields.items()}))

    def _whole(self, body: bytes) -> list[Delta]:
        """A Response that came whole: its items, each at once, and its end."""
        try:
            fields = _fields_of(body)
            self.is_done = True
            items = _decode_items(bytes(fields["output"]))
            told = [delta for event in events_of(items) for delta in self._relayed(event)]
            return [*told, *_ending(fields)]
        except (msgspec.DecodeError, UnicodeError, RecursionError, KeyError) as error:
            raise upstream_failed(f"The upstream sent what is no response: {error}") from None


_OWN_LIFE: dict[str, Callable[[ResponsesDecoder, Fields], list[Delta]]] = {
    "response.created": ResponsesDecoder._nothing,
    "response.queued": ResponsesDecoder._nothing,
    "response.in_progress": ResponsesDecoder._nothing,
    "response.completed": ResponsesDecoder._ended,
    "response.incomplete": ResponsesDecoder._ended,
    "response.failed": ResponsesDecoder._ended,
    "error": ResponsesDecoder._failed,
}
"""The events of the upstream's own life, which are not relayed, and what each means."""


def _ending(fields: Fields) -> list[Delta]:
    """How the response ended, what it cost, and what was in force. Raises `ApiError` where it has not ended."""
    deltas: list[Delta] = [Facts(_facts(fields))]
    if usage := _optional(fields, "usage"):
        deltas.append(UsageDelta(usage))
    status = _optional(fields, "status") or "completed"
    end = _ENDS.get(status)
    if end is None:
        raise upstream_failed(f"The upstream's response ended with the status '{status[:32]}'.")
    return [*deltas, end(fields)]


def _incomplete(fields: Fields) -> Delta:
    details = _optional(fields, "incomplete_details") or {}
    reason = details.get("reason")
    return Finish("max_output_tokens" if reason not in _REASONS else reason)


def _failed(fields: Fields) -> Delta:
    error = read_error(_optional(fields, "error"))
    message = error.message or "The upstream's response failed."
    return Fault(ResponseError(code=error.code or "server_error", message=message))


_ENDS: dict[str, Callable[[Fields], Delta]] = {
    "completed": lambda fields: Finish(),
    "incomplete": _incomplete,
    "failed": _failed,
}


def _facts(fields: Fields) -> dict[str, Any]:
    """The fields of the Response that the upstream says, each where it is as it should be."""
    strangers = {name: value for name, value in fields.items() if name not in _FIELDS}
    told: dict[str, Any] = {"unknown": Unknown(strangers)} if strangers else {}
    for name, decoder in _TOLD.items():
        if name in fields:
            try:
                told[name] = decoder.decode(bytes(fields[name]))
            except msgspec.ValidationError:
                continue
    return told


def _optional(fields: Fields, name: str) -> Any:
    """A field's value; None where it is missing, null or not as it should be."""
    if name not in fields:
        return None
    try:
        return _OPTIONAL[name].decode(bytes(fields[name]))
    except msgspec.ValidationError:
        return None
