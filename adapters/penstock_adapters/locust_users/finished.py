"""A finished Response, with the fields that a simulated user needs; and why a reply is not a good one.

It knows JSON and server-sent events, and neither locust nor sockets.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Problem(msgspec.Struct):
    """The error of a Response or of an `error` event."""

    code: str | None = None
    message: str | None = None

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class IncompleteDetails(msgspec.Struct):
    """Why a Response is incomplete."""

    reason: str | None = None


class Finished(msgspec.Struct):
    """A Response that has ended. Items are dicts, as a locustfile sends them back in its next request."""

    id: str = ""
    status: str = ""
    output: list[dict[str, Any]] = []
    error: Problem | None = None
    incomplete_details: IncompleteDetails | None = None

    @property
    def fault(self) -> str | None:
        """Why it is not a good reply, or None. A Response that its limit made incomplete is a good one."""
        if self.status in ("completed", "incomplete"):
            return None
        return f"the Response is {self.status or 'without status'}: {self.error or 'no error'}"


class EndEvent(msgspec.Struct):
    """The last event of a stream: three types contain a Response, and `error` contains an error."""

    type: str
    response: Finished | None = None
    error: Problem | None = None
    code: str | None = None
    message: str | None = None

    @property
    def fault(self) -> str | None:
        """Why it is not a good end, or None."""
        if self.response is not None:
            return self.response.fault
        return f"{self.type}: {self.error or Problem(self.code, self.message)}"


read_finished = msgspec.json.Decoder(Finished).decode
read_end = msgspec.json.Decoder(EndEvent).decode
