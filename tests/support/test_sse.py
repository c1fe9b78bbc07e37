"""The strict reader of events reads what is right and refuses what is not."""

from __future__ import annotations

import pytest

from support.sse import Frame, FramingError, check_writes, events, parse

A = b'event: a\ndata: {"type":"a","n":0}\n\n'
B = b'event: b\ndata: {"type":"b"}\n\n'
PING = b": ping\n\n"
DONE = b"data: [DONE]\n\n"


def test_reads_events_comments_and_the_end() -> None:
    assert parse(A + PING + DONE) == [
        Frame("a", '{"type":"a","n":0}', A),
        Frame(None, None, PING),
        Frame(None, "[DONE]", DONE),
    ]
    assert events(A + PING + B + DONE) == [{"type": "a", "n": 0}, {"type": "b"}]
    assert events(A, done=False) == [{"type": "a", "n": 0}]


@pytest.mark.parametrize(
    "body",
    [b"", A[:-1], A + b"\n\n", A.replace(b"\n", b"\r\n"), b"data: {}\n\n", b"event: a\n\n",
     b"event: a\ndata:{}\n\n",
     b"event: a\ndata: 1\ndata: 2\n\n", b"id: 1\nevent: a\ndata: {}\n\n", b": ping\n" + A, b"rubbish\n\n"],
)  # fmt: skip
def test_refuses_other_framing(body: bytes) -> None:
    with pytest.raises(FramingError):
        parse(body)


@pytest.mark.parametrize(
    "body",
    [A, A + DONE + B, PING, A + DONE + DONE, b"event: a\ndata: []\n\n" + DONE,
     A.replace(b"event: a", b"event: b") + DONE],
)  # fmt: skip
def test_refuses_other_streams(body: bytes) -> None:
    with pytest.raises(FramingError):
        events(body)


def test_writes_hold_whole_events() -> None:
    assert check_writes([A + B, b"", PING, DONE]) == [A + B, PING, DONE]
    with pytest.raises(FramingError):
        check_writes([A[:10], A[10:]])
    with pytest.raises(FramingError):
        check_writes([A + B[:5], B[5:]])
