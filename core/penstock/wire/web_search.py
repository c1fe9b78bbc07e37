"""The web search family: the hosted tool under its four names, its call, and the call's events.

The tool's settings, the action of a search and its results stay undecoded.
"""

from typing import ClassVar, Literal

import msgspec

from ._base import UNSET, Fold, Item, ItemEvent, Tool, UnsetType, status


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


class WebSearchCall(Item, kw_only=True, tag="web_search_call"):
    """A search, a page that the server opened, or a text that it looked for in a page: `action` has the kind.

    Agents send it back without `id`.
    """

    id_prefix: ClassVar[str] = "ws_"

    id: str | None | UnsetType = UNSET
    status: Literal["in_progress", "searching", "completed", "failed", "incomplete"] | None | UnsetType = UNSET
    action: msgspec.Raw | UnsetType = UNSET
    results: msgspec.Raw | UnsetType = UNSET


class WebSearchCallInProgress(ItemEvent, kw_only=True, tag="response.web_search_call.in_progress"):
    """The call begins."""

    fold: ClassVar[Fold] = status("in_progress")


class WebSearchCallSearching(ItemEvent, kw_only=True, tag="response.web_search_call.searching"):
    """The search is running."""

    fold: ClassVar[Fold] = status("searching")


class WebSearchCallCompleted(ItemEvent, kw_only=True, tag="response.web_search_call.completed"):
    """The search is complete."""

    fold: ClassVar[Fold] = status("completed")
