"""The patch family: changes of one file each, which the client applies.

It knows OpenAI's `ApplyPatchTool`, the call and its output; it never reads a diff.
"""

from typing import ClassVar, Literal, TypeAlias

import msgspec

from ._base import UNSET, Item, Tool, UnsetType, Wire


class ApplyPatchTool(Tool, kw_only=True, tag="apply_patch"):
    """The client applies the model's patches."""

    allowed_callers: list[Literal["direct", "programmatic"]] | None | UnsetType = UNSET


class CreateFile(Wire, kw_only=True, tag_field="type", tag="create_file"):
    """Create a file with the lines that the diff adds."""

    path: str
    diff: str


class UpdateFile(Wire, kw_only=True, tag_field="type", tag="update_file"):
    """Change a file by the diff."""

    path: str
    diff: str


class DeleteFile(Wire, kw_only=True, tag_field="type", tag="delete_file"):
    """Delete a file."""

    path: str


ApplyPatchOperation: TypeAlias = CreateFile | UpdateFile | DeleteFile


class ApplyPatchCall(Item, kw_only=True, tag="apply_patch_call"):
    """A change that the client is to apply. OpenAI's schema has no status `incomplete` for it."""

    id_prefix: ClassVar[str] = "apc_"

    id: str | None | UnsetType = UNSET
    status: Literal["in_progress", "completed"]
    call_id: str
    operation: ApplyPatchOperation
    caller: msgspec.Raw | UnsetType = UNSET
    created_by: str | UnsetType = UNSET


class ApplyPatchCallOutput(Item, kw_only=True, tag="apply_patch_call_output"):
    """Whether the client applied the change, and a text about it for the model."""

    id_prefix: ClassVar[str] = "apco_"

    id: str | None | UnsetType = UNSET
    status: Literal["completed", "failed"]
    call_id: str
    output: str | None | UnsetType = UNSET
    caller: msgspec.Raw | UnsetType = UNSET
    created_by: str | UnsetType = UNSET
