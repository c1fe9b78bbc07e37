"""Programs of the history that called tools, as function calls for a chat model.

It knows both items. The calls of a program are separate calls of the history.
"""

from __future__ import annotations

import msgspec

from penstock.wire import Program, ProgramOutput

from ._base import Call, Output

NAME = "programmatic_tool_calling"


class _Arguments(msgspec.Struct):
    """The arguments of a call."""

    code: str


def call(item: Program) -> Call:
    """The call, with the program's code as its arguments."""
    arguments = msgspec.json.encode(_Arguments(item.code)).decode()
    return Call(call_id=item.call_id, name=NAME, arguments=arguments)


def output(item: ProgramOutput) -> Output:
    """The program's result."""
    return Output(call_id=item.call_id, content=item.result)
