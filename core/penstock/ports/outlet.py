"""Outlets: where the pieces of a stream can go at once, while the task that reads the stream waits for them.

A model has one token at a time for each of thousands of streams. To wake a task for each of them costs about as much
as all that is done with a token, so the source sends it itself. The order stays the same: a reader waits for a piece
only when it has passed on those before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Outlet(NamedTuple, Generic[T]):
    """Takes the piece that a reader waits for."""

    is_ready: Callable[[], bool]
    """Whether `send` may be called now. If not, the reader gets the piece, and waits until the client takes it."""
    send: Callable[[T], None]
    """Sends a piece. What it raises ends the wait of the reader, which then raises it."""


class DirectSource(Generic[T]):
    """A source of pieces that can send them to an outlet."""

    def send_to(self, outlet: Outlet[T]) -> None:
        """Send pieces to this outlet while the reader waits, where that is possible. The reader gets all others."""
        raise NotImplementedError
