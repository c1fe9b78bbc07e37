"""The outline of a request to an upstream: its parameters, roles, types and lengths, and the names of tools; no texts.

It is for the debug log. A value that is not a known name appears as its type and length. Pure: bytes give an outline.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from penstock.patterns import lazy_pattern

Spec: TypeAlias = Mapping[str, Any]
"""The texts that are names, by the object's keys, recursively. `""` means the text itself."""

_NAME = lazy_pattern(r"[\w.:/@+\[\]-]{1,100}", re.ASCII)
_ENTRIES_MAX = 50
"""The maximum number of entries of a list, or keys of an object, in an outline."""

_IS_NAME: Spec = {"": True}
_PART: Spec = {"type": _IS_NAME}
_FUNCTION: Spec = {"name": _IS_NAME}
_CALL: Spec = {"type": _IS_NAME, "function": _FUNCTION}
_MESSAGE: Spec = {"type": _IS_NAME, "role": _IS_NAME, "content": _PART, "tool_calls": _CALL}
_ITEM: Spec = {**_MESSAGE, "name": _IS_NAME, "status": _IS_NAME, "summary": _PART, "output": _PART}
_TOOL: Spec = {"type": _IS_NAME, "name": _IS_NAME, "function": _FUNCTION, "tools": {"type": _IS_NAME, "name": _IS_NAME}}
_FORMAT: Spec = {"type": _IS_NAME, "name": _IS_NAME, "json_schema": _FUNCTION}
_REQUEST: Spec = {
    "model": _IS_NAME,
    "messages": _MESSAGE,
    "input": _ITEM,
    "tools": _TOOL,
    "tool_choice": {
        "": True,
        "type": _IS_NAME,
        "name": _IS_NAME,
        "mode": _IS_NAME,
        "function": _FUNCTION,
        "tools": _TOOL,
    },
    "response_format": _FORMAT,
    "text": {"format": _FORMAT, "verbosity": _IS_NAME},
    "reasoning": {"effort": _IS_NAME, "summary": _IS_NAME},
    "reasoning_effort": _IS_NAME,
    "verbosity": _IS_NAME,
    "service_tier": _IS_NAME,
    "truncation": _IS_NAME,
    "include": _IS_NAME,
    "modalities": _IS_NAME,
    "stream_options": {},
}


def outline(body: bytes) -> object:
    """The outline of a JSON body; its length only if it is not JSON."""
    try:
        return _outline(msgspec.json.decode(body), _REQUEST)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return f"<{len(body)} bytes>"


def _outline(value: object, spec: Spec | None) -> object:
    """The outline of a value; without a `spec` only its type and length."""
    if isinstance(value, str):
        # spec: masked-turns
        return value if spec and "" in spec and _NAME.fullmatch(value) else f"<{len(value)} chars>"
    if isinstance(value, list):
        return f"<{len(value)} items>" if spec is None else _entries(value, spec)
    if isinstance(value, dict):
        return f"<{len(value)} keys>" if spec is None else _keys(value, spec)
    return value


def _entries(values: list[object], spec: Spec) -> list[object]:
    entries = [_outline(value, spec) for value in values[:_ENTRIES_MAX]]
    return entries if len(values) <= _ENTRIES_MAX else [*entries, f"<{len(values) - _ENTRIES_MAX} more>"]


def _keys(values: dict[str, object], spec: Spec) -> dict[str, object]:
    entries = {_key(name): _outline(value, spec.get(name)) for name, value in list(values.items())[:_ENTRIES_MAX]}
    return entries if len(values) <= _ENTRIES_MAX else {**entries, "": f"<{len(values) - _ENTRIES_MAX} more>"}


def _key(name: str) -> str:
    return name if _NAME.fullmatch(name) else f"<{len(name)} chars>"
