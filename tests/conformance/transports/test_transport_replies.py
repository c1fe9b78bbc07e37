"""Replies of every framing, whole, split and cut: what a transport makes of them."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.transports.kit import (
    KINDS,
    OK,
    OWN,
    Kind,
    Upstream,
    asked,
    chunked,
    fault_of,
    listening,
    post,
    read,
    run,
    sends,
)
from penstock.limits import Limits
from penstock.ports import Destination, Transport
from penstock_adapters import fault_texts

LIMITS = Limits(connect_s=5)


def to(kind: Kind, upstream: Upstream, limits: Limits = LIMITS) -> Transport:
    return kind.connect(Destination(name="u", url=upstream.url), limits)


def replying(kind: Kind, data: bytes, *, closes: bool = False) -> tuple[int, bytes]:
    """Status and body of an upstream that sends these bytes."""
    found: list[tuple[int, bytes]] = []

    async def scenario() -> None:
        async with listening(lambda upstream: sends(upstream, data, closes=closes)) as upstream:
            transport = to(kind, upstream)
            found.append(await asked(transport))
            await transport.aclose()

    run(kind, scenario())
    return found[0]


FRAMINGS: dict[str, tuple[bytes, int, bytes, bool]] = {
    "a length": (OK + b"content-length: 5\r\n\r\nhello", 200, b"hello", False),
    "no length but nothing": (OK + b"content-length: 0\r\n\r\n", 200, b"", False),
    "chunks": (OK + b"transfer-encoding: chunked\r\n\r\n" + chunked([b"he", b"llo"]), 200, b"hello", False),
    "chunks with extensions and trailers": (
        OK + b"transfer-encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nx: y\r\n\r\n",
        200,
        b"hello",
        False,
    ),
    "until it closes": (OK + b"\r\nhello", 200, b"hello", True),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\n\r\nhello", 200, b"hello", True),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", False),
    "304": (b"HTTP/1.1 304 Not Modified\r\n\r\n", 304, b"", False),
    "a refusal": (b"HTTP/1.1 429 Slow Down\r\ncontent-length: 4\r\n\r\nwait", 429, b"wait", False),
    "hints before it": (
        b"HTTP/1.1 103 Hi\r\na: b\r\n\r\n" * 3 + OK + b"content-length: 2\r\n\r\nhi",
        200,
        b"hi",
        False,
    ),
    "gzip": (
        OK + b"content-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n" + chunked([gzip.compress(b"hello")]),
        200,
        b"hello",
        False,
    ),
    "deflate": (
        OK + b"content-encoding: deflate\r\ntransfer-encoding: chunked\r\n\r\n" + chunked([zlib.compress(b"hello")]),
        200,
        b"hello",
        False,
    ),
}


@pytest.mark.parametrize("name", FRAMINGS)
def test_every_framing(kind: Kind, name: str) -> None:
    data, status, body, closes = FRAMINGS[name]
    assert replying(kind, data, closes=closes) == (status, body)


@pytest.mark.parametrize("name", ["a length", "chunks", "until it closes", "hints before it", "gzip"])
def test_every_split(kind: Kind, name: str) -> None:
    """One request for each point at which the reply may be split, on as few connections as it can be."""
    data, status, body, closes = FRAMINGS[name]

    async def scenario() -> None:
        at = 0

        def parting(upstream: Upstream) -> Any:
            async def handle(reader: Any, writer: Any) -> None:
                while True:
                    await sends(upstream, data[:at], data[at:], closes=True)(reader, writer)
                    if closes:
                        return

            return handle

        async with listening(parting) as upstream:
            transport = to(kind, upstream)
            for at in range(1, len(data)):
                assert await asked(transport) == (status, body), at
            assert closes or upstream.connections == 1
            await transport.aclose()

    run(kind, scenario())


@settings(max_examples=25, deadline=None)
@given(
    body=st.lists(st.binary(min_size=1, max_size=2_000), max_size=6), cuts=st.lists(st.integers(0, 5_000), max_size=6)
)
@pytest.mark.parametrize("name", OWN)
def test_any_chunks_in_any_pieces(name: str, body: list[bytes], cuts: list[int]) -> None:
    data = OK + b"transfer-encoding: chunked\r\n\r\n" + chunked(body)
    ends = sorted({cut for cut in cuts if 0 < cut < len(data)})
    pieces = [data[begin:end] for begin, end in zip([0, *ends], [*ends, len(data)], strict=True)]

    async def scenario() -> None:
        async with listening(lambda upstream: sends(upstream, *pieces)) as upstream:
            transport = to(KINDS[name], upstream)
            assert await asked(transport) == (200, b"".join(body))
            await transport.aclose()

    run(KINDS[name], scenario())


@pytest.mark.parametrize("name", [name for name, framing in FRAMINGS.items() if not framing[3]])
def test_a_cut_at_every_byte(kind: Kind, name: str) -> None:
    """It is reported in plain words, whatever is missing, and what came before it is there."""
    data, status, body, _ = FRAMINGS[name]

    async def scenario() -> None:
        length = 0

        def cutting(upstream: Upstream) -> Any:
            return sends(upstream, data[:length], closes=True)

        async with listening(cutting) as upstream:
            transport = to(kind, upstream)
            for length in range(1, len(data), 3):
                fault = await fault_of(transport)
                assert (str(fault), fault.was_connected) in [
                    (fault_texts.CLOSED, True),
                    (fault_texts.WRONG_CODING, True),
                ], (length, fault)
            await transport.aclose()

    if body != b"" or status == 200:
        run(kind, scenario())


NONSENSE: dict[str, tuple[bytes, str]] = {
    "no HTTP": (b"220 smtp.example ESMTP\r\n\r\n", fault_texts.NO_HTTP),
    "TLS": (b"\x15\x03\x01\x00\x02\x02\x46", fault_texts.EXPECTS_TLS),
    "a length and chunks": (
        OK + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        fault_texts.NO_HTTP,
    ),
    "two lengths": (OK + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello!", fault_texts.NO_HTTP),
    "a long head": (OK + b"x: " + b"y" * 100_000 + b"\r\n\r\n", fault_texts.NO_HTTP),
    "many fields": (OK + b"x: y\r\n" * 10_000 + b"\r\n", fault_texts.NO_HTTP),
    "hints without end": (b"HTTP/1.1 103 Hi\r\n\r\n" * 200, fault_texts.ENDLESS),
    "no gzip": (OK + b"content-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc", fault_texts.WRONG_CODING),
}


FETCH_READS: dict[str, str | None] = {"TLS": fault_texts.NO_HTTP, "hints without end": None}
"""What `fetch` makes of it. Nothing, while it waits for more; then the request's own deadline ends it."""


@pytest.mark.parametrize("name", NONSENSE)
def test_what_is_no_reply_is_reported_in_plain_words(own: Kind, name: str) -> None:
    check_fault(own, *NONSENSE[name])


@pytest.mark.parametrize("name", [name for name in NONSENSE if FETCH_READS.get(name, "") is not None])
def test_what_is_no_reply_to_fetch_is_reported_in_plain_words(fetch: Kind, name: str) -> None:
    data, message = NONSENSE[name]
    check_fault(fetch, data, FETCH_READS.get(name) or message)


def check_fault(kind: Kind, data: bytes, message: str) -> None:
    async def scenario() -> None:
        async with listening(lambda upstream: sends(upstream, data)) as upstream:
            transport = to(kind, upstream)
            fault = await fault_of(transport)
            assert (str(fault), fault.was_connected, fault.timed_out) == (message, True, False)
            await transport.aclose()

    run(kind, scenario())


@pytest.mark.parametrize("chunk", [b"zz\r\nhello", b"f" * 40 + b"\r\n", b"5\r\nhelloX"])
def test_chunks_that_are_none(kind: Kind, chunk: bytes) -> None:
    async def scenario() -> None:
        data = OK + b"transfer-encoding: chunked\r\n\r\n" + chunk
        async with listening(lambda upstream: sends(upstream, data)) as upstream:
            transport = to(kind, upstream)
            fault = await fault_of(transport)
            assert fault.was_connected
            await transport.aclose()

    run(kind, scenario())


ENDLESS = {
    "a line": (b"HTTP/1.1 200 ", b"O" * 10_000),
    "a field": (OK + b"x: ", b"y" * 10_000),
    "fields": (OK, b"x: y\r\n" * 1_000),
    "a chunk's extension": (OK + b"transfer-encoding: chunked\r\n\r\n5;", b"x" * 10_000),
    "trailers": (OK + b"transfer-encoding: chunked\r\n\r\n0\r\n", b"x: y\r\n" * 1_000),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_what_has_no_end_is_given_up(lean: Kind, name: str) -> None:
    first, more = ENDLESS[name]

    async def scenario() -> None:
        def endless(upstream: Upstream) -> Any:
            async def handle(reader: Any, writer: Any) -> None:
                await upstream.request(reader)
                writer.write(first)
                while True:
                    writer.write(more)
                    await writer.drain()

            return handle

        async with listening(endless) as upstream:
            transport = to(lean, upstream)
            fault = await fault_of(transport)
            assert str(fault) == fault_texts.NO_HTTP
            assert "upstream_framing_bytes_max" in fault.cause
            await transport.aclose()

    run(lean, scenario())


def test_a_bomb_is_read_window_by_window(kind: Kind) -> None:
    """64 MiB of zeros: a reader that stops after the first pieces does not decode the others."""
    bomb = gzip.compress(bytes(64 * 2**20))

    async def scenario() -> None:
        head = OK + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(bomb)
        async with listening(lambda upstream: sends(upstream, head + bomb)) as upstream:
            transport = to(kind, upstream)
            reply = await transport.send(post())
            first = await anext(aiter(reply))
            assert 0 < len(first) <= 4 * 2**20
            assert not any(first)
            await reply.aclose()
            assert upstream.connections == 1
            assert len((await asked(transport))[1]) == 64 * 2**20
            await transport.aclose()

    run(kind, scenario())


def test_a_coding_that_was_not_asked_for_and_an_unknown_one(lean: Kind) -> None:
    import brotli

    async def scenario(coding: bytes, packed: bytes, body: bytes) -> None:
        head = OK + b"content-encoding: %b\r\ncontent-length: %d\r\n\r\n" % (coding, len(packed))
        async with listening(lambda upstream: sends(upstream, head + packed)) as upstream:
            transport = to(lean, upstream)
            assert await asked(transport) == (200, body)
            asks = upstream.asked[0].lower()
            assert b"accept-encoding: gzip, deflate\r\n" in asks
            await transport.aclose()

    run(lean, scenario(b"br", brotli.compress(b"hello"), b"hello"))
    run(lean, scenario(b"deflate, gzip", gzip.compress(zlib.compress(b"hello")), b"hello"))
    run(lean, scenario(b"none", b"hello", b"hello"))


def test_an_empty_body_may_name_a_coding(kind: Kind) -> None:
    assert replying(kind, b"HTTP/1.1 204 No Content\r\ncontent-encoding: gzip\r\n\r\n") == (204, b"")


def test_headers_are_found_by_their_name_in_lower_case(kind: Kind) -> None:
    async def scenario() -> None:
        data = OK + b"Content-Type: text/plain\r\nX-Odd: \xe9\r\ncontent-length: 0\r\n\r\n"
        async with listening(lambda upstream: sends(upstream, data)) as upstream:
            transport = to(kind, upstream)
            reply = await transport.send(post())
            assert reply.headers.get("content-type") == "text/plain"
            assert not reply.headers["x-odd"].isascii()
            assert await read(reply) == b""
            await reply.aclose()
            await transport.aclose()

    run(kind, scenario())
