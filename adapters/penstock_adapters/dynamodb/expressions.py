"""Expressions of DynamoDB: texts in which `#name` is an attribute and `:name` a value.

A change without a value removes its attribute: DynamoDB stores no empty key, and an absent attribute costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .attributes import Value

_NAME = re.compile(r"#(\w+)")


def expression_names(*expressions: str) -> dict[str, str]:
    """The aliases in expressions: `#status` is the attribute `status`."""
    return {f"#{name}": name for expression in expressions for name in _NAME.findall(expression)}


def setting(changes: Mapping[str, Value], *, add: str = "") -> tuple[str, dict[str, Value]]:
    """The expression that sets attributes, and removes those that are None or empty; and its values."""
    present = {name: value for name, value in changes.items() if value is not None and value not in ("", b"")}
    gone = [name for name in changes if name not in present]
    parts = []
    if present:
        parts.append("SET " + ", ".join(f"#{name} = :{name}" for name in present))
    if gone:
        parts.append("REMOVE " + ", ".join(f"#{name}" for name in gone))
    if add:
        parts.append(f"ADD {add}")
    return " ".join(parts), present


def both(*conditions: str) -> str:
    """The conjunction of conditions."""
    return " AND ".join(f"({condition})" for condition in conditions if condition)
