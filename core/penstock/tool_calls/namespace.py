"""Namespaces: a chat model is offered the tools in them as functions with both names in one.

It knows how two names become one, the same for a call to come and for one of the past. The tools within are their own
families' business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from msgspec.structs import replace

from penstock.wire import NamespaceTool, UnsetType

from ._base import CallFormat, Declared, FunctionDefinition

NAME_CHARS_MAX = 64
"""What every backend takes as the name of a function."""

_DIGEST_CHARS = 8
_BETWEEN = "__"
_not_in_names = re.compile(r"[^A-Za-z0-9_-]").sub


def function_name(namespace: str | None | UnsetType, name: str) -> str:
    """`ns__name`; the name alone without a namespace.

    What backends do not take is shortened, the namespace first, and told apart by a digest of both names.
    """
    if not namespace:
        return name
    # spec: namespaces
    whole = f"{namespace}{_BETWEEN}{name}"
    safe = _not_in_names("_", whole)
    if safe == whole and len(whole) <= NAME_CHARS_MAX:
        return whole
    digest = "_" + sha256(f"{namespace}\0{name}".encode()).hexdigest()[:_DIGEST_CHARS]
    space, own = safe[: len(namespace)], safe[len(namespace) :]
    chars_max = NAME_CHARS_MAX - len(digest)
    return (space[: max(chars_max - len(own), 0)] + own)[:chars_max] + digest


def members(space: NamespaceTool) -> Iterator[Declared]:
    """The tools within."""
    for index, tool in enumerate(space.tools):
        yield Declared(tool, f".tools[{index}]", space)


def within(space: NamespaceTool, offer: FunctionDefinition, form: Any) -> tuple[FunctionDefinition, CallFormat]:
    """What a member is offered as, and how its calls come back: with the namespace in a place of its own."""
    return replace(offer, name=function_name(space.name, offer.name)), replace(form, namespace=space.name)


def introduced(space: NamespaceTool, description: str | None) -> str:
    """A member's description, and what is said of all members."""
    about = f"About the tools of {space.name}: {space.description}"
    return f"{description}\n\n{about}" if description else about
