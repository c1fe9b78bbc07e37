"""The upstream's final Response: how it ended, its usage, and its other fields.

It knows which fields of a Response this server sets itself. A field of a wrong type counts as absent, and an unknown
field is passed on. Its items are read elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from operator import attrgetter
from typing import Any, get_args

import msgspec

from penstock import json_codec
from penstock.errors import quoted, upstream_failed
from penstock.transcript.deltas import Delta, Finish, ResponseFields, UpstreamFailed, UsageDelta
from penstock.upstream_errors import read_error
from penstock.wire import UNSET, IncompleteReason, Response, ResponseError, Unknown, UnsetType, Usage, Wire

_OURS = (
    "id object created_at completed_at background instructions model previous_response_id conversation prompt store"
    " user metadata tools tool_choice".split()
)
"""Fields that this server sets itself: the response's ids and times here, and the client's parameters."""
_APART: dict[str, Any] = {
    "output": msgspec.Raw,
    "usage": Usage | None,
    "status": str | None,
    "error": Any,
    "incomplete_details": dict[str, Any] | None,
}
"""Fields that are decoded in another way."""
_OTHERS: dict[str, Any] = {
    field.encode_name: field.type
    for field in msgspec.structs.fields(Response)
    if field.encode_name not in {*_OURS, *_APART} and field.name != "unknown"
}
"""The other fields, with the upstream's values."""
_READ: dict[str, Any] = dict.fromkeys(_OURS, msgspec.Raw) | _APART | _OTHERS

EndedResponse: Any = msgspec.defstruct(
    "EndedResponse", [(name, kind | UnsetType, UNSET) for name, kind in _READ.items()], bases=(Wire,), kw_only=True
)
"""Every field is `UNSET` where it is absent."""

_decode = json_codec.Decoder[Any](EndedResponse, lenient=True).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decoders = {name: json_codec.Decoder[Any](kind, lenient=True) for name, kind in _READ.items()}

_PASSED_ON = (*_OTHERS, "unknown")
_passed_on = attrgetter(*_PASSED_ON)
_REASONS: tuple[str, ...] = get_args(IncompleteReason)


def read_ending(data: bytes) -> Any:
    """The `EndedResponse` that a Response is. Raises what msgspec raises for what is no JSON object."""
    try:
        return _decode(data)
    except msgspec.ValidationError:
        return _read_by_field(_decode_fields(json_codec.one_line(data)))


def _read_by_field(fields: dict[str, msgspec.Raw]) -> Any:
    """The fields that are as they should be."""
    read: dict[str, Any] = {}
    for name, decoder in _decoders.items():
        if name in fields:
            with suppress(msgspec.ValidationError):
                read[name] = decoder.decode(bytes(fields[name]))
    unknown = {name: value for name, value in fields.items() if name not in _READ}
    return EndedResponse(**read, unknown=Unknown(unknown) if unknown else UNSET)


def deltas_of(ending: Any) -> list[Delta]:
    """What was in force, what it cost, and how it ended. Raises `ApiError` where it has not ended."""
    fields = {name: value for name, value in zip(_PASSED_ON, _passed_on(ending), strict=True) if value is not UNSET}
    deltas: list[Delta] = [ResponseFields(fields)]
    if ending.usage:
        deltas.append(UsageDelta(ending.usage))
    status = ending.status or "completed"
    end = _ENDS.get(status)
    if end is None:
        raise upstream_failed(f"The upstream's response ended with the status {quoted(status)}.")
    return [*deltas, end(ending)]


def _incomplete(ending: Any) -> Delta:
    reason = (ending.incomplete_details or {}).get("reason")
    return Finish("max_output_tokens" if reason not in _REASONS else reason)


def _failed(ending: Any) -> Delta:
    error = read_error(ending.error or None)
    message = error.message or "The upstream's response failed."
    return UpstreamFailed(ResponseError(code=error.code or "server_error", message=message))


_ENDS: dict[str, Callable[[Any], Delta]] = {
    "completed": lambda ending: Finish(),
    "incomplete": _incomplete,
    "failed": _failed,
}
