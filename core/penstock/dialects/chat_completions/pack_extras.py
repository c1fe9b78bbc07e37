"""Packs the unknown keys of a chunk's message and calls into one key, so that the rest can be decoded.

It knows which objects of a reply go back to the upstream in later turns, and by their structs which keys are known.
It is slow. It runs only where strict decoding meets an unknown key.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from penstock.returned import Fields

from . import wire

_fields_of = msgspec.json.Decoder(Fields).decode
_entries_of = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


def _keys(kind: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(kind.__struct_encode_fields__)


_DESCRIBED = frozenset(
    "name tool_call_id executed_tools context token_ids audio images parsed prefix logprobs usage finish_reason".split()
)
"""Keys of a message that are not returned: they describe the message for a reader."""
_MESSAGE, _CALL, _FUNCTION = _keys(wire.ReadMessage), _keys(wire.ReadToolCall), _keys(wire.ReadFunction)


def pack_extras(data: bytes) -> bytes:
    """The chunk with the unknown keys of each such object in one, `$extras`; as it is where it has another form."""
    try:
        reply = _fields_of(data)
        reply["choices"] = _raw([_choice(choice) for choice in _entries_of(reply["choices"])])
        return _encode(reply)
    except (msgspec.DecodeError, KeyError, UnicodeError, RecursionError):
        return data


def _choice(raw: msgspec.Raw) -> msgspec.Raw:
    choice = _fields_of(raw)
    for name in ("delta", "message"):
        if _is_object(choice.get(name)):
            choice[name] = _message(choice[name])
    return _raw(choice)


def _message(raw: msgspec.Raw) -> msgspec.Raw:
    known, extras = _parted(raw, _MESSAGE)
    extras = {name: value for name, value in extras.items() if name not in _DESCRIBED}
    calls = known.get("tool_calls")
    if calls is not None and _first(calls) == b"[":
        known["tool_calls"] = _raw([_call(call) if _is_object(call) else call for call in _entries_of(calls)])
    if _is_object(known.get("function_call")):
        known["function_call"] = _raw(_parted(known["function_call"], _FUNCTION)[0])
    return _raw(_with(known, extras))


def _call(raw: msgspec.Raw) -> msgspec.Raw:
    known, extras = _parted(raw, _CALL)
    if _is_object(known.get("function")):
        function, beside = _parted(known["function"], _FUNCTION)
        known["function"] = _raw(function)
        if beside:
            extras["function"] = _raw(beside)
    return _raw(_with(known, extras))


def _parted(raw: msgspec.Raw, keys: Collection[str]) -> tuple[Fields, Fields]:
    """The known keys of an object, and the others that are not null."""
    fields = _fields_of(raw)
    known = {name: value for name, value in fields.items() if name in keys and name != wire.EXTRAS}
    others = {name: value for name, value in fields.items() if name not in keys and _first(value) != b"n"}
    return known, others


def _with(known: Fields, extras: Fields) -> Fields:
    return {**known, wire.EXTRAS: _raw(extras)} if extras else known


def _is_object(raw: msgspec.Raw | None) -> bool:
    return raw is not None and _first(raw) == b"{"


def _first(raw: msgspec.Raw) -> bytes:
    """The first byte, which shows the type of the value; an `n` is null."""
    return bytes(memoryview(raw)[:1])


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(_encode(value))
