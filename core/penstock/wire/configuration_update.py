"""The configuration family: settings that change in the middle of a conversation.

It knows the JSON of OpenAI's `configuration_update`. The settings stay undecoded.
"""

import msgspec

from ._base import UNSET, Item, UnsetType


class ConfigurationUpdate(Item, kw_only=True, tag="configuration_update"):
    """Settings of reasoning and text that apply from this item on, until another update replaces them."""

    id: str | None | UnsetType = UNSET
    reasoning: msgspec.Raw | UnsetType = UNSET
    text: msgspec.Raw | UnsetType = UNSET
