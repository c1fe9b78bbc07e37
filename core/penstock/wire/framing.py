"""The events that begin and end items and parts: added and done.

It knows the index of an object (`output_index`, `content_index`). The object itself belongs to its family's module.
"""

from typing import ClassVar

from penstock import wire

from ._base import Event, Fold, close, open_


class OutputItemAdded(Event, kw_only=True, tag="response.output_item.added"):
    """An item begins."""

    fold: ClassVar[Fold] = open_("item")

    output_index: int
    item: "wire.OutputItem"


class OutputItemDone(Event, kw_only=True, tag="response.output_item.done"):
    """An item is complete."""

    fold: ClassVar[Fold] = close("item")

    output_index: int
    item: "wire.OutputItem"


class ContentPartAdded(Event, kw_only=True, tag="response.content_part.added"):
    """A content part begins."""

    fold: ClassVar[Fold] = open_("part")

    item_id: str
    output_index: int
    content_index: int
    part: "wire.OutputPart"


class ContentPartDone(Event, kw_only=True, tag="response.content_part.done"):
    """A content part is complete."""

    fold: ClassVar[Fold] = close("part")

    item_id: str
    output_index: int
    content_index: int
    part: "wire.OutputPart"
