"""Which tools of a server are offered, and which calls need an approval, in every form that requests have for it.

Pure. Where a form leaves room, the safe reading counts: a list without names matches nothing, and what is not named is
asked for.
"""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.errors import invalid
from penstock.wire import NULL, UNSET, UnsetType

from .client import RemoteTool


class ToolFilter(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Tools by name, and by whether they only read. Both have to match where both are given."""

    tool_names: frozenset[str] | None = None
    read_only: bool | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it has no condition."""
        return self.tool_names is None and self.read_only is None

    def matches(self, tool: RemoteTool) -> bool:
        """Whether a tool is one of those."""
        is_named = self.tool_names is None or tool.name in self.tool_names
        return is_named and self.read_only in (None, tool.read_only)


_ALL = ToolFilter()
_NONE = ToolFilter(tool_names=frozenset())


class Approval(msgspec.Struct, frozen=True):
    """Which calls need an approval: those that `always` matches, and all that `never` does not match."""

    always: ToolFilter = _NONE
    never: ToolFilter = _NONE

    def is_needed(self, tool: RemoteTool) -> bool:
        """Whether a call of this tool needs an approval."""
        return self.always.matches(tool) or not self.never.matches(tool)


ALWAYS = Approval()
NEVER = Approval(never=_ALL)


class _ByFilter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    always: ToolFilter | None = None
    never: ToolFilter | None = None


def allowed_tools(raw: msgspec.Raw | UnsetType, param: str) -> ToolFilter:
    """The filter of the field `allowed_tools`: a list of names, where `[]` is none, or an object. Absent: all tools.

    Raises `ApiError` 400.
    """
    if raw is UNSET or raw == NULL:
        return _ALL
    read = _decoded(raw, list[str] | ToolFilter, param, "a list of names, or an object with tool_names and read_only")
    return read if isinstance(read, ToolFilter) else ToolFilter(tool_names=frozenset(read))


def required_approval(raw: msgspec.Raw | UnsetType, param: str) -> Approval:
    """The rule of the field `require_approval`. Absent or null: every call needs an approval. Raises `ApiError` 400."""
    # spec: mcp-approval-default
    if raw is UNSET or raw == NULL or bytes(raw) == b'"always"':
        return ALWAYS
    if bytes(raw) == b'"never"':
        return NEVER
    read = _decoded(raw, _ByFilter, param, '"always", "never", or an object with the filters always and never')
    never = read.never if read.never is not None and not read.never.is_empty else _NONE
    return Approval(always=read.always or _NONE, never=never)


def _decoded(raw: msgspec.Raw, kind: Any, param: str, forms: str) -> Any:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        raise invalid(f"This is {forms}.", param, "invalid_type") from None
