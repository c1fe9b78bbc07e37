"""The log on stderr: lines in their order, none lost, and the same whether or not something else listens."""

from __future__ import annotations

import io
import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from penstock.telemetry import AccessRecord, Failure, Trace, log_access
from penstock.telemetry.formats import JsonFormat, LineFormat, TextFormat
from penstock.telemetry.stderr_log import Later, StderrLog, only_listener, write_together
from requirements import shows

ACCESS = logging.getLogger("penstock.access")
TIME = re.compile(r"[-0-9]{10}[ T][:0-9]{8}[.,][0-9]{3}")


def record(**fields: object) -> AccessRecord:
    begun = {"method": "POST", "path": "/v1/responses", "request_id": "req_1", "begun_s": 0.0, "status": 200}
    return AccessRecord(**begun | fields)  # type: ignore[arg-type]


RECORDS = [
    record(),
    record(model='a "model"\n', response_status="incomplete", response_reason="max output", upstream="b=c"),
    record(path="/v1/\x1b[31m", trace=Trace(trace_id="0" * 32), attempts=3, retries=2),
    record(failure=Failure(status=429, code="rate limited"), key_name="alice", first_event_s=0.0725),
    record(input_tokens=0, output_tokens=7, response_id="resp_1", duration_s=0.3174, model="m" * 500),
]


class Stream(io.StringIO):
    """A stream that counts what is written to it at once."""

    writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        return super().write(text)


class Turn:
    """A turn of an event loop: what it is to call later."""

    def __init__(self) -> None:
        self.calls: list[object] = []

    def end(self) -> None:
        for call in self.calls:
            assert callable(call)
            call()


def handler_of(line_format: LineFormat, later: Later | None = None) -> StderrLog:
    handler = StderrLog(line_format)
    handler.setStream(Stream())
    handler.later = later
    return handler


def written(handler: logging.Handler) -> list[str]:
    assert isinstance(handler, StderrLog)
    assert isinstance(handler.stream, Stream)
    return handler.stream.getvalue().splitlines()


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    """The root logger without the handlers of pytest."""
    log = logging.getLogger()
    monkeypatch.setattr(log, "handlers", [])
    monkeypatch.setattr(ACCESS, "level", logging.INFO)
    logging.Logger.manager._clear_cache()  # type: ignore[attr-defined]
    yield log
    logging.Logger.manager._clear_cache()  # type: ignore[attr-defined]


@shows("access-lines", "json-logs", "log-injection")
@pytest.mark.parametrize("number", range(len(RECORDS)))
@pytest.mark.parametrize("line_format", [TextFormat(), JsonFormat()], ids=lambda each: type(each).__name__)
def test_a_line_is_the_same_with_and_without_another_listener(
    root: logging.Logger, line_format: LineFormat, number: int
) -> None:
    alone = handler_of(line_format)
    root.handlers = [alone]
    assert only_listener(ACCESS) is alone
    log_access(RECORDS[number])
    with_another = handler_of(line_format)
    root.handlers = [with_another, logging.NullHandler()]
    assert only_listener(ACCESS) is None
    log_access(RECORDS[number])
    line, same = ([TIME.sub("", each) for each in written(handler)][-1] for handler in (alone, with_another))
    assert line == same
    assert line.isprintable()
    if isinstance(line_format, JsonFormat):
        assert json.loads(line)["request_id"] == "req_1"


def test_lines_of_a_turn_are_one_write(root: logging.Logger) -> None:
    turn = Turn()
    handler = handler_of(TextFormat(), turn.calls.append)
    root.handlers = [handler]
    for number in range(5):
        log_access(record(request_id=f"req_{number}"))
    assert written(handler) == []
    turn.end()
    assert [line.split("request_id=")[1] for line in written(handler)] == [f"req_{number}" for number in range(5)]
    assert isinstance(handler.stream, Stream)
    assert handler.stream.writes == len(turn.calls) == 1


def test_other_lines_are_written_at_once_and_in_order(root: logging.Logger) -> None:
    handler = handler_of(TextFormat(), Turn().calls.append)
    root.handlers = [handler]
    log_access(record())
    ACCESS.warning("After the request.")
    assert [line.split("penstock.access: ")[1][:5] for line in written(handler)] == ["POST ", "After"]


def test_lines_are_written_at_once_from_the_end_of_a_loop_on(root: logging.Logger) -> None:
    handler = handler_of(TextFormat(), Turn().calls.append)
    root.handlers = [handler]
    log_access(record())
    write_together(None)
    assert len(written(handler)) == 1
    log_access(record())
    assert len(written(handler)) == 2


ENDING = """
from penstock.telemetry import AccessRecord, configure_logging, log_access, write_together
configure_logging("info", "text")
write_together(lambda _: None)
log_access(AccessRecord(method="GET", path="/", request_id="req_1", begun_s=0.0))
"""


def test_the_end_of_a_process_loses_no_line() -> None:
    ended = subprocess.run([sys.executable, "-c", ENDING], capture_output=True, text=True, check=True)
    assert ended.stderr.endswith(" request_id=req_1\n")


def test_stderr_may_be_closed(root: logging.Logger) -> None:
    handler = handler_of(TextFormat())
    root.handlers = [handler]
    handler.stream.close()
    log_access(record())


@pytest.mark.parametrize("disturb", ["handler", "filter", "level", "propagate"])
def test_what_else_gets_lines_is_seen(root: logging.Logger, monkeypatch: pytest.MonkeyPatch, disturb: str) -> None:
    handler = handler_of(TextFormat())
    root.handlers = [handler]
    parent = logging.getLogger("penstock")
    match disturb:
        case "handler":
            monkeypatch.setattr(parent, "handlers", [logging.NullHandler()])
        case "filter":
            monkeypatch.setattr(ACCESS, "filters", [lambda _: True])
        case "level":
            handler.setLevel(logging.ERROR)
        case _:
            monkeypatch.setattr(parent, "propagate", False)
    assert only_listener(ACCESS) is None
