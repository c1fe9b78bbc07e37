"""Programs that called tools: how those of the history read for a chat model.

It knows both items; the calls that a program made stand in the history as calls of their own.
"""

from __future__ import annotations

import msgspec

from penstock.wire import Program, ProgramOutput

from ._base import Call, Output

NAME = "programmatic_tool_calling"


class _Arguments(msgspec.Struct):
    """What the function was called with."""

    code: str


def call(item: Program) -> Call:
    """The program's code."""
    arguments = msgspec.json.encode(_Arguments(item.code)).decode()
    return Call(call_id=item.call_id, name=NAME, arguments=arguments)


def output(item: ProgramOutput) -> Output:
    """The program's result."""
    return Output(call_id=item.call_id, content=item.result)
