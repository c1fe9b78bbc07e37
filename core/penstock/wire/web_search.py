"""The web search family: the hosted tool under its four names.

Its settings stay the bytes that the client sent: no driver here reads them yet.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from ._base import UNSET, Tool, UnsetType


class WebSearchTool(Tool, kw_only=True, tag="web_search"):
    """The server searches the web for the model."""

    search_context_size: Literal["low", "medium", "high"] | None | UnsetType = UNSET
    user_location: msgspec.Raw | UnsetType = UNSET
    filters: msgspec.Raw | UnsetType = UNSET
    external_web_access: bool | None | UnsetType = UNSET
    return_token_budget: msgspec.Raw | UnsetType = UNSET
    search_content_types: msgspec.Raw | UnsetType = UNSET


class WebSearchTool2025(WebSearchTool, kw_only=True, tag="web_search_2025_08_26"):
    """The same tool, by its dated name."""


class WebSearchPreviewTool(WebSearchTool, kw_only=True, tag="web_search_preview"):
    """The same tool, by its older name."""


class WebSearchPreviewTool2025(WebSearchTool, kw_only=True, tag="web_search_preview_2025_03_11"):
    """The same tool, by its older dated name."""
