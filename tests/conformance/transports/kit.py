"""Transports, and upstreams made of bare sockets that send to each connection what a test wants."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

import uvloop

from cloudflare.host import fetch_transport, shared_host
from penstock.limits import Limits
from penstock.ports import (
    Connect,
    Destination,
    DirectSource,
    HttpReply,
    HttpRequest,
    Outlet,
    Transport,
    TransportError,
)
from penstock_adapters.aiohttp import AiohttpClient
from penstock_adapters.http_client import HttpTransport

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\n"
"""The first line of a reply's head."""
PATIENCE_S = 20.0
"""A test that takes longer hangs."""


class Kind(NamedTuple):
    connect: Connect
    new_loop: Callable[[], asyncio.AbstractEventLoop]


def _fetch(to: Destination, limits: Limits) -> Transport:
    """In Pyodide, in the host that the fixtures start."""
    return fetch_transport(shared_host())(to, limits)


FETCH = "fetch"
KINDS = {
    FETCH: Kind(_fetch, asyncio.new_event_loop),
    "lean": Kind(HttpTransport, asyncio.new_event_loop),
    "lean on uvloop": Kind(HttpTransport, uvloop.new_event_loop),
    "aiohttp": Kind(lambda to, limits: AiohttpClient(limits).transport(to, limits), asyncio.new_event_loop),
}
OWN = [name for name in KINDS if name != FETCH]
"""The transports that connect by themselves. With `fetch`, the host does that, and decides how."""


class Upstream:
    """A listening socket. `asked` has the bytes of each request, `connections` counts those that came."""

    def __init__(self) -> None:
        self.connections = 0
        self.asked: list[bytes] = []
        self.base = ""
        self.writers: list[asyncio.StreamWriter] = []

    @property
    def url(self) -> str:
        return f"{self.base}/v1"

    async def request(self, reader: asyncio.StreamReader) -> bytes:
        """The next request as it comes, body included."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")), b"0"
        )
        asked = head + await reader.readexactly(int(length))
        self.asked.append(asked)
        return asked


class LongBody:
    """An upstream's body of 64 MiB, of which it writes what fits into the buffers on the way. `written` is in bytes."""

    SIZE = 64 * 2**20

    def __init__(self) -> None:
        self.written = 0

    def sent_by(self, upstream: Upstream) -> Handler:
        piece = bytes(64 * 2**10)

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await upstream.request(reader)
            writer.write(OK + b"content-length: %d\r\n\r\n" % self.SIZE)
            while self.written < self.SIZE:
                writer.write(piece)
                await writer.drain()
                self.written += len(piece)
            await reader.read(1)

        return handle

    async def is_held(self) -> bool:
        """Whether it waits for its reader, once nothing more of it is written."""
        before = -1
        while before != self.written:
            before = self.written
            await asyncio.sleep(0.2)
        return self.written < self.SIZE / 2


def sends(upstream: Upstream, *pieces: bytes, closes: bool = False) -> Handler:
    """To each request these pieces, each a write of its own; then the connection stays, or is closed."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await upstream.request(reader)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            if closes:
                return

    return handler


@asynccontextmanager
async def listening(
    handler: Callable[[Upstream], Handler],
    *,
    tls: ssl.SSLContext | None = None,
    path: str = "",
    host: str = "127.0.0.1",
) -> AsyncIterator[Upstream]:
    upstream = Upstream()
    tasks: set[asyncio.Task[None]] = set()
    answer = handler(upstream)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream.connections += 1
        upstream.writers.append(writer)
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await answer(reader, writer)
        writer.close()
        with suppress(OSError, asyncio.CancelledError):
            await writer.wait_closed()
        tasks.discard(task)

    if path:
        server = await asyncio.start_unix_server(serve, path)
        upstream.base = "http+unix://" + path.replace("/", "%2F")
    else:
        server = await asyncio.start_server(serve, host, 0, ssl=tls)
        upstream.base = f"{'https' if tls else 'http'}://{host}:{server.sockets[0].getsockname()[1]}"
    try:
        yield upstream
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def post(body: bytes = b"{}", path: str = "/chat/completions", **headers: str) -> HttpRequest:
    return HttpRequest(method="POST", path=path, headers=[("accept", "*/*"), *headers.items()], body=body)


async def read(reply: HttpReply) -> bytes:
    return b"".join([chunk async for chunk in reply])


async def read_with_outlet(reply: HttpReply, is_ready: Callable[[], bool] = lambda: True) -> tuple[bytes, bytes]:
    """The body, and of it what the outlet took while the reader waited."""
    pieces: list[bytes] = []
    sent: list[bytes] = []
    take = pieces.append

    def send(piece: bytes) -> None:
        take(piece)
        sent.append(piece)

    assert isinstance(reply, DirectSource)
    reply.send_to(Outlet(is_ready, send))
    async for chunk in reply:
        take(chunk)
    return b"".join(pieces), b"".join(sent)


async def asked(transport: Transport, request: HttpRequest | None = None) -> tuple[int, bytes]:
    """Status and body, the reply closed."""
    reply = await transport.send(request or post())
    try:
        return reply.status, await read(reply)
    finally:
        await reply.aclose()


async def fault_of(transport: Transport) -> TransportError:
    """What a request raises, at its head or within its body."""
    try:
        _, body = await asked(transport)
    except TransportError as error:
        return error
    raise AssertionError(f"it was answered: {body!r}")


def run(kind: Kind, scenario: Coroutine[Any, Any, None]) -> None:
    """The scenario in a loop of its own, in bounded time."""
    with asyncio.Runner(loop_factory=kind.new_loop) as runner:
        runner.run(asyncio.wait_for(scenario, PATIENCE_S))


def chunked(pieces: Iterable[bytes]) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
