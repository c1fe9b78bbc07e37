"""A turn as a request to an upstream that serves Responses.

It knows what is ours alone and is not passed on: the state, and how the client reads. All else goes as it came,
unknown fields included. An upstream that stores nothing is asked for its thoughts in sealed form, for later turns.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from penstock import json_codec
from penstock.ports import Turn
from penstock.returned import bare, carried
from penstock.wire import NULL, UNSET, Include, InputItem, ReasoningItem, StreamOptions, Unknown

_fields_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


_COUNTED = frozenset("model input instructions tools tool_choice parallel_tool_calls text reasoning truncation".split())
"""What `POST /responses/input_tokens` takes."""


SEALED: Include = "reasoning.encrypted_content"
"""What is asked for though the client may not have."""


def encode(turn: Turn, origin: str, *, seals: bool = True) -> bytes:
    """The body of the request to the upstream `origin`, without parameters that the client did not send.

    `seals` states whether the upstream supports encrypted reasoning. What is not the input is encoded once for all
    turns that share it.
    """
    if turn.shared is None:
        before, after = _around_input(turn, seals=seals)
    else:
        encoded, key = turn.shared.encoded, ((encode, seals), turn.model)
        if key not in encoded:
            encoded[key] = _around_input(turn, seals=seals)
        before, after = encoded[key]
    return b"".join((before, json_codec.encode(_input(turn, origin)), after))


def encode_count(turn: Turn, origin: str) -> bytes:
    """The body of the request to count the tokens of the input."""
    counted = {name: value for name, value in _parameters(turn, seals=False).items() if name in _COUNTED}
    return json_codec.encode({**counted, "input": _input(turn, origin)})


def includes_sealed(turn: Turn) -> bool:
    """Whether the client itself asked for the sealed thoughts."""
    return SEALED in (turn.request.include or ())


def _around_input(turn: Turn, *, seals: bool) -> tuple[bytes, bytes]:
    """The body before and after the value of `input`."""
    return msgspec.json.encode(_parameters(turn, seals=seals))[:-1] + b',"input":', b"}"


def _parameters(turn: Turn, *, seals: bool) -> dict[str, msgspec.Raw]:
    """All parameters but the input."""
    include = turn.request.include
    request = replace(
        turn.request,
        model=turn.model,
        input=None,
        # spec: sealed-behind
        include=[*(include or ()), SEALED] if seals and not includes_sealed(turn) else include,
        # spec: relayed-whole
        stream=turn.stream,
        stream_options=StreamOptions(include_obfuscation=False) if turn.stream else None,  # the reader is ours
        store=False,
        background=None,
        background_options=None,
        previous_response_id=None,
        conversation=None,
        prompt=None,
    )
    fields = _fields_of(json_codec.encode(request)) | turn.extras
    return {name: value for name, value in fields.items() if value != NULL}


def _input(turn: Turn, origin: str) -> list[InputItem]:
    """The items that the upstream gets."""
    return [sent for item in turn.items if not _is_empty_thought(sent := _sent(item, origin))]


def _sent(item: InputItem, origin: str) -> InputItem:
    """The item with the fields that this upstream wants back in it.

    It has no id of our store's: an upstream that stores nothing would look for it in vain.
    """
    if getattr(item, "id", None):
        item = replace(item, id=UNSET)
    return _with_returned(item, origin) if item.unknown else item


def _with_returned(item: InputItem, origin: str) -> InputItem:
    returned = carried(item)
    item = bare(item)
    if returned is None or returned.origin != origin:
        return item
    fields = {name: value for name, value in returned.item.items() if getattr(item, name, UNSET) is UNSET}
    known = item.unknown.fields if item.unknown else {}
    return replace(item, unknown=Unknown({**known, **fields})) if fields else item


def _is_empty_thought(item: InputItem) -> bool:
    """Whether it is a reasoning item with nothing in it, such as one whose sealed thoughts are not to be had."""
    if not isinstance(item, ReasoningItem) or item.unknown:
        return False
    return not (item.content or item.summary or item.encrypted_content)
