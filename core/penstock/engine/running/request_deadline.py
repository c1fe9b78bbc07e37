"""The deadline of a request: its host ends the request then, whatever it does, as functions do.

It knows how much earlier a response ends, so that its end can be stored and sent in time.
"""

from __future__ import annotations

import asyncio
import time

import msgspec

_MARGIN_SHARE = 0.1
"""The share of the time that a request has, which is left for its end."""
_MARGIN_MIN_S, _MARGIN_MAX_S = 0.2, 2.0
"""The bounds of that time."""


class RequestDeadline(msgspec.Struct, kw_only=True, frozen=True):
    """The times at which a request ends, by the clock of the event loop, in seconds."""

    ends_s: float
    """A response that is running then ends with its output so far."""
    replies_s: float
    """A request that has no reply then is answered with an error. It is a little later."""


def request_deadline(deadline_s: float | None, request_s: float = 0.0) -> RequestDeadline | None:
    """The times of a request that its host ends at `deadline_s`, by the monotonic clock. None where no host does.

    `request_s` is how long a request may last by the settings; 0 where they set no limit. The earlier end counts.
    """
    if deadline_s is None and not request_s:
        return None
    left_s = request_s if deadline_s is None else deadline_s - time.monotonic()
    if request_s:
        left_s = min(left_s, request_s)
    margin_s = min(max(left_s * _MARGIN_SHARE, _MARGIN_MIN_S), _MARGIN_MAX_S)
    deadline_s = asyncio.get_running_loop().time() + left_s
    return RequestDeadline(ends_s=deadline_s - margin_s, replies_s=deadline_s - margin_s / 2)
