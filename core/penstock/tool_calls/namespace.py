"""Namespaces: a chat model gets the tools in them as functions, with the namespace in the function name.

It knows how two names become one, for new calls and for calls of the history. The tools belong to their own families.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from msgspec.structs import replace

from penstock.patterns import lazy_pattern
from penstock.wire import NamespaceTool, UnsetType

from ._base import CallFormat, Declared, FunctionDefinition

NAME_CHARS_MAX = 64
"""The longest function name that every backend supports."""

_DIGEST_CHARS = 8
_BETWEEN = "__"
_NOT_IN_NAMES = lazy_pattern(r"[^A-Za-z0-9_-]")


def function_name(namespace: str | None | UnsetType, name: str) -> str:
    """`namespace__name`, or the name alone without a namespace.

    A name that backends do not support is shortened, the namespace first, and made unique by a hash of both names.
    """
    if not namespace:
        return name
    # spec: namespaces
    whole = f"{namespace}{_BETWEEN}{name}"
    safe = _NOT_IN_NAMES.sub("_", whole)
    if safe == whole and len(whole) <= NAME_CHARS_MAX:
        return whole
    digest = "_" + sha256(f"{namespace}\0{name}".encode()).hexdigest()[:_DIGEST_CHARS]
    prefix, tool_name = safe[: len(namespace)], safe[len(namespace) :]
    chars_max = NAME_CHARS_MAX - len(digest)
    return (prefix[: max(chars_max - len(tool_name), 0)] + tool_name)[:chars_max] + digest


def members(namespace_tool: NamespaceTool) -> Iterator[Declared]:
    """The tools in a namespace."""
    for index, tool in enumerate(namespace_tool.tools):
        yield Declared(tool, f".tools[{index}]", namespace_tool)


def in_namespace(
    namespace_tool: NamespaceTool, offer: FunctionDefinition, form: Any
) -> tuple[FunctionDefinition, CallFormat]:
    """The function of a tool in a namespace, and the format of its calls, in which the namespace is a field."""
    name = namespace_tool.name
    return replace(offer, name=function_name(name, offer.name)), replace(form, namespace=name)


def with_namespace_description(namespace_tool: NamespaceTool, description: str | None) -> str:
    """The description of a tool, with that of its namespace."""
    about = f"About the tools of {namespace_tool.name}: {namespace_tool.description}"
    return f"{description}\n\n{about}" if description else about
