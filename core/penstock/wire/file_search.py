"""The file search family: the hosted tool, its call, and the call's events.

The tool's settings and the results of a search stay undecoded.
"""

from typing import ClassVar, Literal

import msgspec

from ._base import UNSET, Fold, Item, ItemEvent, Tool, UnsetType, status


class FileSearchTool(Tool, kw_only=True, tag="file_search"):
    """The server searches vector stores for the model."""

    vector_store_ids: list[str]
    max_num_results: int | None | UnsetType = UNSET
    filters: msgspec.Raw | UnsetType = UNSET
    ranking_options: msgspec.Raw | UnsetType = UNSET


class FileSearchCall(Item, kw_only=True, tag="file_search_call"):
    """A search in files. `results` is null or absent where the request did not include them."""

    id_prefix: ClassVar[str] = "fs_"

    id: str | None | UnsetType = UNSET
    status: Literal["in_progress", "searching", "completed", "incomplete", "failed"] | None | UnsetType = UNSET
    queries: list[str]
    results: msgspec.Raw | UnsetType = UNSET


class FileSearchCallInProgress(ItemEvent, kw_only=True, tag="response.file_search_call.in_progress"):
    """The call begins."""

    fold: ClassVar[Fold] = status("in_progress")


class FileSearchCallSearching(ItemEvent, kw_only=True, tag="response.file_search_call.searching"):
    """The search is running."""

    fold: ClassVar[Fold] = status("searching")


class FileSearchCallCompleted(ItemEvent, kw_only=True, tag="response.file_search_call.completed"):
    """The search is complete."""

    fold: ClassVar[Fold] = status("completed")
