"""Patches: a chat model gets a function that changes one file, and the client gets the operation.

It knows the calls of the model and of the history, and describes V4A diffs for the model. It never reads a diff.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar, Literal

import msgspec

from penstock.wire import (
    ApplyPatchCall,
    ApplyPatchCallOutput,
    ApplyPatchOperation,
    ApplyPatchTool,
    CreateFile,
    DeleteFile,
    UpdateFile,
)

from ._base import ActionCallFormat, Call, FunctionDefinition, Output, read_arguments, write_arguments

NAME = "apply_patch"
DESCRIPTION = """\
Creates, updates or deletes one file of the user's workspace.
The diff of create_file is the whole text of the file, each line with "+" before it.
The diff of update_file has a section for each place that changes. A section begins with a line "@@", which may name \
the function or class around it, as in "@@ def main():". Then come some unchanged lines with a space before each, \
lines to remove with "-" before each, lines to add with "+" before each, and unchanged lines again. For example:
@@ def main():
 name = "you"
-print("Hello")
+print("Hello,", name)
There are no line numbers, no file names and no other headers in a diff. The diff of delete_file is empty."""
PARAMETERS = msgspec.Raw(
    b'{"type":"object","properties":{'
    b'"type":{"type":"string","enum":["create_file","update_file","delete_file"],"description":"What to do."},'
    b'"path":{"type":"string","minLength":1,"description":"The path of the file, relative to the workspace."},'
    b'"diff":{"type":"string","description":"What changes; empty for delete_file."}'
    b'},"required":["type","path","diff"],"additionalProperties":false}'
)


class _Flat(msgspec.Struct, kw_only=True):
    """The arguments of a call."""

    type: Literal["create_file", "update_file", "delete_file"]
    path: str
    diff: str = ""


class _Nested(msgspec.Struct, kw_only=True):
    """The arguments of a call, as OpenAI's models write them."""

    operation: _Flat


_OPERATIONS: dict[str, Callable[[_Flat], ApplyPatchOperation]] = {
    "create_file": lambda flat: CreateFile(path=flat.path, diff=flat.diff),
    "update_file": lambda flat: UpdateFile(path=flat.path, diff=flat.diff),
    "delete_file": lambda flat: DeleteFile(path=flat.path),
}


class ApplyPatchCallFormat(ActionCallFormat, frozen=True):
    """Calls of the patch tool, as `apply_patch_call` items."""

    id_prefix: ClassVar[str] = ApplyPatchCall.id_prefix

    def read(self, arguments: str) -> ApplyPatchOperation:
        """The operation. One that changes a file has a diff."""
        try:
            flat = read_arguments(arguments, _Flat)
        except ValueError:
            flat = read_arguments(arguments, _Nested).operation
        if not flat.path or (flat.type == "update_file" and not flat.diff):
            raise ValueError("There is no path, or no diff.")
        return _OPERATIONS[flat.type](flat)

    def item(self, *, id: str, call_id: str, action: ApplyPatchOperation) -> ApplyPatchCall:
        """The call with its operation."""
        return ApplyPatchCall(id=id, status="in_progress", call_id=call_id, operation=action)


def offers(tool: ApplyPatchTool) -> Iterator[tuple[FunctionDefinition, ApplyPatchCallFormat]]:
    """The function for an operation."""
    yield FunctionDefinition(name=NAME, description=DESCRIPTION, parameters=PARAMETERS), ApplyPatchCallFormat()


def call(item: ApplyPatchCall) -> Call:
    """A call of the history."""
    flat = read_arguments(write_arguments(item.operation), _Flat)
    return Call(call_id=item.call_id, name=NAME, arguments=write_arguments(flat))


def output(item: ApplyPatchCallOutput) -> Output:
    """An output of the history: whether the patch was applied, and the client's text."""
    text = "The patch was applied." if item.status == "completed" else "The patch could not be applied."
    return Output(call_id=item.call_id, content=f"{text}\n{item.output}" if item.output else text)
