"""The file search family: the hosted tool, its call, and the call's events.

The tool's settings, and what a search found, stay the bytes that were sent: nothing here reads them.
"""

from __future__ import annotations

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
    """A search that a server made in files. `results` is null, or absent, where they were not asked for."""

    id_prefix: ClassVar[str] = "fs_"

    id: str | None | UnsetType = UNSET
    status: Literal["in_progress", "searching", "completed", "incomplete", "failed"] | None | UnsetType = UNSET
    queries: list[str]
    results: msgspec.Raw | UnsetType = UNSET


class FileSearchCallInProgress(ItemEvent, kw_only=True, tag="response.file_search_call.in_progress"):
    """The call begins."""

    fold: ClassVar[Fold] = status("in_progress")


class FileSearchCallSearching(ItemEvent, kw_only=True, tag="response.file_search_call.searching"):
    """The search is under way."""

    fold: ClassVar[Fold] = status("searching")


class FileSearchCallCompleted(ItemEvent, kw_only=True, tag="response.file_search_call.completed"):
    """The search has ended."""

    fold: ClassVar[Fold] = status("completed")
