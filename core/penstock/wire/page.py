"""Pages of lists.

It knows OpenAI's list object. Stores define where a page begins and ends.
"""

from typing import Literal

import msgspec

from ._base import Wire


class ItemList(Wire, kw_only=True):
    """A page of items. `first_id` and `last_id` are null where it is empty."""

    object: Literal["list"] = "list"
    data: list[msgspec.Raw]
    first_id: str | None
    last_id: str | None
    has_more: bool
