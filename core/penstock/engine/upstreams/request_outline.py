"""The outline of a request to an upstream: its parameters, roles, kinds and lengths, and the names of tools; no texts.

It is for the detailed log. What is not known to be a name is shown by its kind and length. Pure: bytes give an outline.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

Spec: TypeAlias = Mapping[str, Any]
"""Which texts of an object are names, by key; of an object within it, again by key. `""` stands for a text instead."""

_NAME = re.compile(r"[\w.:/@+\[\]-]{1,100}", re.ASCII)
_ENTRIES_MAX = 50
"""So many entries of a list or keys of an object are shown."""

_SHOWN: Spec = {"": True}
_PART: Spec = {"type": _SHOWN}
_FUNCTION: Spec = {"name": _SHOWN}
_CALL: Spec = {"type": _SHOWN, "function": _FUNCTION}
_MESSAGE: Spec = {"type": _SHOWN, "role": _SHOWN, "content": _PART, "tool_calls": _CALL}
_ITEM: Spec = {**_MESSAGE, "name": _SHOWN, "status": _SHOWN, "summary": _PART, "output": _PART}
_TOOL: Spec = {"type": _SHOWN, "name": _SHOWN, "function": _FUNCTION, "tools": {"type": _SHOWN, "name": _SHOWN}}
_FORMAT: Spec = {"type": _SHOWN, "name": _SHOWN, "json_schema": _FUNCTION}
_REQUEST: Spec = {
    "model": _SHOWN,
    "messages": _MESSAGE,
    "input": _ITEM,
    "tools": _TOOL,
    "tool_choice": {"": True, "type": _SHOWN, "name": _SHOWN, "mode": _SHOWN, "function": _FUNCTION, "tools": _TOOL},
    "response_format": _FORMAT,
    "text": {"format": _FORMAT, "verbosity": _SHOWN},
    "reasoning": {"effort": _SHOWN, "summary": _SHOWN},
    "reasoning_effort": _SHOWN,
    "verbosity": _SHOWN,
    "service_tier": _SHOWN,
    "truncation": _SHOWN,
    "include": _SHOWN,
    "modalities": _SHOWN,
    "stream_options": {},
}


def outline(body: bytes) -> object:
    """The outline of a JSON body; its length alone where it is no JSON."""
    try:
        return _outline(msgspec.json.decode(body), _REQUEST)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return f"<{len(body)} bytes>"


def _outline(value: object, spec: Spec | None) -> object:
    """A value by what is known of it; without a `spec` its contents are not shown."""
    if isinstance(value, str):
        return value if spec and "" in spec and _NAME.fullmatch(value) else f"<{len(value)} chars>"
    if isinstance(value, list):
        return f"<{len(value)} items>" if spec is None else _entries(value, spec)
    if isinstance(value, dict):
        return f"<{len(value)} keys>" if spec is None else _keys(value, spec)
    return value


def _entries(values: list[object], spec: Spec) -> list[object]:
    shown = [_outline(value, spec) for value in values[:_ENTRIES_MAX]]
    return shown if len(values) <= _ENTRIES_MAX else [*shown, f"<{len(values) - _ENTRIES_MAX} more>"]


def _keys(values: dict[str, object], spec: Spec) -> dict[str, object]:
    shown = {_key(name): _outline(value, spec.get(name)) for name, value in list(values.items())[:_ENTRIES_MAX]}
    return shown if len(values) <= _ENTRIES_MAX else {**shown, "": f"<{len(values) - _ENTRIES_MAX} more>"}


def _key(name: str) -> str:
    return name if _NAME.fullmatch(name) else f"<{len(name)} chars>"
