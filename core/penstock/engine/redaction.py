"""What a request may hold and no Response may show: the secrets of its tools.

It knows the places of secrets by the tool's class; the tools that a run works with are never changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from penstock.secrets import REDACTED
from penstock.wire import McpTool, Tool, Unknown, UnknownTool


def _mcp(tool: McpTool) -> McpTool:
    authorization = REDACTED if tool.authorization else tool.authorization
    headers = dict.fromkeys(tool.headers, REDACTED) if tool.headers else tool.headers
    return replace(tool, authorization=authorization, headers=headers)


def _unknown(tool: UnknownTool) -> UnknownTool:
    """What it would call a secret nobody knows; these names have always been one."""
    fields = {name: _HIDDEN if name in _SECRET else value for name, value in tool.unknown.fields.items()}
    return replace(tool, unknown=Unknown(fields))


_SECRET = frozenset({"authorization", "headers"})
_HIDDEN = msgspec.Raw(b'"%b"' % REDACTED.encode())
_REDACT: dict[type[Any], Callable[[Any], Tool]] = {
    McpTool: _mcp,
    UnknownTool: _unknown,
}


def redacted(tools: Sequence[Tool]) -> list[Tool]:
    """The tools as a Response tells of them."""
    return [_REDACT[type(tool)](tool) if type(tool) in _REDACT else tool for tool in tools]
