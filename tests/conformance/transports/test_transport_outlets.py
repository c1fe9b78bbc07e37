"""Outlets: what of a reply is sent on while its reader waits, and that the reader gets all the rest, in order."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from itertools import cycle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.transports.kit import (
    KINDS,
    OK,
    Handler,
    Kind,
    LongBody,
    Upstream,
    chunked,
    listening,
    post,
    read_with_outlet,
    run,
    sends,
)
from conformance.transports.test_transport_replies import FRAMINGS, to
from penstock.limits import Limits
from penstock.ports import DirectSource, HttpReply, Outlet, TransportError
from penstock_adapters import fault_texts
from requirements import shows
from support.waiting import until_in_loop

LEAN = [name for name in KINDS if name.startswith("lean")]
STREAM = OK + b"transfer-encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Played:
    """An upstream that sends a piece whenever the test puts one. An empty piece ends the connection."""

    def __init__(self) -> None:
        self.pieces: asyncio.Queue[bytes] = asyncio.Queue()

    def handler(self, upstream: Upstream) -> Handler:
        async def handle(reader: Any, writer: Any) -> None:
            await upstream.request(reader)
            while piece := await self.pieces.get():
                writer.write(piece)

        return handle


def played(kind: Kind, scenario: Callable[[Played, HttpReply], Coroutine[Any, Any, None]], **limits: Any) -> None:
    """The scenario with a reply whose first chunk has arrived and was read."""

    async def main() -> None:
        upstream = Played()
        async with listening(upstream.handler) as listener:
            transport = to(kind, listener, Limits(connect_s=5, **limits))
            upstream.pieces.put_nowait(STREAM + chunk(b"first,"))
            reply = await transport.send(post())
            assert await anext(aiter(reply)) == b"first,"
            await scenario(upstream, reply)
            await reply.aclose()
            await transport.aclose()

    run(kind, main())


def outlet(reply: HttpReply, send: Callable[[bytes], None], is_ready: Callable[[], bool] = lambda: True) -> None:
    assert isinstance(reply, DirectSource)
    reply.send_to(Outlet(is_ready, send))


PLAIN = [name for name in FRAMINGS if name not in ("gzip", "deflate")]


@pytest.mark.parametrize("name", PLAIN)
def test_every_split(lean: Kind, name: str) -> None:
    data, _, body, closes = FRAMINGS[name]

    async def scenario() -> None:
        for at in range(1, len(data)):
            pieces = (data[:at], data[at:])
            async with listening(lambda upstream, pieces=pieces: sends(upstream, *pieces, closes=closes)) as upstream:
                transport = to(lean, upstream)
                reply = await transport.send(post())
                assert (await read_with_outlet(reply))[0] == body, at
                await transport.aclose()

    run(lean, scenario())


@settings(max_examples=40, deadline=None)
@given(
    body=st.lists(st.binary(min_size=1, max_size=2_000), max_size=6),
    cuts=st.lists(st.integers(0, 5_000), max_size=6),
    ready=st.lists(st.booleans(), min_size=1, max_size=5),
)
@pytest.mark.parametrize("name", LEAN)
def test_any_chunks_in_any_pieces_whenever_the_outlet_is_ready(
    name: str, body: list[bytes], cuts: list[int], ready: list[bool]
) -> None:
    data = STREAM + chunked(body)
    ends = sorted({cut for cut in cuts if 0 < cut < len(data)})
    pieces = [data[begin:end] for begin, end in zip([0, *ends], [*ends, len(data)], strict=True)]

    async def scenario() -> None:
        async with listening(lambda upstream: sends(upstream, *pieces)) as upstream:
            transport = to(KINDS[name], upstream)
            reply = await transport.send(post())
            assert (await read_with_outlet(reply, cycle(ready).__next__))[0] == b"".join(body)
            await transport.aclose()

    run(KINDS[name], scenario())


def test_the_outlet_gets_what_comes_and_the_reader_sleeps_on(lean: Kind) -> None:
    async def scenario(upstream: Played, reply: HttpReply) -> None:
        reading = asyncio.ensure_future(read_with_outlet(reply))
        await asyncio.sleep(0)
        for number in range(20):
            upstream.pieces.put_nowait(chunk(b"%d," % number))
            await asyncio.sleep(0.002)
        assert not reading.done()
        upstream.pieces.put_nowait(b"0\r\n\r\n")
        body, sent = await reading
        assert body == sent == b"".join(b"%d," % number for number in range(20))

    played(lean, scenario)


def test_a_cut_is_the_readers(lean: Kind) -> None:
    async def scenario(upstream: Played, reply: HttpReply) -> None:
        sent: list[bytes] = []
        outlet(reply, sent.append)
        reading = asyncio.ensure_future(anext(aiter(reply)))
        await asyncio.sleep(0)
        upstream.pieces.put_nowait(chunk(b"hello"))
        await until_in_loop(lambda: sent)
        upstream.pieces.put_nowait(b"")
        with pytest.raises(TransportError, match=fault_texts.CLOSED):
            await reading
        assert sent == [b"hello"]

    played(lean, scenario)


@pytest.mark.parametrize("is_cancelled", [False, True], ids=["waiting", "cancelled"])
def test_what_the_outlet_raises_the_reader_raises(lean: Kind, is_cancelled: bool) -> None:
    """Once, and also where its wait is cancelled before it goes on."""

    async def scenario(upstream: Played, reply: HttpReply) -> None:
        seen: list[bytes] = []

        def send(piece: bytes) -> None:
            seen.append(piece)
            if is_cancelled:
                asyncio.get_running_loop().call_soon(reading.cancel)
            raise ZeroDivisionError

        outlet(reply, send)
        reading = asyncio.ensure_future(anext(aiter(reply)))
        await asyncio.sleep(0)
        upstream.pieces.put_nowait(chunk(b"hello"))
        if is_cancelled:
            with pytest.raises(asyncio.CancelledError):
                await reading
            assert seen == [b"hello"]
            reading = asyncio.ensure_future(anext(aiter(reply)))
        with pytest.raises(ZeroDivisionError):
            await reading
        upstream.pieces.put_nowait(chunk(b"more") + b"0\r\n\r\n")
        assert await anext(aiter(reply)) == b"more"

    played(lean, scenario)


def test_a_reader_that_does_not_wait_gets_what_comes(lean: Kind) -> None:
    """Its wait was cancelled, or it has not begun: the outlet must not go before it."""

    async def scenario(upstream: Played, reply: HttpReply) -> None:
        sent: list[bytes] = []
        outlet(reply, sent.append)
        waiting = asyncio.ensure_future(anext(aiter(reply)))
        await asyncio.sleep(0)
        waiting.cancel()
        upstream.pieces.put_nowait(chunk(b"hello"))
        await asyncio.sleep(0.02)
        assert not sent
        assert await anext(aiter(reply)) == b"hello"

    played(lean, scenario)


def test_an_outlet_that_is_not_ready_stops_the_upstream(lean: Kind) -> None:
    body = LongBody()

    async def scenario() -> None:
        async with listening(body.sent_by) as upstream:
            transport = to(lean, upstream)
            reply = await transport.send(post())
            sent: list[bytes] = []
            outlet(reply, sent.append, lambda: len(sent) < 10)
            chunks = aiter(reply)
            while len(sent) < 10:
                last = await anext(chunks)
            assert await body.is_held()
            assert len(last) > 0
            await reply.aclose()
            await transport.aclose()

    run(lean, scenario())


WHO: ContextVar[str] = ContextVar("who", default="no reader")


def test_the_outlet_is_called_in_the_context_of_its_reader(lean: Kind) -> None:
    """So that a line of the log has the id of its own request, and not that of the one that made the connection."""

    async def scenario(upstream: Played, reply: HttpReply) -> None:
        found: list[str] = []

        async def reader() -> None:
            WHO.set("the reader")
            outlet(reply, lambda _: found.append(WHO.get()))
            async for _ in reply:
                """All is for the outlet."""

        reading = asyncio.ensure_future(reader())
        await asyncio.sleep(0)
        upstream.pieces.put_nowait(chunk(b"hello"))
        await until_in_loop(lambda: found)
        upstream.pieces.put_nowait(b"0\r\n\r\n")
        await reading
        assert found == ["the reader"]

    played(lean, scenario)


class Holder:
    """What has a reply whose outlet leads back to it."""

    def __init__(self, reply: HttpReply) -> None:
        self._reply = reply
        outlet(reply, self.send)

    def send(self, piece: bytes) -> None:
        """Take nothing."""


@shows("freed-at-once")
@pytest.mark.parametrize("ends", [True, False], ids=["whole", "given up"])
def test_a_reply_with_an_outlet_is_no_cycle(lean: Kind, ends: bool) -> None:
    async def scenario(upstream: Played, reply: HttpReply) -> None:
        holder = Holder(reply)
        reading = asyncio.ensure_future(anext(aiter(reply), None))
        await asyncio.sleep(0)
        if ends:
            upstream.pieces.put_nowait(b"0\r\n\r\n")
            await reading
        else:
            reading.cancel()
            await asyncio.wait([reading])
            await reply.aclose()
        outlet(reply, holder.send)  # the reply has ended, and stores none
        gone = weakref.ref(holder)
        del holder
        assert gone() is None

    played(lean, scenario)
