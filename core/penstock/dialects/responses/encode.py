"""A turn as a request to an upstream that speaks Responses.

It knows what is ours alone and is not passed on: the state, and how the client reads. All else goes as it came, what
nobody here knows included.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from penstock import lossless
from penstock.ports import Turn
from penstock.wire import NULL, UNSET, InputItem, StreamOptions

_fields_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


_COUNTED = frozenset("model input instructions tools tool_choice parallel_tool_calls text reasoning truncation".split())
"""What `POST /responses/input_tokens` takes."""


def encode(turn: Turn) -> bytes:
    """The body of the request; what the client did not say is not there."""
    return msgspec.json.encode(_fields(turn))


def encode_count(turn: Turn) -> bytes:
    """The body of the request to count the tokens of the input."""
    return msgspec.json.encode({name: value for name, value in _fields(turn).items() if name in _COUNTED})


def _fields(turn: Turn) -> dict[str, msgspec.Raw]:
    request = replace(
        turn.request,
        model=turn.model,
        input=[_without_id(item) for item in turn.items],
        stream=True,
        stream_options=StreamOptions(include_obfuscation=False),  # who reads it is us
        store=False,
        background=None,
        background_options=None,
        previous_response_id=None,
        conversation=None,
        prompt=None,
    )
    fields = _fields_of(lossless.encode(request)) | turn.extras
    return {name: value for name, value in fields.items() if value != NULL}


def _without_id(item: InputItem) -> InputItem:
    """The item without an id of our store's: an upstream that keeps nothing would look for it in vain."""
    return replace(item, id=UNSET) if getattr(item, "id", None) else item
