"""The file search family: the hosted tool.

Its settings stay the bytes that the client sent: no driver here reads them yet.
"""

from __future__ import annotations

import msgspec

from ._base import UNSET, Tool, UnsetType


class FileSearchTool(Tool, kw_only=True, tag="file_search"):
    """The server searches vector stores for the model."""

    vector_store_ids: list[str]
    max_num_results: int | None | UnsetType = UNSET
    filters: msgspec.Raw | UnsetType = UNSET
    ranking_options: msgspec.Raw | UnsetType = UNSET
