"""The record of a request: fields that are set while it is processed, and passed to sinks when its reply has ended.

It knows the fields, and when they are complete. It never contains a text of the client or of the model, or a secret.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Literal, TypeAlias

import msgspec

from penstock.errors import ApiError
from penstock.wire import Usage

from .trace import NO_TRACE, Trace

CLIENT_LEFT = 499
"""The status of a request whose client left before the reply had ended. The number is nginx's. It is never sent."""

Blame: TypeAlias = Literal["client", "upstream", "server"]
"""Whose fault the failure of an upstream's call is: the client's request, the upstream, or this server's settings."""

ENDED = frozenset({"completed", "incomplete", "failed", "cancelled"})
"""The final statuses of responses."""

_log = logging.getLogger("penstock.telemetry")


class ToolUse(msgspec.Struct, frozen=True):
    """A call of a hosted tool that has ended."""

    family: str
    """The type of its item, such as `web_search_call`."""
    status: str
    """The last status of its item."""
    duration_s: float


class Failure(msgspec.Struct, kw_only=True, frozen=True):
    """The error of a failed request."""

    status: int
    code: str
    """The error's code, or its type where it has none."""
    param: str | None = None
    message: str = ""
    """Empty where the message may repeat texts of the client."""


class AccessRecord(msgspec.Struct, kw_only=True, eq=False):
    """The record of one request, of one message over WebSocket, or of one background run."""

    method: str
    """`WEBSOCKET` for a message over WebSocket, `BACKGROUND` for a background run, `LIBRARY` for a call by code."""
    path: str
    route: str = ""
    """The route of an HTTP request, such as `/v1/responses/{id}`. Empty where there is none for the path."""
    request_id: str
    begun_s: float
    """The time of its beginning, by the monotonic clock, in seconds."""
    trace: Trace = NO_TRACE
    """What the client sent about the trace of its request, for the calls of upstreams."""
    status: int = 0
    """The status of the HTTP reply, or the status that an HTTP reply would have had."""
    duration_s: float = 0.0
    """The time until the reply had ended, in seconds."""
    first_event_s: float | None = None
    """Of a stream, the time until the first event of the model's answer, in seconds."""
    sent_at: list[float] | None = None
    """Of a stream, when something of the model's answer was sent, by the event loop's clock: once for each read of the
    upstream. None where it is not measured."""
    key_name: str = ""
    model: str = ""
    upstream: str = ""
    """The upstream that was called last."""
    attempts: int = 0
    """The number of calls of upstreams. A response with hosted tools has one for each turn of its model."""
    retries: int = 0
    """How many of them were made because the one before had failed."""
    response_id: str = ""
    response_status: str = ""
    """The final status of the response. A stream that ends with `response.failed` has the HTTP status 200 too."""
    response_reason: str = ""
    """Why the response is incomplete, or the code of its error."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    upstream_errors: tuple[Blame, ...] = ()
    """The blame of each call of an upstream that failed."""
    refusal_code: str = ""
    """The code of the last error reply of an upstream, or its type where it has none."""
    tools: tuple[ToolUse, ...] = ()
    """The calls of hosted tools, in the order in which they ended."""
    lacks_terminal: bool = False
    """Whether a stream ended without a terminal event while its client was there. That is a bug."""
    ignored: Sequence[str] = ()
    """The names of parameters and tools of the request that were ignored."""
    left_out: Sequence[str] = ()
    """The names of those that the upstream refuses, so that its last request was without them."""
    failure: Failure | None = None
    is_cut: bool = False
    """Whether the reply did not reach its end. The client has left, unless `failure` has another reason."""
    is_ended: bool = False
    has_run: bool = False
    """Whether a response or a chat reply was made for it. A stream that follows another run makes none."""
    running: set[AccessRecord] | None = None
    """The records whose responses are being made now, if anyone counts them."""

    def first_event(self) -> None:
        """Note that the first event of the model's answer is sent now."""
        self.first_event_s = time.monotonic() - self.begun_s

    def runs(self) -> None:
        """Note that a response or a chat reply is being made, until the record ends."""
        self.has_run = True
        if self.running is not None:
            self.running.add(self)

    def upstream_failed(self, blame: Blame) -> None:
        """Note that the call of an upstream failed."""
        self.upstream_errors += (blame,)

    def tool_ended(self, family: str, status: str, duration_s: float) -> None:
        """Note that a call of a hosted tool has ended."""
        self.tools += (ToolUse(family, status, duration_s),)

    def used(self, usage: Usage) -> None:
        """Note the tokens of the response."""
        self.input_tokens, self.output_tokens = usage.input_tokens, usage.output_tokens
        self.cached_tokens = usage.input_tokens_details.cached_tokens
        self.reasoning_tokens = usage.output_tokens_details.reasoning_tokens

    def failed(self, error: ApiError, *, by_upstream: bool = False) -> None:
        """Note the error. Its message is stored only where it comes from the upstream or from us.

        Only the first call has an effect: the first error is the most exact one.
        """
        if self.failure is None:
            is_noted = by_upstream or error.is_upstreams or error.status >= 500
            message = error.message if is_noted else ""
            code = error.code or error.type
            self.failure = Failure(status=error.status, code=code, param=error.param, message=message)


RecordSink: TypeAlias = Callable[[AccessRecord], None]
"""Gets each complete record. It must be quick, and must not wait."""

_CURRENT: ContextVar[AccessRecord | None] = ContextVar("penstock_record", default=None)


def current() -> AccessRecord:
    """The record of the request that this task belongs to. Without a request, it is a record that no sink gets."""
    return _CURRENT.get() or AccessRecord(method="", path="", request_id="", begun_s=0.0)


def enter(record: AccessRecord) -> None:
    """Make a record the `current` one of this task, and of the tasks that it starts."""
    _CURRENT.set(record)


def leave() -> None:
    """Detach this task, and the tasks that it starts, from the request: it outlives the request that started it."""
    _CURRENT.set(None)


class Recorder:
    """Begins records, and passes each to the sinks when it is complete.

    `measures` is whether they note which responses are being made, and when their events are sent.
    """

    def __init__(self, *sinks: RecordSink, measures: bool = False) -> None:
        self._sinks = sinks
        self.running: set[AccessRecord] | None = set() if measures else None
        """The records whose responses are being made now."""

    def begin(self, method: str, path: str, request_id: str, trace: Trace = NO_TRACE) -> AccessRecord:
        """A new record, which becomes the `current` one."""
        running = self.running
        record = AccessRecord(
            method=method,
            path=path,
            request_id=request_id,
            begun_s=time.monotonic(),
            trace=trace,
            sent_at=None if running is None else [],
            running=running,
        )
        _CURRENT.set(record)
        return record

    def end(self, record: AccessRecord, status: int) -> None:
        """The reply has ended: pass the record to the sinks. Only the first call has an effect."""
        if record.is_ended:
            return
        record.is_ended = True
        if record.running is not None:
            record.running.discard(record)
        record.status = status
        if record.is_cut:
            _blame_cut(record)
        if record.status == CLIENT_LEFT and record.has_run and record.response_status not in ENDED:
            record.response_status = "cancelled"
        record.duration_s = time.monotonic() - record.begun_s
        for sink in self._sinks:
            try:
                sink(record)
            except Exception:
                _log.exception("a sink of access records failed")


def _blame_cut(record: AccessRecord) -> None:
    """Note who has cut the reply: this server where there is a failure, else the client, which has left."""
    if record.failure is None:
        record.status = CLIENT_LEFT
        return
    record.is_cut = False
    if record.has_run:
        record.response_status, record.response_reason = "failed", record.failure.code
