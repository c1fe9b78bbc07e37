"""Pages of items, as lists are told: where one begins, how long it is, whether more follow."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from penstock.errors import ApiError, invalid
from penstock.http import Reply, json_reply
from penstock.ports import ItemPage
from penstock.wire import ItemList

from .included import shown

_encode = msgspec.json.Encoder().encode


def page_reply(page: ItemPage, include: Collection[str]) -> Reply:
    """A page as JSON, its items with what the client asked to include."""
    items = page.items
    return json_reply(
        _encode(
            ItemList(
                data=[shown(item, include) for item in items],
                first_id=items[0].id if items else None,
                last_id=items[-1].id if items else None,
                has_more=page.has_more,
            )
        )
    )


def unknown_after(after: str) -> ApiError:
    """The item behind which a page should begin is not there."""
    return invalid(f"No item with id '{after}' found in this list.", "after")
