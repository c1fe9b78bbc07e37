"""The unknown family: items, parts, tools, annotations and events of unknown types.

A newer client or upstream may send types that are newer than this server. Such an object keeps all its fields, with its
`type`, and passes through unread.
"""

from typing import ClassVar

import msgspec

from ._base import UNKNOWN, UNSET, Event, Fold, Item, Part, Tool, Unknown, UnsetType, Wire, nothing


class UnknownItem(Item, kw_only=True, tag=UNKNOWN):
    """An item of an unknown type. Its ids and its status are fields of their own, where it has them."""

    unknown: Unknown = msgspec.field(name=UNKNOWN)
    id: str | None | UnsetType = UNSET
    call_id: str | None | UnsetType = UNSET
    status: str | None | UnsetType = UNSET


class UnknownPart(Part, kw_only=True, tag=UNKNOWN):
    """A content part of an unknown type."""

    unknown: Unknown = msgspec.field(name=UNKNOWN)


class UnknownTool(Tool, kw_only=True, tag=UNKNOWN):
    """A tool of an unknown type."""

    unknown: Unknown = msgspec.field(name=UNKNOWN)


class UnknownAnnotation(Wire, kw_only=True, tag_field="type", tag=UNKNOWN):
    """An annotation of an unknown type."""

    unknown: Unknown = msgspec.field(name=UNKNOWN)


class UnknownEvent(Event, kw_only=True, tag=UNKNOWN):
    """An event of an unknown type. It changes nothing in the Response."""

    fold: ClassVar[Fold] = nothing()

    unknown: Unknown = msgspec.field(name=UNKNOWN)
