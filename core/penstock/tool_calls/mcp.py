"""Calls of MCP servers' tools: how those of the history read for a chat model.

It knows how such a tool is named as a function, so that a call to come and one of the past have the same name.
"""

from __future__ import annotations

import re

from penstock.wire import McpCall

from ._base import Call, Output, is_there

_NAME_CHARS_MAX = 64
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")


def function_name(server_label: str, name: str) -> str:
    """A server's tool as the name of a function, in the characters that every backend takes."""
    return _NOT_IN_NAMES.sub("_", f"{server_label}__{name}")[:_NAME_CHARS_MAX]


def call(item: McpCall) -> Call:
    """The call as it was made."""
    name = function_name(item.server_label, item.name)
    return Call(call_id=item.id or "", name=name, arguments=item.arguments or "{}")


def output(item: McpCall) -> Output:
    """What the server gave back, else its error, else that there is neither."""
    if isinstance(item.output, str):
        told = item.output
    elif is_there(item.error):
        told = f"Error: {bytes(item.error).decode()}"
    else:
        told = f"The call is {item.status or 'completed'}; it gave nothing back."
    return Output(call_id=item.id or "", content=told)
