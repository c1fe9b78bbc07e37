"""The unknown family: items, parts, tools, annotations and events of types that nobody here knows.

A newer client or upstream has words that came later. Such an object is kept whole, its own `type` with it, and says
no more than where it stands. A family that comes to be known takes its words away from here.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from ._base import UNKNOWN, UNSET, Event, Fold, Item, Part, Tool, Unknown, UnsetType, Wire, nothing


class UnknownItem(Item, kw_only=True, tag=UNKNOWN):
    """An item of no known type; its ids and its status stand apart, where it has them."""

    unknown: Unknown = msgspec.field(name=UNKNOWN)
    id: str | None | UnsetType = UNSET
    call_id: str | None | UnsetType = UNSET
    status: str | None | UnsetType = UNSET


class UnknownPart(Part, kw_only=True, tag=UNKNOWN):
    """A content part of no known type."""

    unknown: Unknown = msgspec.field(name=UNKNOWN)


class UnknownTool(Tool, kw_only=True, tag=UNKNOWN):
    """A tool of no known type."""

    unknown: Unknown = msgspec.field(name=UNKNOWN)


class UnknownAnnotation(Wire, kw_only=True, tag_field="type", tag=UNKNOWN):
    """An annotation of no known type."""

    unknown: Unknown = msgspec.field(name=UNKNOWN)


class UnknownEvent(Event, kw_only=True, tag=UNKNOWN):
    """An event of no known type. It tells of nothing that anybody here could fold."""

    fold: ClassVar[Fold] = nothing()

    unknown: Unknown = msgspec.field(name=UNKNOWN)
