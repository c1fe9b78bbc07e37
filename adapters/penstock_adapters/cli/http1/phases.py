"""The phases of a connection."""

from __future__ import annotations

from enum import Enum, auto


class Phase(Enum):
    """What a connection is at."""

    RESTING = auto()
    """Between two requests."""
    HEAD = auto()
    """A head has begun."""
    BODY = auto()
    """A body is coming, whether or not it is still of use."""
    ANSWERING = auto()
    """The request is whole, and its reply is not."""
    CLOSING = auto()
    """The last reply is on its way; what still comes is thrown away."""
    UPGRADED = auto()
    """The connection is another protocol's."""
