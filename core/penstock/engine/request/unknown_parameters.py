"""Applies the `unknown_parameters` policy to unknown parameters, and to items and parts that no chat model can read.

They are ignored and named, rejected, or, if they are parameters, forwarded to the upstream. Ignored items are stored
and listed all the same. Content of this turn is never ignored: the model would answer another question.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import Any, Literal, TypeAlias, get_args

import msgspec

from penstock.errors import invalid
from penstock.wire import NULL, CreateResponse, InputItem, Message, OutputItem, ReasoningItem, UnknownItem, UnknownPart

from .validation_errors import unsupported_value

Policy: TypeAlias = Literal["ignore", "reject", "forward"]

_LISTS = ("content", "output", "summary")
_CONTENT_KEYS = frozenset({"content", "output", "role", "text"})
"""An item of an unknown type with one of these keys has content."""
PARTS: dict[type[Any], list[str]] = {
    cls: [name for name in _LISTS if name in cls.__struct_fields__] for cls in get_args(InputItem | OutputItem)
}
"""The fields in which an item may have a list of parts, by the item's class."""


class UnknownParameters(msgspec.Struct):
    """The unknown parameters: those that are forwarded, and those that are ignored."""

    forwarded: dict[str, msgspec.Raw]
    ignored: list[str]


class _Location(msgspec.Struct, frozen=True):
    """The location of an unknown item or part, and its type."""

    param: str
    type: str
    is_content: bool
    """Whether it has content for the model; reasoning of an earlier turn is not."""


def settle_unknown(
    unknown: dict[str, msgspec.Raw], policy: Policy, *, relays: bool = False, known: Container[str] = ()
) -> UnknownParameters:
    """Apply the policy. An upstream of the Responses API may know the parameter: it gets all but rejected ones.

    Every upstream gets those of `known`, which it reads.

    Raises `ApiError` 400 for `reject`.
    """
    if not unknown:  # nearly always
        return UnknownParameters(forwarded={}, ignored=[])
    names = sorted([name for name in unknown if name not in known])
    if policy == "forward" or (policy == "ignore" and relays):
        return UnknownParameters(forwarded=unknown, ignored=[])
    if policy == "reject" and names:
        raise invalid(f"Unknown parameter: '{names[0]}'.", names[0], "unknown_parameter")
    # spec: codex
    return UnknownParameters(forwarded={name: unknown[name] for name in unknown if name in known}, ignored=names)


def parts_of(item: InputItem | OutputItem) -> Iterator[tuple[str, list[Any]]]:
    """The lists of parts in an item, each with its field."""
    for name in PARTS[type(item)]:
        parts = getattr(item, name)
        if isinstance(parts, list):
            yield name, parts


def settle_unknown_items(request: CreateResponse, items: Sequence[InputItem], policy: Policy) -> list[str]:
    """The names of what a chat model does not get: in the input by index, in earlier turns by type.

    Raises `ApiError` 400 for content of this turn, and with `reject` for any part of it. Stored items were accepted
    before, and are not rejected now.
    """
    if not any(map(has_unknown, items)):  # nearly always
        return []
    own = request.input if isinstance(request.input, list) else []
    unknown = [each for index, item in enumerate(own) for each in _unknown_in(item, f"input[{index}]")]
    is_all = all(isinstance(item, UnknownItem) for item in items)
    for each in unknown:
        # spec: unknown-content
        if policy == "reject" or each.is_content or is_all:
            raise unsupported_value(f"'{each.type}'", f"{each.param}.type", CreateResponse)
    own_ids = {id(item) for item in own}
    earlier = [each for item in items if id(item) not in own_ids for each in _unknown_in(item, "context")]
    fields = [name for index, item in enumerate(own) for name in _chat_fields(item, f"input[{index}]", policy)]
    return [f"{each.param}.{each.type}" for each in unknown] + [
        *fields,
        *dict.fromkeys(f"context.{each.type}" for each in earlier),
    ]


def _chat_fields(item: InputItem, param: str, policy: Policy) -> Iterator[str]:
    """The fields of Chat Completions in a message that have content. Raises `ApiError` 400 for calls."""
    unknown = item.unknown.fields if isinstance(item, Message) and item.unknown else {}
    for name, kind in _CHAT_FIELDS_AS.items():
        if bytes(memoryview(unknown.get(name, NULL))) in _NOTHING:
            continue
        # spec: chat-fields
        if kind == "function_call" or policy == "reject":
            message = f"Messages have no '{name}': send an item of type '{kind}' in its place."
            raise invalid(message, f"{param}.{name}", "unknown_parameter")
        yield f"{param}.{name}"


_CHAT_FIELDS_AS = {
    "tool_calls": "function_call",
    "function_call": "function_call",
    "reasoning_content": "reasoning",
    "reasoning": "reasoning",
    "reasoning_details": "reasoning",
    "thinking": "reasoning",
}
"""What a message of Chat Completions has in fields, and the items that have it here."""
_CHAT_FIELDS = frozenset(_CHAT_FIELDS_AS)
_NOTHING = (b"null", b"[]", b'""')


def has_unknown(item: InputItem) -> bool:
    """Whether an item or one of its parts is of an unknown type, or a message has a field of Chat Completions."""
    if type(item) is UnknownItem:
        return True
    if type(item) is Message and item.unknown and not _CHAT_FIELDS.isdisjoint(item.unknown.fields):
        return True
    for name in PARTS[type(item)]:
        parts = getattr(item, name)
        if type(parts) is list:
            for part in parts:  # `any` costs twice as much for a few parts, and this runs for all items of a chain
                if type(part) is UnknownPart:
                    return True
    return False


def _unknown_in(item: InputItem, param: str) -> Iterator[_Location]:
    """An item of an unknown type, or each part of an unknown type in it."""
    if isinstance(item, UnknownItem):
        yield _Location(param, item.type, is_content=not _CONTENT_KEYS.isdisjoint(item.unknown.fields))
    for name, parts in parts_of(item):
        for index, part in enumerate(parts):
            if isinstance(part, UnknownPart):
                is_content = not isinstance(item, ReasoningItem)
                yield _Location(f"{param}.{name}[{index}]", part.type, is_content=is_content)
