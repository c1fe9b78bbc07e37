"""What the model is shown of a context: thoughts that were sealed, and in place of what was compacted, its summary.

It is the one place that opens what clients kept for us. Pure: a context and a seal give a list of items.
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


def shown(context: Context, seal: Seal | None, *, relays: bool = False) -> list[InputItem]:
    """The items of the context as the model sees them.

    Raises `ApiError` 400 for a compaction that does not open, by its place in the context. Thoughts that do not open,
    such as those of another provider, stay shut: the model answers without them. An upstream that `relays` has its own
    seal: it gets what does not open as it is.
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
                raise _shut(seal, f"input[{len(context.leading) + index}].encrypted_content")
            break
    thinking = [_thinking(item, seal, relays=relays) if isinstance(item, ReasoningItem) else item for item in items]
    return [*context.leading, *thinking]


def expand_compaction(compaction: Compaction, past: Sequence[InputItem] = ()) -> list[InputItem]:
    """What stands in place of the past. The summary is told by the user: every chat template takes it from there."""
    before = instruction_messages(past, users=True) if compaction.before is None else compaction.before
    return [*before, Message(role="user", content=f"{_PREFACE}\n\n{compaction.summary}"), *compaction.after]


def instruction_messages(items: Sequence[InputItem], *, users: bool) -> list[InputItem]:
    """The messages to the model: those of systems and developers, and of users if so asked."""
    roles = ("system", "developer", "user") if users else ("system", "developer")
    return [item for item in items if isinstance(item, Message) and item.role in roles]


def _shut(seal: Seal | None, place: str) -> ApiError:
    """A compaction does not open."""
    if seal is None:
        return no_sealing(place)
    message = (
        "The compaction cannot be opened: it was made by another server or for another API key, under a key that is "
        "no longer kept, or it is damaged."
    )
    return invalid(message, place, "invalid_encrypted_content")


def no_sealing(param: str | None) -> ApiError:
    """The server seals nothing."""
    message = "Compaction is not available on this server: it has nothing to seal with ('penstock[server]' brings it)."
    return invalid(message, param, "unsupported_parameter")


def _thinking(item: ReasoningItem, seal: Seal | None, *, relays: bool) -> ReasoningItem:
    """The item with its thoughts, where it has them sealed and not in the open."""
    thoughts = seal.open_thoughts(item.encrypted_content) if seal and item.encrypted_content else None
    if thoughts is None:
        return item if relays else replace(item, encrypted_content=UNSET)
    opened = replace(
        item,
        content=item.content or [ReasoningText(text=text) for text in thoughts.content],
        summary=item.summary or [SummaryText(text=text) for text in thoughts.summary],
        encrypted_content=UNSET,
    )
    return opened if thoughts.returned is None or carried(item) else carry(opened, thoughts.returned)
