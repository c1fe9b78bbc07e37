"""The local shell: a chat model gets a function that runs a command, and the client gets the command.

It knows the calls of the model and of the history. It never runs anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import msgspec

from penstock.wire import UNSET, LocalShellCall, LocalShellCallOutput, LocalShellExec, LocalShellTool, UnsetType

from ._base import ActionCallFormat, Call, FunctionDefinition, Output, read_arguments, write_arguments

NAME = "local_shell"
DESCRIPTION = (
    "Runs one command on the user's machine and returns its output. The command is a list of words and is not read by"
    ' a shell: for pipes, wildcards or several commands, run a shell, such as ["bash", "-lc", "ls | wc -l"].'
)
PARAMETERS = msgspec.Raw(
    b'{"type":"object","properties":{'
    b'"command":{"type":"array","items":{"type":"string"},"minItems":1,"description":"The program and its arguments."},'
    b'"working_directory":{"type":"string","description":"The directory to run in."},'
    b'"timeout_ms":{"type":"integer","minimum":1,"description":"When to give up, in milliseconds."},'
    b'"env":{"type":"object","additionalProperties":{"type":"string"},"description":"Environment variables to set."},'
    b'"user":{"type":"string","description":"The user to run as."}'
    b'},"required":["command"],"additionalProperties":false}'
)


class _Arguments(msgspec.Struct, kw_only=True):
    """The arguments of a call."""

    command: list[str] | str
    env: dict[str, str] | None | UnsetType = UNSET
    timeout_ms: int | None | UnsetType = UNSET
    user: str | None | UnsetType = UNSET
    working_directory: str | None | UnsetType = UNSET


class LocalShellCallFormat(ActionCallFormat, frozen=True):
    """Calls of the local shell, as `local_shell_call` items."""

    id_prefix: ClassVar[str] = LocalShellCall.id_prefix

    def read(self, arguments: str) -> LocalShellExec:
        """The command. Many models write it as one text, which is then run by a shell."""
        read = read_arguments(arguments, _Arguments)
        if not read.command:
            raise ValueError("There is no command.")
        return LocalShellExec(
            command=["sh", "-c", read.command] if isinstance(read.command, str) else read.command,
            env=read.env or {},
            timeout_ms=read.timeout_ms,
            user=read.user,
            working_directory=read.working_directory,
        )

    def item(self, *, id: str, call_id: str, action: LocalShellExec) -> LocalShellCall:
        """The call with its command."""
        return LocalShellCall(id=id, status="in_progress", call_id=call_id, action=action)


def offers(tool: LocalShellTool) -> Iterator[tuple[FunctionDefinition, LocalShellCallFormat]]:
    """The function for a command."""
    yield FunctionDefinition(name=NAME, description=DESCRIPTION, parameters=PARAMETERS), LocalShellCallFormat()


def call(item: LocalShellCall) -> Call:
    """A call of the history."""
    action = item.action
    arguments = _Arguments(
        command=action.command,
        env=action.env or UNSET,
        timeout_ms=action.timeout_ms or UNSET,
        user=action.user or UNSET,
        working_directory=action.working_directory or UNSET,
    )
    return Call(call_id=item.call_id, name=NAME, arguments=write_arguments(arguments))


def output(item: LocalShellCallOutput) -> Output:
    """An output of the history. The id of its call is in `id` or in `call_id`, depending on the client."""
    return Output(call_id=item.call_id or item.id or "", content=item.output)
