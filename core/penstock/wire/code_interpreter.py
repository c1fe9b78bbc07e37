"""The code interpreter family: the hosted tool.

Its settings stay the bytes that the client sent: no driver here reads them yet.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from ._base import UNSET, Tool, UnsetType


class CodeInterpreterTool(Tool, kw_only=True, tag="code_interpreter"):
    """The server runs code for the model in a container."""

    container: msgspec.Raw
    allowed_callers: list[Literal["direct", "programmatic"]] | None | UnsetType = UNSET
