"""The conversation family: conversations, references to them, and references to items.

It knows the JSON of OpenAI's Conversations API. A conversation's items are the items of any family.
"""

from typing import Annotated, Literal, TypeAlias

import msgspec

from penstock import wire

from ._base import Item, Wire

CONVERSATION_ITEMS_MAX = 20
"""The most items that one request may add to a conversation, as in OpenAI's reference."""
Metadata: TypeAlias = Annotated[
    dict[Annotated[str, msgspec.Meta(max_length=64)], Annotated[str, msgspec.Meta(max_length=512)]],
    msgspec.Meta(max_length=16),
]
"""Up to 16 pairs that the client chose, with keys of up to 64 and values of up to 512 characters."""


class ConversationReference(Wire, kw_only=True):
    """A conversation by its id."""

    id: str


class ItemReference(Item, kw_only=True, tag="item_reference"):
    """A stored item, by its id."""

    id: str


class CreateConversation(Wire, kw_only=True, forbid_unknown_fields=False):
    """The body of `POST /conversations`."""

    items: "Annotated[list[wire.InputItem], msgspec.Meta(max_length=CONVERSATION_ITEMS_MAX)] | None" = None
    metadata: Metadata | None = None


class UpdateConversation(Wire, kw_only=True, forbid_unknown_fields=False):
    """The body of `POST /conversations/{id}`."""

    metadata: Metadata | None = None


class CreateConversationItems(Wire, kw_only=True, forbid_unknown_fields=False):
    """The body of `POST /conversations/{id}/items`."""

    items: "Annotated[list[wire.InputItem], msgspec.Meta(min_length=1, max_length=CONVERSATION_ITEMS_MAX)]"


class Conversation(Wire, kw_only=True):
    """A conversation. Times are Unix seconds."""

    id: str
    object: Literal["conversation"] = "conversation"
    created_at: int
    metadata: dict[str, str]


class Deleted(Wire, kw_only=True):
    """The reply to a deletion. `object` is OpenAI's name for the kind of object."""

    id: str
    object: Literal["response", "conversation.deleted"]
    deleted: Literal[True] = True
