"""The family of tools that come with the context, as an item of it.

It knows the item only: what the model is offered of it, `penstock.engine.planning.tool_selection` says.
"""

from __future__ import annotations

from typing import ClassVar

from penstock import wire

from ._base import UNSET, Item, UnsetType


class AdditionalTools(Item, kw_only=True, tag="additional_tools"):
    """Tools that the model may call from here on."""

    id_prefix: ClassVar[str] = "at_"

    id: str | None | UnsetType = UNSET
    role: str
    tools: list[wire.Tool]
