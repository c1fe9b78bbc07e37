"""Trails: the ids before a response in its chain, by which a long chain is read in few round trips.

A response's row has the ids of the last responses before it (`near`), back to a milestone, and the ids of the
milestones before that one (`far`), whose rows have theirs. So a chain of a thousand responses takes three reads. A
process remembers the trails of the rows that it has read or written. A trail is a hint: which response a row follows is
in the row itself.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from sys import intern

import msgspec

NEAR_MAX = 32
"""The distance of milestones in a chain."""
FAR_MAX = 32
"""How many milestones a row has."""
REMEMBERED_MAX = 4_096
"""The trails that a process remembers."""


class Trail(msgspec.Struct, frozen=True):
    """The ids before a response, the nearest first."""

    near: tuple[str, ...] = ()
    """The response before it, and on to the last milestone."""
    far: tuple[str, ...] = ()
    """The milestones before that one."""

    def attributes(self) -> dict[str, str]:
        """The trail as attributes of a row."""
        return {"near": "\n".join(self.near), "far": "\n".join(self.far)}


def trail_of(row: Mapping[str, str]) -> Trail:
    """The trail in a row. Each id is one text in memory, in however many trails it is."""
    return Trail(*(tuple(map(intern, row[name].split("\n"))) if row.get(name) else () for name in ("near", "far")))


class Trails:
    """The trails that this process remembers, those that were used last."""

    def __init__(self) -> None:
        self._trails: OrderedDict[str, Trail] = OrderedDict()

    def after(self, previous_id: str | None) -> Trail:
        """The trail of a response that follows this one."""
        if previous_id is None:
            return Trail()
        before = self._trails.get(previous_id, Trail())
        if len(before.near) < NEAR_MAX:
            return Trail((previous_id, *before.near), before.far)
        return Trail((previous_id,), (before.near[-1], *before.far)[:FAR_MAX])

    def remember(self, response_id: str, trail: Trail) -> None:
        """Remember the trail of a response."""
        self._trails[response_id] = trail
        self._trails.move_to_end(response_id)
        if len(self._trails) > REMEMBERED_MAX:
            self._trails.popitem(last=False)

    def of(self, response_id: str) -> Trail:
        """The trail of a response; an empty one if it is not remembered."""
        return self._trails.get(response_id, Trail())

    def __contains__(self, response_id: str) -> bool:
        """Whether the trail of a response is remembered."""
        return response_id in self._trails

    def likely(self, response_id: str) -> Iterator[str]:
        """The ids of a chain from this one on, as far as trails are remembered. A ring has no end."""
        following: str | None = response_id
        while following is not None:
            yield following
            trail = self._trails.get(following)
            following = trail.near[0] if trail and trail.near else None
