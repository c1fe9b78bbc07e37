"""The additional tools family: tools that an item of the context adds.

It knows the item only. `penstock.engine.planning.tool_selection` decides which of its tools the model gets.
"""

from typing import ClassVar

from penstock import wire

from ._base import UNSET, Item, UnsetType


class AdditionalTools(Item, kw_only=True, tag="additional_tools"):
    """Tools that the model may call from this item on."""

    id_prefix: ClassVar[str] = "at_"

    id: str | None | UnsetType = UNSET
    role: str
    tools: "list[wire.Tool]"
