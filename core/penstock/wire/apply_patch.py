"""The patch family: the tool by which a model edits files.

It knows the tool's settings only.
"""

from __future__ import annotations

from typing import Literal

from ._base import UNSET, Tool, UnsetType


class ApplyPatchTool(Tool, kw_only=True, tag="apply_patch"):
    """The client applies the model's patches."""

    allowed_callers: list[Literal["direct", "programmatic"]] | None | UnsetType = UNSET
