"""The hosted tools of a server, by the types of tools that they serve."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from penstock.ports import DeclaredTool, HostedTool, ToolRequest, ToolSession
from penstock.wire import Item, Tool

from .owner_slots import OwnerSlots


class HostedTools:
    """All families of tools that this server runs, and how many of their calls run at a time.

    `owner_runs_max` is the number of calls for one owner. None for as many as there are.
    """

    def __init__(
        self, families: Sequence[HostedTool] = (), *, runs_max: int = 1, owner_runs_max: int | None = None
    ) -> None:
        self._families = tuple(families)
        self._family_of = {kind: family for family in self._families for kind in family.types}
        self.answers: frozenset[type[Item]] = frozenset().union(*(family.answers for family in self._families))
        """The classes of items by which clients answer calls."""
        self.slots = OwnerSlots(runs_max, owner_runs_max or runs_max)
        """Used by each call while it runs."""

    def serves(self, tool: Tool) -> bool:
        """Whether a tool is one of them."""
        return type(tool) in self._family_of

    def sessions(self, request: ToolRequest) -> list[ToolSession]:
        """A session of each family that has tools or answers in the request. Raises `ApiError` 400."""
        answered = set(map(type, request.own)) & self.answers
        by_family: dict[HostedTool, list[DeclaredTool]] = {
            family: [] for family in self._families if not answered.isdisjoint(family.answers)
        }
        for declared in request.tools:
            by_family.setdefault(self._family_of[type(declared.tool)], []).append(declared)
        return [family.session(request.with_tools(own)) for family, own in by_family.items()]

    async def aclose(self) -> None:
        """Close what the families share between responses. The next use opens it again."""
        await asyncio.gather(*(family.aclose() for family in self._families))
