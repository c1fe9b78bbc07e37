"""The items that the model sees: sealed reasoning is opened, and a summary replaces what was compacted.

It is the only module that opens the sealed texts of clients. Pure: a context and a seal give a list of items.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from penstock.errors import ApiError, invalid
from penstock.returned import carried, carry
from penstock.wire import UNSET, CompactionItem, InputItem, Message, ReasoningItem, ReasoningText, SummaryText

from .resolve import Context
from .sealing import Compaction, Seal

_PREFACE = (
    "The conversation so far was compacted, so that it fits your context. What follows is your own summary of all that "
    "is no longer shown. Rely on it, and go on from where it ends."
)
_SEALED = frozenset({ReasoningItem, CompactionItem})


def visible_items(context: Context, seal: Seal | None, *, relays: bool = False) -> list[InputItem]:
    """The items of the context as the model sees them.

    Raises `ApiError` 400, with its index in the context, for a compaction that cannot be opened. Reasoning that cannot
    be opened, for instance that of another provider, is left out: the model answers without it. An upstream that
    `relays` has its own seal: it receives what cannot be opened as it is.
    """
    if _SEALED.isdisjoint(map(type, context.items)):
        return context.items
    items = [*context.earlier, *context.own]
    for index in reversed(range(len(items))):
        item = items[index]
        if isinstance(item, CompactionItem):
            compaction = seal.open_compaction(item.encrypted_content) if seal else None
            if compaction is not None:
                items = [*expand_compaction(compaction, items[:index]), *items[index + 1 :]]
            elif not relays:
                raise _cannot_open(seal, f"input[{len(context.leading) + index}].encrypted_content")
            break
    opened = [_with_reasoning(item, seal, relays=relays) if isinstance(item, ReasoningItem) else item for item in items]
    return [*context.leading, *opened]


def expand_compaction(compaction: Compaction, past: Sequence[InputItem] = ()) -> list[InputItem]:
    """The items that replace a compacted past. The summary is a user message: every chat template accepts one."""
    before = instruction_messages(past, users=True) if compaction.before is None else compaction.before
    return [*before, Message(role="user", content=f"{_PREFACE}\n\n{compaction.summary}"), *compaction.after]


def instruction_messages(items: Sequence[InputItem], *, users: bool) -> list[InputItem]:
    """The messages of the system and of developers; with `users`, those of users too."""
    roles = ("system", "developer", "user") if users else ("system", "developer")
    return [item for item in items if isinstance(item, Message) and item.role in roles]


def _cannot_open(seal: Seal | None, param: str) -> ApiError:
    """The error for a compaction that cannot be opened: 400."""
    if seal is None:
        return no_sealing(param)
    message = (
        "The compaction cannot be opened: it was made by another server or for another API key, under a key that is "
        "no longer configured, or it is damaged."
    )
    return invalid(message, param, "invalid_encrypted_content")


def no_sealing(param: str | None) -> ApiError:
    """The error where the server has no sealer: 400."""
    message = "Compaction is not available on this server: sealing needs the extra 'penstock[server]'."
    return invalid(message, param, "unsupported_parameter")


def _with_reasoning(item: ReasoningItem, seal: Seal | None, *, relays: bool) -> ReasoningItem:
    """The item with its texts, where it has them only in sealed form."""
    thoughts = seal.open_thoughts(item.encrypted_content) if seal and item.encrypted_content else None
    # spec: sealed
    if thoughts is None:
        return item if relays else replace(item, encrypted_content=UNSET)
    opened = replace(
        item,
        content=item.content or [ReasoningText(text=text) for text in thoughts.content],
        summary=item.summary or [SummaryText(text=text) for text in thoughts.summary],
        encrypted_content=UNSET,
    )
    return opened if thoughts.returned is None or carried(item) else carry(opened, thoughts.returned)
