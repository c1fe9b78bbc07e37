"""What becomes of what nobody here knows: parameters, and the items and parts that no chat model can be shown.

It is ignored and told, rejected, or, where it is a parameter, forwarded to the upstream. What is ignored is stored and
listed all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, TypeAlias, get_args

import msgspec

from penstock.errors import invalid
from penstock.wire import CreateResponse, InputItem, OutputItem, UnknownItem, UnknownPart

Policy: TypeAlias = Literal["ignore", "reject", "forward"]

_LISTS = ("content", "output", "summary")
_PARTS: dict[type[Any], list[str]] = {
    cls: [name for name in _LISTS if name in cls.__struct_fields__] for cls in get_args(InputItem | OutputItem)
}
"""The fields in which an item may have a list of parts, by the item's class."""


class Extras(msgspec.Struct):
    """The unknown parameters by their fate."""

    forwarded: dict[str, msgspec.Raw]
    ignored: list[str]


def settle_unknown(unknown: dict[str, msgspec.Raw], policy: Policy, *, relays: bool = False) -> Extras:
    """Apply the policy. An upstream that speaks Responses may know a newer word: it gets what is not rejected.

    Raises `ApiError` 400 for `reject`.
    """
    names = sorted(unknown)
    if policy == "forward" or (policy == "ignore" and relays):
        return Extras(forwarded=unknown, ignored=[])
    if policy == "reject" and names:
        raise invalid(f"Unknown parameter: '{names[0]}'.", names[0], "unknown_parameter")
    return Extras(forwarded={}, ignored=names)


def parts_of(item: InputItem | OutputItem) -> Iterator[tuple[str, list[Any]]]:
    """The lists of parts in an item, and which field each is."""
    for name in _PARTS[type(item)]:
        parts = getattr(item, name)
        if isinstance(parts, list):
            yield name, parts


def settle_unknown_items(request: CreateResponse, items: Sequence[InputItem], policy: Policy) -> list[str]:
    """The names of what a chat model is not shown: of the input by its place, of what was said before by its type.

    Raises `ApiError` 400 for `reject`; what is stored already was not rejected, and is not now.
    """
    if not any(map(_is_strange, items)):  # nearly always
        return []
    own = request.input if isinstance(request.input, list) else []
    places = [place for index, item in enumerate(own) for place in _unknown_in(item, f"input[{index}]")]
    if policy == "reject" and places:
        param, what, kind = places[0]
        raise invalid(f"Unknown type of {what}: '{kind}'.", f"{param}.type", f"unknown_{what}")
    said = {id(item) for item in own}
    earlier = [place for item in items if id(item) not in said for place in _unknown_in(item, "context")]
    return [f"{param}.{kind}" for param, _, kind in places] + [
        *dict.fromkeys(f"context.{kind}" for *_, kind in earlier)
    ]


def _is_strange(item: InputItem) -> bool:
    """Whether there is anything unknown about an item."""
    if type(item) is UnknownItem:
        return True
    for name in _PARTS[type(item)]:
        parts = getattr(item, name)
        if type(parts) is list and any(type(part) is UnknownPart for part in parts):
            return True
    return False


def _unknown_in(item: InputItem, param: str) -> Iterator[tuple[str, str, str]]:
    """An item of no known type, or each such part of it: where it is, what it is, and its type."""
    if isinstance(item, UnknownItem):
        yield param, "item", item.type
    for name, parts in parts_of(item):
        for index, part in enumerate(parts):
            if isinstance(part, UnknownPart):
                yield f"{param}.{name}[{index}]", "part", part.type
