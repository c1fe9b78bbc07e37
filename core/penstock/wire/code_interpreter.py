"""The code interpreter family: the hosted tool, its call, and the events of the call and its code.

The tool's settings and the outputs of the code stay undecoded.
"""

from typing import ClassVar, Literal

import msgspec

from ._base import UNSET, Fold, Item, ItemEvent, Tool, UnsetType, append, null, settle, status


class CodeInterpreterTool(Tool, kw_only=True, tag="code_interpreter"):
    """The server runs code for the model in a container."""

    container: msgspec.Raw
    allowed_callers: list[Literal["direct", "programmatic"]] | None | UnsetType = UNSET


class CodeInterpreterCall(Item, kw_only=True, tag="code_interpreter_call"):
    """Code that a server ran in a container. `outputs` is null where the request did not include them."""

    id_prefix: ClassVar[str] = "ci_"

    id: str | None | UnsetType = UNSET
    status: Literal["in_progress", "completed", "incomplete", "interpreting", "failed"] | None | UnsetType = UNSET
    container_id: str
    code: str | None = None
    outputs: msgspec.Raw = msgspec.field(default_factory=null)


class CodeInterpreterCallInProgress(ItemEvent, kw_only=True, tag="response.code_interpreter_call.in_progress"):
    """The call begins."""

    fold: ClassVar[Fold] = status("in_progress")


class CodeInterpreterCallCodeDelta(ItemEvent, kw_only=True, tag="response.code_interpreter_call_code.delta"):
    """A piece of the code."""

    fold: ClassVar[Fold] = append("code")

    delta: str
    obfuscation: str | UnsetType = UNSET


class CodeInterpreterCallCodeDone(ItemEvent, kw_only=True, tag="response.code_interpreter_call_code.done"):
    """The code is complete."""

    fold: ClassVar[Fold] = settle("code")

    code: str


class CodeInterpreterCallInterpreting(ItemEvent, kw_only=True, tag="response.code_interpreter_call.interpreting"):
    """The code is running."""

    fold: ClassVar[Fold] = status("interpreting")


class CodeInterpreterCallCompleted(ItemEvent, kw_only=True, tag="response.code_interpreter_call.completed"):
    """The call is complete."""

    fold: ClassVar[Fold] = status("completed")
