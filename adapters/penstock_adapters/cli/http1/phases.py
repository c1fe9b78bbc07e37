"""The phases of a connection."""

from __future__ import annotations

from enum import Enum, auto


class Phase(Enum):
    """The state of a connection."""

    RESTING = auto()
    """Between two requests."""
    HEAD = auto()
    """A head has begun."""
    BODY = auto()
    """A body is being read, even if it is no longer needed."""
    ANSWERING = auto()
    """The request is complete, and its reply is not."""
    CLOSING = auto()
    """The last reply is being sent; further bytes are discarded."""
    UPGRADED = auto()
    """The connection belongs to another protocol."""
