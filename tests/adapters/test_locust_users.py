"""What a simulated user makes of the events of a stream. Locust itself runs in `tests/live/test_locust.py`."""

from __future__ import annotations

import subprocess
import sys

import pytest

from penstock_adapters.locust_users.events import ReceivedEvents

CREATED = b'{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","status":"in_progress"}}'
DELTA = b'{"type":"response.output_text.delta","sequence_number":%d,"delta":"a"}'
COMPLETED = b'{"type":"response.completed","sequence_number":%d,"response":{"id":"resp_1","status":"completed"}}'
FAILED = (
    b'{"type":"response.failed","sequence_number":1,"response":'
    b'{"status":"failed","error":{"code":"server_error","message":"No."}}}'
)
ERROR = b'{"type":"error","sequence_number":1,"code":"rate_limit_exceeded","message":"Slowly."}'
INCOMPLETE = b'{"type":"response.incomplete","sequence_number":1,"response":{"status":"incomplete"}}'
DONE = b"data: [DONE]\n\n"


def sse(data: bytes) -> bytes:
    return b"event: any\ndata: " + data + b"\n\n"


def received(*messages: bytes) -> ReceivedEvents:
    """Events that arrive at 1 s, 2 s, and so on."""
    events = ReceivedEvents()
    for at_s, message in enumerate(messages, start=1):
        events.add_message(message, at_s)
    return events


def test_the_figures_of_a_stream() -> None:
    events = ReceivedEvents()
    for event, at_s in [(CREATED, 1.0), (DELTA % 1, 2.0), (DELTA % 2, 2.5), (DELTA % 3, 4.0), (COMPLETED % 4, 5.0)]:
        events.add_sse(sse(event), at_s)
    events.add_sse(DONE, 5.0)
    assert events.fault() is None
    assert events.times_s == [1.0, 2.0, 2.5, 4.0, 5.0]
    assert events.first_token_s == 2.0
    assert list(events.gaps_s()) == [0.5, 1.5]
    assert events.response is not None
    assert events.response.id == "resp_1"


def test_a_comment_is_no_event() -> None:
    events = ReceivedEvents()
    events.add_sse(b": still here\n\n", 1.0)
    assert (events.times_s, events.size_bytes) == ([], 14)


@pytest.mark.parametrize(
    ("messages", "fault"),
    [
        ([CREATED, COMPLETED % 1], None),
        ([CREATED, INCOMPLETE], None),
        ([], "the stream has no terminal event"),
        ([CREATED, DELTA % 1], "the stream has no terminal event"),
        ([CREATED, FAILED], "the Response is failed: server_error: No."),
        ([CREATED, ERROR], "error: rate_limit_exceeded: Slowly."),
        ([CREATED, b'{"type":"response.outp', COMPLETED % 1], "an event is not the JSON of an event"),
        ([CREATED, DELTA % 2, COMPLETED % 3], "the sequence numbers are not in order"),
        ([CREATED, DELTA % 1, DELTA % 1, COMPLETED % 2], "the sequence numbers are not in order"),
        ([CREATED, COMPLETED % 1, COMPLETED % 2], "response.completed after response.completed"),
    ],
)
def test_a_fault_of_a_stream_is_found(messages: list[bytes], fault: str | None) -> None:
    assert received(*messages).fault() == fault


@pytest.mark.parametrize("mark", [b"data: [DONE]\n\n", b""])
def test_a_stream_may_end_without_done(mark: bytes) -> None:
    """OpenAI's do, and those of a Penstock with `done_marker = false`."""
    events = ReceivedEvents()
    for message in (CREATED, COMPLETED % 1):
        events.add_sse(b"data: %b\n\n" % message, 0.1)
    if mark:
        events.add_sse(mark, 0.2)
    assert events.fault() is None
    assert len(events.times_s) == 2


def test_locust_is_imported_with_the_user_alone() -> None:
    """It replaces Python's sockets, which no server and no test wants."""
    program = (
        "import sys, penstock_adapters.locust_users as users\n"
        "import penstock_adapters.locust_users.events\n"
        "print('locust' in sys.modules)\n"
        "print(users.ResponsesUser.abstract, 'locust' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert ran.stdout.split() == ["False", "True", "True"], ran.stderr
