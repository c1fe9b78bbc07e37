"""The shell family: the tools by which a model runs commands.

It knows the tools' settings; an environment stays the bytes that the client sent.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from ._base import UNSET, Tool, UnsetType


class ShellTool(Tool, kw_only=True, tag="shell"):
    """Commands run where `environment` says: at the client or in a container."""

    environment: msgspec.Raw | UnsetType = UNSET
    allowed_callers: list[Literal["direct", "programmatic"]] | None | UnsetType = UNSET
