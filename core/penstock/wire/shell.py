"""The shell family: commands that run at the client or in a container, by the tool's environment.

It knows OpenAI's `FunctionShellTool`, its environments, the call, its output and their events. The contents of a
container stay undecoded.
"""

from typing import ClassVar, Literal, TypeAlias

import msgspec

from ._base import UNSET, Event, Fold, Item, ItemStatus, Tool, UnsetType, Wire, append, nothing


class LocalSkill(Wire, kw_only=True):
    """A skill of the client's machine, and the path of its instructions."""

    name: str
    description: str
    path: str


class LocalEnvironment(Wire, kw_only=True, tag_field="type", tag="local"):
    """The client's machine."""

    skills: list[LocalSkill] | None | UnsetType = UNSET


class ContainerReference(Wire, kw_only=True, tag_field="type", tag="container_reference"):
    """An existing container."""

    container_id: str


class ContainerAuto(Wire, kw_only=True, tag_field="type", tag="container_auto"):
    """A container that is created for the request."""

    file_ids: list[str] | None | UnsetType = UNSET
    memory_limit: Literal["1g", "4g", "16g", "64g"] | None | UnsetType = UNSET
    network_policy: msgspec.Raw | UnsetType = UNSET
    skills: msgspec.Raw | UnsetType = UNSET


class ShellTool(Tool, kw_only=True, tag="shell"):
    """The model runs commands in `environment`. Without one, they run at the client."""

    environment: LocalEnvironment | ContainerAuto | ContainerReference | None | UnsetType = UNSET
    allowed_callers: list[Literal["direct", "programmatic"]] | None | UnsetType = UNSET


class ShellAction(Wire, kw_only=True):
    """Commands for a shell, their time limit in milliseconds, and the limit of each output in characters."""

    commands: list[str]
    timeout_ms: int | None | UnsetType = UNSET
    max_output_length: int | None | UnsetType = UNSET


class ShellCall(Item, kw_only=True, tag="shell_call"):
    """Commands to run."""

    id_prefix: ClassVar[str] = "sh_"

    id: str | None | UnsetType = UNSET
    status: ItemStatus | None | UnsetType = UNSET
    call_id: str
    action: ShellAction
    environment: LocalEnvironment | ContainerReference | None | UnsetType = UNSET
    caller: msgspec.Raw | UnsetType = UNSET
    created_by: str | UnsetType = UNSET


class ExitOutcome(Wire, kw_only=True, tag_field="type", tag="exit"):
    """The command has ended."""

    exit_code: int


class TimeoutOutcome(Wire, kw_only=True, tag_field="type", tag="timeout"):
    """The command exceeded its time limit."""


ShellOutcome: TypeAlias = ExitOutcome | TimeoutOutcome


class ShellOutput(Wire, kw_only=True):
    """The output of one command, and how it ended."""

    stdout: str
    stderr: str
    outcome: ShellOutcome
    created_by: str | UnsetType = UNSET


class ShellCallOutput(Item, kw_only=True, tag="shell_call_output"):
    """The outputs of a call's commands."""

    id_prefix: ClassVar[str] = "sho_"

    id: str | None | UnsetType = UNSET
    status: ItemStatus | None | UnsetType = UNSET
    call_id: str
    output: list[ShellOutput]
    max_output_length: int | None | UnsetType = UNSET
    caller: msgspec.Raw | UnsetType = UNSET
    created_by: str | UnsetType = UNSET


class ShellCallCommandAdded(Event, kw_only=True, tag="response.shell_call_command.added"):
    """A command begins. The item contains it when it is complete."""

    fold: ClassVar[Fold] = nothing()

    output_index: int
    command_index: int
    command: str


class ShellCallCommandDelta(Event, kw_only=True, tag="response.shell_call_command.delta"):
    """A piece of a command."""

    fold: ClassVar[Fold] = nothing()

    output_index: int
    command_index: int
    delta: str
    obfuscation: str | UnsetType = UNSET


class ShellCallCommandDone(Event, kw_only=True, tag="response.shell_call_command.done"):
    """A command of the call is complete."""

    fold: ClassVar[Fold] = append("action.commands", source="command")

    output_index: int
    command_index: int
    command: str


class ShellOutputDelta(Wire, kw_only=True):
    """A piece of a command's output."""

    stdout: str | None | UnsetType = UNSET
    stderr: str | None | UnsetType = UNSET


class ShellCallOutputContentDelta(Event, kw_only=True, tag="response.shell_call_output_content.delta"):
    """A piece of a command's output. The item contains the output when it is complete."""

    fold: ClassVar[Fold] = nothing()

    item_id: str
    output_index: int
    command_index: int
    delta: ShellOutputDelta


class ShellCallOutputContentDone(Event, kw_only=True, tag="response.shell_call_output_content.done"):
    """A command has ended. The item contains its output when all commands have ended."""

    fold: ClassVar[Fold] = nothing()

    item_id: str
    output_index: int
    command_index: int
    output: list[ShellOutput]
