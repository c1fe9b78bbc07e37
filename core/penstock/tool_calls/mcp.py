"""MCP calls of the history, as function calls for a chat model.

It knows the function name of such a tool, which is the same for calls of the history and new calls.
"""

from __future__ import annotations

import hashlib

from penstock.patterns import lazy_pattern
from penstock.tool_replies import without_markers
from penstock.wire import McpCall

from ._base import Call, Output, is_present

_NAME_CHARS_MAX = 64
_NOT_IN_NAMES = lazy_pattern(r"[^A-Za-z0-9_-]")
_HASH_DIGITS = 6
_BETWEEN = "__"


def function_name(server_label: str, name: str) -> str:
    """The function name of a server's tool, in characters that every backend supports.

    A name that is cut or changed, or that another label and name could have too, ends with a hash. So two tools never
    have the same name, and a tool has the same name in every request.
    """
    # spec: mcp-function-names
    whole = f"{server_label}{_BETWEEN}{name}"
    written = _NOT_IN_NAMES.sub("_", whole)
    is_clear = _BETWEEN not in server_label and not server_label.endswith("_")
    if written == whole and len(whole) <= _NAME_CHARS_MAX and is_clear:
        return whole
    digits = hashlib.sha256(f"{len(server_label)} {whole}".encode()).hexdigest()[:_HASH_DIGITS]
    return f"{written[: _NAME_CHARS_MAX - _HASH_DIGITS - 1]}_{digits}"


def call(item: McpCall) -> Call:
    """The call."""
    name = function_name(item.server_label, item.name)
    return Call(call_id=item.id or "", name=name, arguments=item.arguments or "{}")


def output(item: McpCall) -> Output:
    """The server's output, or its error, or a text that there is neither."""
    if isinstance(item.output, str):
        text = item.output
    elif is_present(item.error):
        text = f"Error: {bytes(item.error).decode()}"
    else:
        text = f"The call is {item.status or 'completed'}; it gave nothing back."
    return Output(call_id=item.id or "", content=without_markers(text))
