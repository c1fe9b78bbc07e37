"""The computer family: the tools by which a model uses a screen that the client drives.

It knows the tools' settings; the calls and their screenshots come with the driver.
"""

from __future__ import annotations

from ._base import Tool


class ComputerTool(Tool, kw_only=True, tag="computer"):
    """The client runs clicks and keys for the model."""


class ComputerUsePreviewTool(Tool, kw_only=True, tag="computer_use_preview"):
    """The same, by its older name, with the size of the screen in pixels."""

    display_width: int
    display_height: int
    environment: str
