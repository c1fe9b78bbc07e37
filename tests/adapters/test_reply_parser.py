"""The parser of replies: whatever the reads, what comes out is the same, and every bound holds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.limits import Limits
from penstock_adapters.fault_texts import CLOSED, ENDLESS, EXPECTS_TLS, INFORMATIONAL_MAX, NO_HTTP
from penstock_adapters.http_client.faults import TransportFault
from penstock_adapters.http_client.parser import ReplyParser
from penstock_adapters.http_client.replies import IncomingReply
from requirements import shows

DEFAULTS = Limits()
LIMITS = Limits(upstream_framing_bytes_max=400, upstream_headers_max=10)

GOOD: dict[str, tuple[bytes, int, bytes, bool]] = {
    "length": (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", 200, b"hello", True),
    "no body": (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, b"", True),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
    "304": (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", 304, b"", True),
    "chunks": (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nt: u\r\n\r\n",
        200,
        b"hello",
        True,
    ),
    "informational": (
        b"HTTP/1.1 103 Hi\r\na: b\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
        200,
        b"hi",
        True,
    ),
    "closes": (b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi", 200, b"hi", False),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi", 200, b"hi", False),
    "chunks of HTTP/1.0": (
        b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        200,
        b"a",
        False,
    ),
    "101": (b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", 101, b"", False),
    "until the end": (b"HTTP/1.1 200 OK\r\ncontent-type: a\r\n\r\nhello", 200, b"hello", False),
}
"""Bytes, and of what they are: status, body, and whether the connection may be used again."""

BAD: dict[str, tuple[bytes, str]] = {
    "a length and chunks": (
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        NO_HTTP,
    ),
    "chunks and a length": (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        NO_HTTP,
    ),
    "gzip as a transfer-encoding": (b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", NO_HTTP),
    "another transfer-encoding": (b"HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\n\r\nhello", NO_HTTP),
    "two lengths": (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!", NO_HTTP),
    "a length that is none": (b"HTTP/1.1 200 OK\r\ncontent-length: 5x\r\n\r\nhello", NO_HTTP),
    "a chunk's size that is none": (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", NO_HTTP),
    "a huge chunk": (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\n", NO_HTTP),
    "no end of a chunk": (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n", NO_HTTP),
    "a bare line feed in a value": (b"HTTP/1.1 200 OK\r\na: b\nc: d\r\n\x00: e\r\n\r\n", NO_HTTP),
    "no HTTP": (b"220 smtp.example ESMTP\r\n\r\n", NO_HTTP),
    "TLS": (b"\x15\x03\x01\x00\x02\x02\x46", EXPECTS_TLS),
    "a long line": (b"HTTP/1.1 200 " + b"O" * 1_000, NO_HTTP),
    "a long field": (b"HTTP/1.1 200 OK\r\na: " + b"b" * 1_000 + b"\r\n\r\n", NO_HTTP),
    "many fields": (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 11 + b"\r\n", NO_HTTP),
    "an endless chunk extension": (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;" + b"x" * 1_000,
        NO_HTTP,
    ),
    "endless trailers": (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 100, NO_HTTP),
    "endless informational replies": (b"HTTP/1.1 103 Hi\r\n\r\n" * (INFORMATIONAL_MAX + 1), ENDLESS),
}


class Nowhere:
    def resume(self) -> None: ...

    def drop(self) -> None: ...


def expected(parser: ReplyParser) -> IncomingReply:
    reply = IncomingReply(Nowhere(), asyncio.Future)
    parser.expect(reply)
    return reply


def parsed(pieces: list[bytes], limits: Limits = DEFAULTS) -> tuple[ReplyParser, IncomingReply, TransportFault | None]:
    """What comes of these reads, and then the end of the connection."""
    parser = ReplyParser(limits)
    reply = expected(parser)
    for piece in pieces:
        fault = parser.feed(piece) if piece and not reply.has_ended else None
        if fault is not None:
            return parser, reply, fault
    return parser, reply, None if reply.has_ended else parser.end()


def splits(data: bytes) -> Iterator[list[bytes]]:
    """In one read, byte by byte, and at every point and pair of points."""
    yield [data]
    yield [data[at : at + 1] for at in range(len(data))]
    for first in range(len(data)):
        for second in range(first, len(data), 7):
            yield [data[:first], data[first:second], data[second:]]


@shows("upstream-framing")
@pytest.mark.parametrize("name", GOOD)
def test_wherever_the_reads_part_the_reply_is_the_same(name: str) -> None:
    data, status, body, can_be_reused = GOOD[name]
    for pieces in splits(data):
        parser, reply, fault = parsed(pieces)
        assert fault is None
        assert (reply.status, b"".join(reply.pieces), reply.has_ended) == (status, body, True), pieces
        if name != "until the end":
            assert parser.can_be_reused == can_be_reused


@pytest.mark.parametrize("name", [name for name in GOOD if name != "until the end"])
def test_a_reply_that_lacks_a_byte_is_none(name: str) -> None:
    data, _, body, _ = GOOD[name]
    for length in range(len(data)):
        _, reply, fault = parsed([data[:length]])
        assert fault == TransportFault(CLOSED)
        assert not reply.has_ended
        assert body.startswith(b"".join(reply.pieces))


@shows("upstream-framing")
@pytest.mark.parametrize("name", BAD)
def test_what_is_no_reply_or_has_no_end_is_a_fault(name: str) -> None:
    data, message = BAD[name]
    for size in (len(data), 100, 1) if message == NO_HTTP else (len(data), 100):
        _, reply, fault = parsed([data[at : at + size] for at in range(0, len(data), size)], LIMITS)
        assert fault is not None
        assert fault.message == message, size
        assert not reply.has_ended


@pytest.mark.parametrize("more", [b"H", b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx", b"\x00", b"x" * 100])
def test_bytes_after_the_end_are_no_reply(more: bytes) -> None:
    data, _, body, _ = GOOD["length"]
    parser, reply, fault = parsed([data + more])
    assert fault is None
    assert (reply.has_ended, b"".join(reply.pieces)) == (True, body)
    assert not parser.can_be_reused


@given(names=st.lists(st.sampled_from(sorted(set(GOOD) - {"until the end"})), min_size=1, max_size=4), data=st.data())
def test_replies_follow_each_other(names: list[str], data: st.DataObject) -> None:
    """As long as the connection may be used again."""
    parser = ReplyParser(Limits())
    for name in names:
        text, status, body, can_be_reused = GOOD[name]
        cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
        reply = expected(parser)
        for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
            if begin < end:
                assert parser.feed(text[begin:end]) is None
        assert (reply.status, b"".join(reply.pieces), reply.has_ended) == (status, body, True)
        assert parser.can_be_reused == can_be_reused
        if not can_be_reused:
            return


def test_a_long_stream_has_no_bound() -> None:
    """What bounds heads and lines begins anew with each piece of the body."""
    parser = ReplyParser(LIMITS)
    reply = expected(parser)
    assert parser.feed(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n") is None
    for _ in range(1_000):
        assert parser.feed(b"1\r\n") is None
        assert parser.feed(b"a\r\n") is None
    assert len(reply.pieces) == 1_000


def test_fields_are_in_lower_case_and_together() -> None:
    head = b"HTTP/1.1 200 OK\r\nX-One: a \r\nx-one:  b\r\ncontent-length: 0\r\n\r\n"
    _, reply, _ = parsed([head])
    assert reply.headers == {"x-one": "a, b", "content-length": "0"}
