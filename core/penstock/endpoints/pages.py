"""Pages of items: where a page begins, how long it is, and whether more follow."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from penstock.errors import ApiError, invalid
from penstock.http import Reply, json_reply
from penstock.ports import ItemPage
from penstock.wire import ItemList

from .included import listed

_encode = msgspec.json.Encoder().encode


def page_reply(page: ItemPage, include: Collection[str]) -> Reply:
    """A page as JSON. Its items have the fields that the client asked to include."""
    items = page.items
    return json_reply(
        _encode(
            ItemList(
                data=[listed(item, include) for item in items],
                first_id=items[0].id if items else None,
                last_id=items[-1].id if items else None,
                has_more=page.has_more,
            )
        )
    )


def unknown_after(after: str) -> ApiError:
    """The error where the item of `after` does not exist."""
    return invalid(f"No item with id '{after}' found in this list.", "after")
