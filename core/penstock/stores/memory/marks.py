"""The marks in memory, a limited number of them.

It knows names and times. When it is full, the marks that were set first are removed: by then the responses that they
belong to have usually been removed too.
"""

from __future__ import annotations

from penstock.ids import now_s


class MarkTable:
    """The marks of all owners, in the order in which they were set."""

    def __init__(self, marks_max: int) -> None:
        self._marks_max = marks_max
        self._expiry: dict[tuple[str, str], int] = {}

    def __len__(self) -> int:
        return len(self._expiry)

    def mark_once(self, owner: str, name: str, expires_at: int) -> bool:
        """Set a mark. False where it is set, and has not expired."""
        key = (owner, name)
        if self._expiry.get(key, 0) > now_s():
            return False
        self._expiry.pop(key, None)
        self._expiry[key] = expires_at
        if len(self._expiry) > self._marks_max:
            del self._expiry[next(iter(self._expiry))]
        return True

    def sweep(self, now: float, limit: int) -> int:
        """Remove up to `limit` expired marks. Returns their number."""
        expired = [key for key, expires_at in self._expiry.items() if expires_at <= now][:limit]
        for key in expired:
            del self._expiry[key]
        return len(expired)
