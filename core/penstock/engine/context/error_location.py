"""The location of an error in the client's request.

Dialects number the items of the whole context, including chains and conversations; a client numbers only the items
that it sent. The location is computed only when there is an error.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from penstock.errors import ApiError
from penstock.patterns import lazy_pattern
from penstock.wire import CreateResponse, InputItem

_ITEM = lazy_pattern(r"input\[(\d+)\](.*)", re.DOTALL)


def locate(error: ApiError, items: Sequence[InputItem], request: CreateResponse) -> None:
    """Give an error about one of these items the client's own `param`."""
    found = _ITEM.fullmatch(error.param or "")
    if found is not None and (index := int(found[1])) < len(items):
        error.param = _param(items[index], request, found[2])


def _param(item: InputItem, request: CreateResponse, within: str) -> str:
    """The parameter with this item; without a path within it where the client did not send the item itself."""
    sent = request.input if isinstance(request.input, list) else []
    for index, own in enumerate(sent):
        if own is item:
            return f"input[{index}]{within}"
    item_id = getattr(item, "id", None)
    for index, own in enumerate(sent):
        if item_id and getattr(own, "id", None) == item_id:
            return f"input[{index}]"
    sources = {
        "previous_response_id": request.previous_response_id,
        "conversation": request.conversation,
        "prompt": request.prompt,
    }
    return next((name for name, given in sources.items() if given is not None), "input")
