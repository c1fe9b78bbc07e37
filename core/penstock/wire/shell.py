"""The shell family: commands that run where the tool's environment says, at the client or in a container.

It knows OpenAI's `FunctionShellTool`, its environments, the call, its output and their events; what a container has
in it stays the bytes that the client sent.
"""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

import msgspec

from ._base import UNSET, Event, Fold, Item, ItemStatus, Tool, UnsetType, Wire, append, nothing


class LocalSkill(Wire, kw_only=True):
    """Something that the client's machine has instructions for, and where they are."""

    name: str
    description: str
    path: str


class LocalEnvironment(Wire, kw_only=True, tag_field="type", tag="local"):
    """The client's own machine."""

    skills: list[LocalSkill] | None | UnsetType = UNSET


class ContainerReference(Wire, kw_only=True, tag_field="type", tag="container_reference"):
    """A container that is there."""

    container_id: str


class ContainerAuto(Wire, kw_only=True, tag_field="type", tag="container_auto"):
    """A container that is made for the request."""

    file_ids: list[str] | None | UnsetType = UNSET
    memory_limit: Literal["1g", "4g", "16g", "64g"] | None | UnsetType = UNSET
    network_policy: msgspec.Raw | UnsetType = UNSET
    skills: msgspec.Raw | UnsetType = UNSET


class ShellTool(Tool, kw_only=True, tag="shell"):
    """Commands run where `environment` says; without one, at the client."""

    environment: LocalEnvironment | ContainerAuto | ContainerReference | None | UnsetType = UNSET
    allowed_callers: list[Literal["direct", "programmatic"]] | None | UnsetType = UNSET


class ShellAction(Wire, kw_only=True):
    """Commands for a shell, and their limits: in milliseconds, and in characters of each output."""

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
    """The command ended by itself."""

    exit_code: int


class TimeoutOutcome(Wire, kw_only=True, tag_field="type", tag="timeout"):
    """The command took too long."""


ShellOutcome: TypeAlias = ExitOutcome | TimeoutOutcome


class ShellOutput(Wire, kw_only=True):
    """What one command wrote, and how it ended."""

    stdout: str
    stderr: str
    outcome: ShellOutcome
    created_by: str | UnsetType = UNSET


class ShellCallOutput(Item, kw_only=True, tag="shell_call_output"):
    """What the commands of a call gave back."""

    id_prefix: ClassVar[str] = "sho_"

    id: str | None | UnsetType = UNSET
    status: ItemStatus | None | UnsetType = UNSET
    call_id: str
    output: list[ShellOutput]
    max_output_length: int | None | UnsetType = UNSET
    caller: msgspec.Raw | UnsetType = UNSET
    created_by: str | UnsetType = UNSET


class ShellCallCommandAdded(Event, kw_only=True, tag="response.shell_call_command.added"):
    """A command begins; it counts when it is whole."""

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
    """One more command of the call is whole."""

    fold: ClassVar[Fold] = append("action.commands", source="command")

    output_index: int
    command_index: int
    command: str


class ShellOutputDelta(Wire, kw_only=True):
    """A piece of what a command writes."""

    stdout: str | None | UnsetType = UNSET
    stderr: str | None | UnsetType = UNSET


class ShellCallOutputContentDelta(Event, kw_only=True, tag="response.shell_call_output_content.delta"):
    """A command writes; the item has it when it is done."""

    fold: ClassVar[Fold] = nothing()

    item_id: str
    output_index: int
    command_index: int
    delta: ShellOutputDelta


class ShellCallOutputContentDone(Event, kw_only=True, tag="response.shell_call_output_content.done"):
    """A command has ended; the item has its output when all have."""

    fold: ClassVar[Fold] = nothing()

    item_id: str
    output_index: int
    command_index: int
    output: list[ShellOutput]
