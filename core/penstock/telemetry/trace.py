"""Trace context: the headers by which a request is found again in the traces and logs of several servers.

It knows `traceparent` and `tracestate` of the W3C's Trace Context, and `x-request-id`. It makes no traces: it passes on
those of clients, with a new parent for each call of an upstream.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from penstock.patterns import lazy_pattern

_PARENT = lazy_pattern(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(-.*)?")
"""A version, the id of the trace, the id of the caller's span, and flags. Later versions may have more behind them."""
_STATE = lazy_pattern(r"[\x20-\x7e\t]{1,512}")
"""A longer `tracestate` is not passed on. The number is W3C's."""


class Trace(msgspec.Struct, frozen=True):
    """What a client sent about the trace of its request. Empty texts are what it did not send."""

    request_id: str = ""
    """The client's own id of the request."""
    trace_id: str = ""
    flags: str = ""
    state: str = ""

    def headers(self, span_id: str) -> list[tuple[str, str]]:
        """The headers for a call of an upstream. `span_id` is the new id of the call: 16 hexadecimal digits."""
        headers = [("x-request-id", self.request_id)] if self.request_id else []
        if self.trace_id:
            # spec: trace-context
            headers.append(("traceparent", f"00-{self.trace_id}-{span_id}-{self.flags}"))
            if self.state:
                headers.append(("tracestate", self.state))
        return headers


NO_TRACE = Trace()


def read_trace(headers: Mapping[str, str], request_id: str) -> Trace:
    """The trace context of a request. `request_id` is the id of the request; it may be the client's or a new one."""
    parent = headers.get("traceparent")
    own_id = headers.get("x-request-id")
    if parent is None and own_id is None:
        return NO_TRACE
    found = _PARENT.fullmatch(parent or "")
    state = headers.get("tracestate", "") if found else ""
    return Trace(
        request_id=request_id if own_id == request_id else "",
        trace_id=found[1] if found else "",
        flags=found[2] if found else "",
        state=state if _STATE.fullmatch(state) else "",
    )
