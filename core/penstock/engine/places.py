"""Where a client finds the item that an error names: in its own input, or in what it refers to.

It knows that dialects count the items of the whole context, chains and conversations included, and that a client counts
those that it sent. It looks only where there is an error to tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from penstock.errors import ApiError
from penstock.wire import CreateResponse, InputItem

_ITEM = re.compile(r"input\[(\d+)\](.*)", re.DOTALL)


@contextmanager
def placed(items: Sequence[InputItem], request: CreateResponse) -> Iterator[None]:
    """An error about one of these items, which are what an upstream is shown, names its place in the request."""
    try:
        yield
    except ApiError as error:
        if (found := _ITEM.fullmatch(error.param or "")) and int(found[1]) < len(items):
            error.param = _place(items[int(found[1])], request, found[2])
        raise


def _place(item: InputItem, request: CreateResponse, within: str) -> str:
    """What the client did not send itself has no place within it."""
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
