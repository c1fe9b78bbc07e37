"""Connections: which are used again, how many there are, who waits for one, and what a cancelled wait loses."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from pathlib import Path
from typing import Any

import pytest

from conformance.transports.kit import (
    OK,
    Kind,
    LongBody,
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
from penstock.ports import Destination, HttpReply, HttpRequest, NoFreeConnection, Tls, Transport, TransportError
from penstock_adapters import fault_texts
from requirements import shows
from support.certificates import Authority

HELLO = OK + b"content-length: 5\r\n\r\nhello"
STREAM = OK + b"transfer-encoding: chunked\r\n\r\n"


def to(kind: Kind, upstream: Upstream, tls: Tls = Tls(), **limits: Any) -> Transport:  # noqa: B008 - a value
    return kind.connect(Destination(name="up", url=upstream.url, tls=tls), Limits(connect_s=5, **limits))


# Use and reuse.


def test_a_connection_is_used_again(kind: Kind) -> None:
    async def scenario() -> None:
        async with listening(lambda upstream: sends(upstream, HELLO)) as upstream:
            transport = to(kind, upstream)
            for _ in range(5):
                assert await asked(transport) == (200, b"hello")
            assert upstream.connections == 1
            await transport.aclose()

    run(kind, scenario())


ONCE = {
    "connection: close": OK + b"connection: close\r\ncontent-length: 5\r\n\r\nhello",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello",
}
SURPLUS = {
    "surplus bytes": HELLO + b"x",
    "a surplus reply": HELLO + HELLO,
    "a surplus line": HELLO + b"\r\nx",
}


async def asked_apart(kind: Kind, data: bytes) -> None:
    """Three requests to an upstream that sends this to each take a connection each."""
    async with listening(lambda upstream: sends(upstream, data)) as upstream:
        transport = to(kind, upstream)
        for _ in range(3):
            assert await asked(transport) == (200, b"hello")
        assert upstream.connections == 3
        await transport.aclose()


@pytest.mark.parametrize("name", ONCE)
def test_a_connection_that_is_not_used_again(kind: Kind, name: str) -> None:
    run(kind, asked_apart(kind, ONCE[name]))


@shows("upstream-framing")
@pytest.mark.parametrize("name", SURPLUS)
def test_what_follows_a_reply_is_no_reply_to_the_next_request(lean: Kind, name: str) -> None:
    run(lean, asked_apart(lean, SURPLUS[name]))


@shows("upstream-framing")
def test_a_reply_without_a_request_ends_its_connection(lean: Kind) -> None:
    async def scenario() -> None:
        async with listening(lambda upstream: sends(upstream, HELLO)) as upstream:
            transport = to(lean, upstream)
            assert await asked(transport) == (200, b"hello")
            upstream.writers[0].write(OK + b"content-length: 6\r\n\r\npoison")
            await asyncio.sleep(0.1)
            assert await asked(transport) == (200, b"hello")
            assert upstream.connections == 2
            await transport.aclose()

    run(lean, scenario())


def test_an_unused_connection_is_closed_after_a_while(lean: Kind) -> None:
    async def scenario() -> None:
        closed = asyncio.Event()

        def watching(upstream: Upstream) -> Any:
            async def handle(reader: Any, writer: Any) -> None:
                try:
                    await sends(upstream, HELLO)(reader, writer)
                finally:
                    closed.set()

            return handle

        async with listening(watching) as upstream:
            transport = to(lean, upstream, upstream_keep_alive_s=0.05)
            assert await asked(transport) == (200, b"hello")
            await closed.wait()
            assert await asked(transport) == (200, b"hello")
            assert upstream.connections == 2
            await transport.aclose()

    run(lean, scenario())


def test_no_more_are_open_than_the_limit_allows(lean: Kind) -> None:
    async def scenario() -> None:
        async with listening(lambda upstream: sends(upstream, HELLO)) as upstream:
            transport = to(lean, upstream, upstream_idle_connections_max=2)
            for _ in range(2):
                await asyncio.gather(*[asked(transport) for _ in range(5)])
            assert upstream.connections == 5 + 3
            await transport.aclose()

    run(lean, scenario())


# Idle connections that the upstream has closed.


def closing_after(first: int, how: str) -> Any:
    """The first connections answer once, and end when the next request comes; later ones answer each."""

    def make(upstream: Upstream) -> Any:
        async def handle(reader: Any, writer: Any) -> None:
            is_early = upstream.connections <= first
            await upstream.request(reader)
            writer.write(HELLO)
            if not is_early:
                await sends(upstream, HELLO)(reader, writer)
            await upstream.request(reader)
            if how == "late":
                await asyncio.sleep(1.2)
            if how == "a byte":
                writer.write(b"H")
                await writer.drain()
            if how == "reset":
                raw = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()

        return handle

    return make


@shows("stale-connections")
@pytest.mark.parametrize("how", ["close", "reset"])
def test_an_idle_connection_that_ends_costs_no_request(lean: Kind, how: str) -> None:
    async def scenario() -> None:
        async with listening(closing_after(1, how)) as upstream:
            transport = to(lean, upstream)
            for _ in range(3):
                assert await asked(transport) == (200, b"hello")
            assert upstream.connections == 2
            assert len(upstream.asked) == 4
            await transport.aclose()

    run(lean, scenario())


@shows("stale-connections")
@pytest.mark.parametrize("how", ["a byte", "late"])
def test_a_request_that_may_have_been_acted_on_is_not_sent_again(lean: Kind, how: str) -> None:
    """A byte of the reply, or the time that passed, shows that it was read."""

    async def scenario() -> None:
        async with listening(closing_after(1, how)) as upstream:
            transport = to(lean, upstream)
            assert await asked(transport) == (200, b"hello")
            assert str(await fault_of(transport)) == fault_texts.CLOSED
            assert len(upstream.asked) == 2
            await transport.aclose()

    run(lean, scenario())


@shows("stale-connections")
def test_a_new_connection_that_ends_is_no_stale_one(kind: Kind) -> None:
    async def scenario() -> None:
        async with listening(lambda upstream: sends(upstream, closes=True)) as upstream:
            transport = to(kind, upstream)
            assert str(await fault_of(transport)) == fault_texts.CLOSED
            assert len(upstream.asked) == 1
            await transport.aclose()

    run(kind, scenario())


@shows("stale-connections")
def test_it_is_sent_again_once(lean: Kind) -> None:
    """Two idle ones, both stale: the request goes to a new one at once."""

    async def scenario() -> None:
        async with listening(closing_after(2, "close")) as upstream:
            transport = to(lean, upstream)
            await asyncio.gather(asked(transport), asked(transport))
            assert upstream.connections == 2
            assert await asked(transport) == (200, b"hello")
            assert upstream.connections == 3
            await transport.aclose()

    run(lean, scenario())


# The limit of connections.


def holding(released: asyncio.Event) -> Any:
    def make(upstream: Upstream) -> Any:
        async def handle(reader: Any, writer: Any) -> None:
            while True:
                await upstream.request(reader)
                await released.wait()
                writer.write(HELLO)

        return handle

    return make


@shows("upstream-saturation")
def test_who_finds_no_free_connection_is_reported_so_in_time(own: Kind, caplog: pytest.LogCaptureFixture) -> None:
    """One line reports it, however many are refused, and one when it is over."""
    caplog.set_level(logging.INFO, "penstock.upstream")

    async def scenario() -> None:
        released = asyncio.Event()
        async with listening(holding(released)) as upstream:
            transport = to(own, upstream, upstream_connections_max=2, upstream_connection_wait_s=0.1)
            running = [asyncio.ensure_future(asked(transport)) for _ in range(2)]
            for _ in range(2):
                refused = await asyncio.gather(*[asked(transport) for _ in range(3)], return_exceptions=True)
                assert all(isinstance(each, NoFreeConnection) for each in refused), refused
            assert upstream.connections == 2
            released.set()
            assert await asyncio.gather(*running) == [(200, b"hello")] * 2
            for _ in range(3):
                assert await asked(transport) == (200, b"hello")
            assert upstream.connections == 2
            await transport.aclose()

    run(own, scenario())
    [full, free] = [record.getMessage() for record in caplog.records]
    assert full.startswith("upstream up: all 2 connections (limits.upstream_connections_max) are in use")
    assert free == "upstream up has free connections again"


@shows("upstream-saturation")
def test_who_waits_is_served_in_order(kind: Kind) -> None:
    async def scenario() -> None:
        async with listening(lambda upstream: sends(upstream, HELLO)) as upstream:
            transport = to(kind, upstream, upstream_connections_max=1, upstream_connection_wait_s=10)
            done: list[int] = []

            async def one(number: int) -> None:
                await asked(transport)
                done.append(number)

            await asyncio.gather(*map(one, range(10)))
            assert done == [*range(10)]
            assert upstream.connections == 1
            await transport.aclose()

    run(kind, scenario())


def ending(end: str) -> Any:
    """An upstream that answers, but for a request that contains `odd`."""

    def make(upstream: Upstream) -> Any:
        async def handle(reader: Any, writer: Any) -> None:
            if b"odd" not in await upstream.request(reader):
                writer.write(HELLO)
                return
            writer.write(ODDITIES[end])
            if end in ("cancelled", "closed early"):
                await asyncio.sleep(10)

        return handle

    return make


ODDITIES = {
    "cancelled": b"",
    "closed early": STREAM + b"5\r\nhello\r\n",
    "cut": STREAM + b"5\r\nhe",
    "no reply": b"",
}


@shows("upstream-saturation")
@pytest.mark.parametrize("end", ODDITIES)
def test_whatever_ends_a_request_its_connection_is_free(kind: Kind, end: str) -> None:
    async def scenario() -> None:
        async with listening(ending(end)) as upstream:
            transport = to(kind, upstream, upstream_connections_max=1, upstream_connection_wait_s=5)
            for _ in range(3):
                await ended_oddly(transport, end)
            assert await asked(transport) == (200, b"hello")
            await transport.aclose()

    run(kind, scenario())


@shows("upstream-saturation")
def test_a_connection_that_cannot_be_had_is_not_counted(kind: Kind) -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        nowhere = Destination(name="up", url=f"http://127.0.0.1:{port}/v1")
        transport = kind.connect(nowhere, Limits(upstream_connections_max=1, upstream_connection_wait_s=0.1))
        for _ in range(3):
            assert str(await fault_of(transport)) == "connection refused"
        await transport.aclose()

    run(kind, scenario())


async def ended_oddly(transport: Transport, end: str) -> None:
    if end == "cancelled":
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(transport.send(post(b"odd")), 0.05)
        return
    try:
        reply = await transport.send(post(b"odd"))
        if end == "closed early":
            assert await anext(aiter(reply)) == b"hello"
        else:
            await read(reply)
        await reply.aclose()
        assert end == "closed early"
    except TransportError as fault:
        assert str(fault) == fault_texts.CLOSED
        if end == "cut":
            await reply.aclose()


# Cancellation and back-pressure.


def slowly(pieces: list[bytes]) -> Any:
    def make(upstream: Upstream) -> Any:
        async def handle(reader: Any, writer: Any) -> None:
            await upstream.request(reader)
            writer.write(STREAM)
            for piece in pieces:
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                await asyncio.sleep(0.003)
            writer.write(b"0\r\n\r\n")

        return handle

    return make


async def impatient(reply: HttpReply) -> bytes | None:
    """The next chunk, nothing at the end; empty where it was not there at once, and the read was cancelled."""
    reading = asyncio.ensure_future(anext(aiter(reply), None))
    await asyncio.wait([reading], timeout=0.001)
    if not reading.done():
        reading.cancel()
        await asyncio.wait([reading])
    return b"" if reading.cancelled() else reading.result()


def test_a_cancelled_read_loses_nothing(kind: Kind) -> None:
    pieces = [b"%d," % number for number in range(40)]

    async def scenario() -> None:
        async with listening(slowly(pieces)) as upstream:
            transport = to(kind, upstream)
            reply = await transport.send(post())
            chunks: list[bytes] = []
            while (chunk := await impatient(reply)) is not None:
                chunks.append(chunk)
            assert b"".join(chunks) == b"".join(pieces)
            assert chunks.count(b"") > 10
            await reply.aclose()
            await transport.aclose()

    run(kind, scenario())


def test_a_request_may_be_cancelled_at_each_of_its_waits(kind: Kind) -> None:
    """After so many turns of the loop; no later request has a part of its reply."""

    async def scenario() -> None:
        async with listening(lambda upstream: sends(upstream, HELLO[:20], HELLO[20:])) as upstream:
            transport = to(kind, upstream, upstream_connections_max=3)
            for turns in range(30):
                request = asyncio.ensure_future(asked(transport))
                others = [asyncio.ensure_future(asked(transport)) for _ in range(2)]
                for _ in range(turns):
                    await asyncio.sleep(0)
                request.cancel()
                assert await asyncio.gather(*others) == [(200, b"hello")] * 2
                await asyncio.wait([request])
                assert await asked(transport) == (200, b"hello")
            await transport.aclose()

    run(kind, scenario())


def test_an_upstream_waits_for_a_slow_reader(kind: Kind) -> None:
    """What it could write is bounded by the buffers on the way, however much it has to send."""
    body = LongBody()

    async def scenario() -> None:
        async with listening(body.sent_by) as upstream:
            transport = to(kind, upstream)
            reply = await transport.send(post())
            first = await anext(aiter(reply))
            assert await body.is_held()
            assert len(first) + len(await read(reply)) == body.SIZE
            await reply.aclose()
            await transport.aclose()

    run(kind, scenario())


def test_after_its_end_a_reply_is_over(lean: Kind) -> None:
    async def scenario() -> None:
        async with listening(lambda upstream: sends(upstream, STREAM + b"5\r\nhello\r\n")) as upstream:
            transport = to(lean, upstream)
            reply = await transport.send(post())
            chunks = aiter(reply)
            assert await anext(chunks) == b"hello"
            waiting = asyncio.ensure_future(anext(chunks))
            await asyncio.sleep(0)
            await reply.aclose()
            with pytest.raises(TransportError, match="given up"):
                await waiting
            await transport.aclose()

    run(lean, scenario())


# What is sent.


def test_a_request_is_written_as_it_is_meant(lean: Kind) -> None:
    async def scenario() -> None:
        async with listening(lambda upstream: sends(upstream, HELLO)) as upstream:
            transport = to(lean, upstream)
            large = bytes(200_000)
            await asked(transport, post(b"{}", "/a b/%2f?q=\u00fc#x", authorization="Bearer k", **{"x-%s": "100%d"}))
            await asked(transport, post(large))
            get = HttpRequest(
                method="GET",
                path="/tokenize",
                beside_v1=True,
                headers=[("Host", "other"), ("accept-encoding", "identity")],
            )
            await asked(transport, get)
            host = upstream.base.removeprefix("http://").encode()
            assert upstream.asked[0] == (
                b"POST /v1/a%20b/%2f?q=%C3%BC%23x HTTP/1.1\r\nhost: " + host + b"\r\naccept-encoding: gzip, deflate\r\n"
                b"accept: */*\r\nauthorization: Bearer k\r\nx-%s: 100%d\r\ncontent-length: 2\r\n\r\n{}"
            )
            assert upstream.asked[1].endswith(b"content-length: 200000\r\n\r\n" + large)
            assert upstream.asked[2] == b"GET /tokenize HTTP/1.1\r\nHost: other\r\naccept-encoding: identity\r\n\r\n"
            await transport.aclose()

    run(lean, scenario())


SMUGGLED = [
    ("x", "a\r\nx-admin: yes"),
    ("x", "a\nb: c"),
    ("x", "a\rb"),
    ("x", "a\0b"),
    ("x\r\ny", "a"),
    ("x: y", "a"),
    ("", "a"),
    ("transfer-encoding", "chunked"),
    ("content-length", "0"),
]


@shows("no-smuggling")
@pytest.mark.parametrize(("name", "value"), SMUGGLED)
def test_no_header_is_taken_for_two_or_changes_where_the_body_ends(lean: Kind, name: str, value: str) -> None:
    async def scenario() -> None:
        async with listening(lambda upstream: sends(upstream, HELLO)) as upstream:
            transport = to(lean, upstream)
            with pytest.raises(ValueError, match="header"):
                await transport.send(HttpRequest(method="POST", path="/x", headers=[(name, value)], body=b"{}"))
            assert await asked(transport) == (200, b"hello")
            assert len(upstream.asked) == 1
            await transport.aclose()

    run(lean, scenario())


@shows("no-smuggling")
def test_no_path_is_taken_for_a_header(lean: Kind) -> None:
    async def scenario() -> None:
        async with listening(lambda upstream: sends(upstream, HELLO)) as upstream:
            transport = to(lean, upstream)
            await asked(transport, post(b"", "/x HTTP/1.1\r\nx-admin: yes\r\n\r\n"))
            assert upstream.asked[0].startswith(b"POST /v1/x%20HTTP/1.1%0D%0Ax-admin:%20yes%0D%0A%0D%0A HTTP/1.1\r\n")
            await transport.aclose()

    run(lean, scenario())


# Ways to connect.


def test_tls_by_an_authority_of_ones_own(own: Kind, tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ours")
    trusted = Tls(ca_file=str(authority.ca_file))

    async def scenario() -> None:
        large = bytes(300_000)
        data = OK + b"content-length: 300000\r\n\r\n" + large
        async with listening(lambda upstream: sends(upstream, data), tls=authority.server()) as upstream:
            transport = to(own, upstream, trusted)
            for _ in range(3):
                assert await asked(transport, post(large)) == (200, large)
            assert upstream.connections == 1
            await transport.aclose()
            unrelated = to(own, upstream)
            fault = await fault_of(unrelated)
            assert str(fault).startswith("its certificate is not trusted (")
            assert not fault.was_connected
            await unrelated.aclose()

    run(own, scenario())


def test_a_port_that_does_not_serve_tls(kind: Kind) -> None:
    async def scenario() -> None:
        def refusing(upstream: Upstream) -> Any:
            async def handle(reader: Any, writer: Any) -> None:
                await reader.read(100)
                writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

            return handle

        async with listening(refusing) as upstream:
            upstream.base = upstream.base.replace("http:", "https:")
            transport = to(kind, upstream)
            assert str(await fault_of(transport)) == "it does not use TLS; is its URL http:// and not https://?"
            await transport.aclose()

    run(kind, scenario())


def test_a_unix_socket(lean: Kind, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with listening(lambda upstream: sends(upstream, HELLO), path=str(tmp_path / "up.sock")) as upstream:
            transport = to(lean, upstream)
            for _ in range(2):
                assert await asked(transport) == (200, b"hello")
            assert upstream.asked[0].startswith(b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n")
            assert upstream.connections == 1
            await transport.aclose()
        (tmp_path / "up.sock").unlink(missing_ok=True)  # Python removes it from 3.13 on
        missing = to(lean, upstream)
        assert str(await fault_of(missing)) == "no such file or directory"

    run(lean, scenario())


def test_a_name_with_several_addresses(lean: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that refuses and one that never answers are passed by."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as closed:
            refusing = closed.getsockname()[1]
        async with listening(lambda upstream: sends(upstream, HELLO)) as upstream:
            port = int(upstream.base.rpartition(":")[2])
            addresses = [("192.0.2.1", 9), ("127.0.0.1", refusing), ("127.0.0.1", port)]
            lookups = []
            resolve = loop.getaddrinfo

            async def getaddrinfo(host: str, *arguments: Any, **named: Any) -> list[Any]:
                if host != "several.example":
                    return await resolve(host, *arguments, **named)
                lookups.append(host)
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]

            monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
            transport = lean.connect(Destination(name="up", url="http://several.example/v1"), Limits())
            assert await asyncio.gather(*[asked(transport) for _ in range(3)]) == [(200, b"hello")] * 3
            assert lookups == ["several.example"]
            await transport.aclose()

    run(lean, scenario())


def test_another_event_loop_begins_anew(own: Kind) -> None:
    """As an app that is started and ended again and again; also where the first was not closed."""
    transport: list[Transport] = []

    async def scenario() -> None:
        async with listening(lambda upstream: sends(upstream, HELLO)) as upstream:
            upstream.base = f"http://127.0.0.1:{port}"
            server = await asyncio.start_server(sends(upstream, HELLO), "127.0.0.1", port)
            if not transport:
                transport.append(to(own, upstream, upstream_connections_max=1))
            for _ in range(2):
                assert await asked(transport[0]) == (200, b"hello")
            await transport[0].aclose()
            server.close()

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for _ in range(3):
        run(own, scenario())


def test_closing_ends_what_is_under_way(lean: Kind) -> None:
    async def scenario() -> None:
        async with listening(lambda upstream: sends(upstream, STREAM + chunked([b"hello"])[:10])) as upstream:
            transport = to(lean, upstream)
            reply = await transport.send(post())
            assert await anext(aiter(reply)) == b"hello"
            waiting = asyncio.ensure_future(anext(aiter(reply)))
            await asyncio.sleep(0)
            await transport.aclose()
            with pytest.raises(TransportError):
                await waiting
            await reply.aclose()

    run(lean, scenario())
