"""The record of a request: facts that are noted on its way, and read once when its reply has ended.

It knows facts and the moment at which they are complete. What becomes of them, its readers know. It never holds a
text of the client or of the model, or a secret.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import TypeAlias

import msgspec

from penstock.errors import ApiError

CLIENT_LEFT = 499
"""The status of a request whose client left before the reply had ended. It is nginx's number, and is sent to no one."""

_log = logging.getLogger("penstock.telemetry")


class Failure(msgspec.Struct, kw_only=True, frozen=True):
    """Why a request failed."""

    status: int
    code: str
    """The error's code, or else its type."""
    param: str | None = None
    message: str = ""
    """Empty where it may repeat what the client wrote."""


class AccessRecord(msgspec.Struct, kw_only=True):
    """What is known of one request, of one turn over WebSocket, or of one background run."""

    method: str
    """`WEBSOCKET` for a message over WebSocket, `BACKGROUND` for a background run, `LIBRARY` for a call by code."""
    path: str
    request_id: str
    begun_s: float
    """By the monotonic clock."""
    status: int = 0
    """The status of the HTTP reply, or the one that it would have had."""
    duration_s: float = 0.0
    """Until the reply had ended."""
    first_event_s: float | None = None
    """Until the first event of the model's answer, of a stream."""
    key_name: str = ""
    model: str = ""
    upstream: str = ""
    """The upstream that was asked last."""
    attempts: int = 0
    """How often upstreams were asked."""
    response_id: str = ""
    response_status: str = ""
    """How the response ended; a stream has status 200 also where it ends with `response.failed`."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    ignored: Sequence[str] = ()
    """What the request asked for and did not get, by name."""
    failure: Failure | None = None
    is_cut: bool = False
    """Whether the client left before the end."""
    is_ended: bool = False

    def first_event(self) -> None:
        """The first event of the model's answer goes out now."""
        self.first_event_s = time.monotonic() - self.begun_s

    def failed(self, error: ApiError, *, by_upstream: bool = False) -> None:
        """It failed so. The message is noted where it is the upstream's or ours, and cannot repeat the client's words.

        Only the first call counts: it knows most.
        """
        if self.failure is None:
            is_noted = by_upstream or error.is_upstreams or error.status >= 500
            message = error.message if is_noted else ""
            code = error.code or error.type
            self.failure = Failure(status=error.status, code=code, param=error.param, message=message)


Reader: TypeAlias = Callable[[AccessRecord], None]
"""Reads a record that is complete. It must be quick, and must not wait."""

_CURRENT: ContextVar[AccessRecord | None] = ContextVar("penstock_record", default=None)


def current() -> AccessRecord:
    """The record of the request that the present task works for; one that is never read where there is none."""
    return _CURRENT.get() or AccessRecord(method="", path="", request_id="", begun_s=0.0)


def enter(record: AccessRecord) -> None:
    """Make a record the `current` one of this task, and of the tasks that it starts."""
    _CURRENT.set(record)


def leave() -> None:
    """Let this task, and the tasks that it starts, work for no request: it outlives the one that started it."""
    _CURRENT.set(None)


class Recorder:
    """Begins records, and hands each to its readers when it is complete."""

    def __init__(self, *readers: Reader) -> None:
        self._readers = readers

    def begin(self, method: str, path: str, request_id: str) -> AccessRecord:
        """A new record, entered."""
        record = AccessRecord(method=method, path=path, request_id=request_id, begun_s=time.monotonic())
        enter(record)
        return record

    def end(self, record: AccessRecord, status: int) -> None:
        """The reply has ended. Only the first call counts."""
        if record.is_ended:
            return
        record.is_ended = True
        record.status = CLIENT_LEFT if record.is_cut else status
        record.duration_s = time.monotonic() - record.begun_s
        for read in self._readers:
            try:
                read(record)
            except Exception:
                _log.exception("a reader of records failed")
