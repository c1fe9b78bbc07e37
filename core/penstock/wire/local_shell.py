"""The local shell family: one command at a time, which the client runs on its own machine.

It knows OpenAI's `LocalShellCall` and its output.
"""

from typing import ClassVar, Self

from msgspec.structs import replace

from ._base import UNSET, Item, ItemStatus, Tool, UnsetType, Wire


class LocalShellTool(Tool, kw_only=True, tag="local_shell"):
    """The client runs commands for the model."""


class LocalShellExec(Wire, kw_only=True, tag_field="type", tag="exec"):
    """A command as a list of arguments, with its directory, environment, user and time limit."""

    command: list[str]
    env: dict[str, str]
    timeout_ms: int | None | UnsetType = UNSET
    user: str | None | UnsetType = UNSET
    working_directory: str | None | UnsetType = UNSET


class LocalShellCall(Item, kw_only=True, tag="local_shell_call"):
    """A command that the client is to run."""

    id_prefix: ClassVar[str] = "lsh_"

    id: str | None | UnsetType = UNSET
    status: ItemStatus | UnsetType = UNSET
    call_id: str
    action: LocalShellExec


class LocalShellCallOutput(Item, kw_only=True, tag="local_shell_call_output"):
    """The output of a command. Its call is in `id` (OpenAI's package), or in `call_id` (OpenAI's reference)."""

    id_prefix: ClassVar[str] = "lsho_"

    id: str | None | UnsetType = UNSET
    status: ItemStatus | None | UnsetType = UNSET
    call_id: str | UnsetType = UNSET
    output: str

    def long_form(self) -> Self:
        """The item with the id of its call in `call_id`."""
        return replace(self, call_id=self.call_id or self.id)
