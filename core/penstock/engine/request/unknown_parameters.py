"""Apply the `unknown_parameters` policy to unknown parameters, and to items and parts that no chat model can read.

They are ignored and named, rejected, or, where they are parameters, forwarded to the upstream. What is ignored is
stored and listed all the same. Content of this turn is never ignored: the model would answer another question.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import msgspec

from penstock.errors import invalid
from penstock.wire import CreateResponse, InputItem, OutputItem, ReasoningItem, UnknownItem, UnknownPart

from .validation_errors import unsupported_value

Policy: TypeAlias = Literal["ignore", "reject", "forward"]

_LISTS = ("content", "output", "summary")
_CONTENT_KEYS = frozenset({"content", "output", "role", "text"})
"""An item of no known type that has one of these keys holds content."""
_PARTS: dict[type[Any], list[str]] = {
    cls: [name for name in _LISTS if name in cls.__struct_fields__] for cls in get_args(InputItem | OutputItem)
}
"""The fields in which an item may have a list of parts, by the item's class."""


class Extras(msgspec.Struct):
    """The unknown parameters by their fate."""

    forwarded: dict[str, msgspec.Raw]
    ignored: list[str]


class _Place(NamedTuple):
    """Where an unknown item or part is, and its type."""

    param: str
    type: str
    is_content: bool
    """Whether it holds what the model is to read: thoughts of an earlier turn are not."""


def settle_unknown(unknown: dict[str, msgspec.Raw], policy: Policy, *, relays: bool = False) -> Extras:
    """Apply the policy. An upstream that speaks Responses may know a newer word: it gets what is not rejected.

    Raises `ApiError` 400 for `reject`.
    """
    names = sorted(unknown)
    if policy == "forward" or (policy == "ignore" and relays):
        return Extras(forwarded=unknown, ignored=[])
    if policy == "reject" and names:
        raise invalid(f"Unknown parameter: '{names[0]}'.", names[0], "unknown_parameter")
    # spec: codex
    return Extras(forwarded={}, ignored=names)


def parts_of(item: InputItem | OutputItem) -> Iterator[tuple[str, list[Any]]]:
    """The lists of parts in an item, and which field each is."""
    for name in _PARTS[type(item)]:
        parts = getattr(item, name)
        if isinstance(parts, list):
            yield name, parts


def settle_unknown_items(request: CreateResponse, items: Sequence[InputItem], policy: Policy) -> list[str]:
    """The names of what a chat model does not get: of the input by its place, of earlier turns by its type.

    Raises `ApiError` 400 for content of this turn, and with `reject` for anything of it. What is stored already was not
    rejected, and is not now.
    """
    if not any(map(_is_strange, items)):  # nearly always
        return []
    own = request.input if isinstance(request.input, list) else []
    places = [place for index, item in enumerate(own) for place in _unknown_in(item, f"input[{index}]")]
    is_all = all(isinstance(item, UnknownItem) for item in items)
    for place in places:
        # spec: unknown-content
        if policy == "reject" or place.is_content or is_all:
            raise unsupported_value(f"'{place.type}'", f"{place.param}.type", CreateResponse)
    said = {id(item) for item in own}
    earlier = [place for item in items if id(item) not in said for place in _unknown_in(item, "context")]
    return [f"{place.param}.{place.type}" for place in places] + [
        *dict.fromkeys(f"context.{place.type}" for place in earlier)
    ]


def _is_strange(item: InputItem) -> bool:
    """Whether there is anything unknown about an item."""
    if type(item) is UnknownItem:
        return True
    for name in _PARTS[type(item)]:
        parts = getattr(item, name)
        if type(parts) is list:
            for part in parts:  # `any` costs twice as much for a few parts, and all items of a chain come here
                if type(part) is UnknownPart:
                    return True
    return False


def _unknown_in(item: InputItem, param: str) -> Iterator[_Place]:
    """An item of no known type, or each part of no known type in it."""
    if isinstance(item, UnknownItem):
        yield _Place(param, item.type, is_content=not _CONTENT_KEYS.isdisjoint(item.unknown.fields))
    for name, parts in parts_of(item):
        for index, part in enumerate(parts):
            if isinstance(part, UnknownPart):
                is_content = not isinstance(item, ReasoningItem)
                yield _Place(f"{param}.{name}[{index}]", part.type, is_content=is_content)
