"""What reads requests, without a connection: heads and bodies however they are cut, and deadlines."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import ApiError
from penstock.limits import Limits
from penstock_adapters.cli.http1.bodies import ChunkedBody, SizedBody
from penstock_adapters.cli.http1.deadlines import NEVER, Deadlines
from penstock_adapters.cli.http1.parser import HeadParser

HEAD = b"POST /a?b=c HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 300 + b"\r\nX-Empty:\r\n\r\n"
REST = b"POST / HTTP/1.1\r\n\r\n"
PIECES = st.lists(st.binary(min_size=1, max_size=40), max_size=8)


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    """The data in pieces, none of them empty."""
    ends = sorted({0, len(data), *(index % len(data) for index in cuts)})
    return [data[start:end] for start, end in itertools.pairwise(ends)]


def fed(body: SizedBody | ChunkedBody, pieces: list[bytes]) -> tuple[bytes, bytes]:
    """The body, and what is behind it."""
    taken = b""
    for index, piece in enumerate(pieces):
        data, end = body.feed(piece, 0)
        taken += data
        if body.is_done:
            return taken, piece[end:] + b"".join(pieces[index + 1 :])
    raise AssertionError("the body has no end")


@given(PIECES, st.lists(st.integers(0, 1_000)), st.sampled_from([b"", b";a=b", b';a="b\xe4"']))
def test_chunks_cut_anywhere(pieces: list[bytes], cuts: list[int], extension: bytes) -> None:
    chunks = [b"%X%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces]
    data = b"".join(chunks) + b"00" + extension + b"\r\nx: y\r\n\r\n" + REST
    assert fed(ChunkedBody(1_000), cut(data, cuts)) == (b"".join(pieces), REST)


@given(st.binary(min_size=1), st.lists(st.integers(0, 1_000)))
def test_a_length_cut_anywhere(body: bytes, cuts: list[int]) -> None:
    assert fed(SizedBody(len(body)), cut(body + REST, cuts)) == (body, REST)


@given(st.binary(max_size=60))
def test_whatever_comes_as_chunks_is_taken_or_refused(data: bytes) -> None:
    body = ChunkedBody(50)
    try:
        taken, end = body.feed(data, 0)
    except ApiError as error:
        assert error.status in (400, 431)
    else:
        assert end == len(data) or body.is_done
        assert taken in data or len(taken) < len(data)


@given(st.lists(st.integers(0, 1_000)), st.sampled_from([b"", b"\r\n", b"\r\n\r\n"]))
def test_a_head_cut_anywhere(cuts: list[int], before: bytes) -> None:
    parser = HeadParser(Limits())
    rest = b""
    for piece in cut(before + HEAD + REST, cuts):
        start = 0
        while start < len(piece) and not parser.is_whole:
            start = parser.feed(piece, start)
        rest += piece[start:]
    assert (parser.method, parser.version, parser.url) == (b"POST", "1.1", b"/a?b=c")
    assert parser.fields == [(b"host", b"localhost"), (b"x-long", b"x" * 300), (b"x-empty", b"")]
    assert rest == REST


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_a_head_is_read_no_further_than_it_may_be_long(size: int) -> None:
    """In whatever pieces it comes, no more than its bound is ever held."""
    parser = HeadParser(Limits(request_head_bytes_max=2_000))
    data = b"GET / HTTP/1.1\r\nx: " + b"y" * 100_000
    with pytest.raises(ApiError) as caught:
        for start in range(0, len(data), size):
            parser.feed(data[start : start + size], 0)
    assert caught.value.status == 431
    assert start <= 2_000


class Expiring:
    def __init__(self) -> None:
        self.deadline = NEVER
        self.expired = asyncio.Event()

    def expire(self, now: float) -> None:
        assert self.deadline <= now
        self.deadline = NEVER
        self.expired.set()


def test_deadlines_are_noticed_and_nothing_else_is() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        deadlines = Deadlines(0.01)
        soon, never, gone = Expiring(), Expiring(), Expiring()
        for timed in (soon, never, gone):
            deadlines.add(timed, loop)
        soon.deadline = gone.deadline = loop.time() + 0.02
        deadlines.discard(gone)
        await asyncio.wait_for(soon.expired.wait(), 10)
        assert not never.expired.is_set()
        assert not gone.expired.is_set()
        deadlines.discard(soon)
        deadlines.discard(never)
        again = Expiring()
        await asyncio.sleep(0.05)  # the timer has stopped by now
        again.deadline = loop.time()
        deadlines.add(again, loop)
        await asyncio.wait_for(again.expired.wait(), 10)

    asyncio.run(main())
