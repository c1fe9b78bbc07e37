"""Where a client finds the item that an error names: in its own input, or in what it refers to.

It knows that dialects count the items of the whole context, chains and conversations included, and that a client counts
those that it sent. It looks only where there is an error to tell.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import TracebackType

from penstock.errors import ApiError
from penstock.wire import CreateResponse, InputItem

_ITEM = re.compile(r"input\[(\d+)\](.*)", re.DOTALL)


class Placed:
    """`with Placed(...)`: an error about one of these items, which an upstream sees, names its place in the request."""

    __slots__ = ("_items", "_request")

    def __init__(self, items: Sequence[InputItem], request: CreateResponse) -> None:
        self._items = items
        self._request = request

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, ApiError) and (found := _ITEM.fullmatch(error.param or "")):
            place, items = int(found[1]), self._items
            if place < len(items):
                error.param = _place(items[place], self._request, found[2])


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
