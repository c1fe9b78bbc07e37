"""The shell: a chat model gets a function that runs commands, and the client gets the commands.

It knows the calls of the model and of the history, in the client's own environment. It never runs anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

import msgspec
from msgspec.structs import replace

from penstock.wire import (
    Event,
    ExitOutcome,
    LocalEnvironment,
    LocalSkill,
    ShellAction,
    ShellCall,
    ShellCallCommandAdded,
    ShellCallCommandDelta,
    ShellCallCommandDone,
    ShellCallOutput,
    ShellOutput,
    ShellTool,
)

from ._base import ActionCallFormat, Call, FunctionDefinition, Output, read_arguments, write_arguments

NAME = "shell"
DESCRIPTION = (
    "Runs shell commands on the user's machine and returns what each of them wrote to stdout and stderr, and its exit"
    " code. Each command is one line for the shell, such as: ls -l | wc -l"
)
PARAMETERS = msgspec.Raw(
    b'{"type":"object","properties":{'
    b'"commands":{"type":"array","items":{"type":"string"},"minItems":1,"description":"The commands, in order."},'
    b'"timeout_ms":{"type":"integer","minimum":1,"description":"When to give up, in milliseconds."},'
    b'"max_output_length":{"type":"integer","minimum":1,"description":"How many characters of output to return."}'
    b'},"required":["commands"],"additionalProperties":false}'
)


class _Arguments(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The arguments of a call."""

    commands: list[str] | str
    timeout_ms: int | None = None
    max_output_length: int | None = None


class ShellCallFormat(ActionCallFormat, frozen=True):
    """Calls of the shell, as `shell_call` items. The events contain one command after the other."""

    id_prefix: ClassVar[str] = ShellCall.id_prefix

    def read(self, arguments: str) -> ShellAction:
        """The commands. A single command may be a string instead of a list."""
        read = read_arguments(arguments, _Arguments)
        commands = [read.commands] if isinstance(read.commands, str) else read.commands
        if not any(commands):
            raise ValueError("There is no command.")
        return ShellAction(commands=commands, timeout_ms=read.timeout_ms, max_output_length=read.max_output_length)

    def item(self, *, id: str, call_id: str, action: ShellAction) -> ShellCall:
        """The call with its commands."""
        return ShellCall(id=id, status="in_progress", call_id=call_id, action=action, environment=LocalEnvironment())

    def begun(self, item: ShellCall) -> ShellCall:
        """The call without commands."""
        return replace(item, action=replace(item.action, commands=[]))

    def events(self, *, item_id: str, output_index: int, action: ShellAction) -> Iterable[Event]:
        """The events of each command: added, delta and done."""
        for index, command in enumerate(action.commands):
            yield ShellCallCommandAdded(output_index=output_index, command_index=index, command="")
            if command:
                yield ShellCallCommandDelta(output_index=output_index, command_index=index, delta=command)
            yield ShellCallCommandDone(output_index=output_index, command_index=index, command=command)


def offers(tool: ShellTool) -> Iterator[tuple[FunctionDefinition, ShellCallFormat]] | None:
    """The function for commands. None for an environment that is not the client's."""
    environment = tool.environment or LocalEnvironment()
    if not isinstance(environment, LocalEnvironment):
        return None
    offer = FunctionDefinition(
        name=NAME, description=DESCRIPTION + _skills(environment.skills or []), parameters=PARAMETERS
    )
    return iter([(offer, ShellCallFormat())])


def _skills(skills: list[LocalSkill]) -> str:
    """The skills of the machine, as a part of the function's description."""
    if not skills:
        return ""
    lines = ["Skills: before a task that one of these is for, read the instructions in its folder."]
    lines += [f"- {skill.name} ({skill.path}): {skill.description}" for skill in skills]
    return "\n\n" + "\n".join(lines)


def call(item: ShellCall) -> Call:
    """A call of the history."""
    action = item.action
    arguments = _Arguments(
        commands=action.commands,
        timeout_ms=action.timeout_ms or None,
        max_output_length=action.max_output_length or None,
    )
    return Call(call_id=item.call_id, name=NAME, arguments=write_arguments(arguments))


def output(item: ShellCallOutput) -> Output:
    """An output of the history: how each command ended, and its output."""
    return Output(call_id=item.call_id, content="\n\n".join(map(_command_output, item.output)))


def _command_output(output: ShellOutput) -> str:
    outcome = output.outcome
    lines = [f"exit code: {outcome.exit_code}" if isinstance(outcome, ExitOutcome) else "timed out"]
    streams = {"stdout": output.stdout.removesuffix("\n"), "stderr": output.stderr.removesuffix("\n")}
    lines += [f"{name}:\n{text}" for name, text in streams.items() if text]
    return "\n".join(lines)
