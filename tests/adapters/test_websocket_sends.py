"""WebSocket without a connection: all messages of a batch are one write, and the frames are those of the protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from uvicorn.protocols.utils import ClientDisconnected
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from penstock_adapters.asgi import SEND_ALL
from penstock_adapters.cli.websocket import framed
from requirements import shows
from support.websocket import connected

TEXTS = [b"x" * size for size in (0, 1, 125, 126, 65_535, 65_536)] + ["ü".encode()]


def frames(data: bytes) -> Iterator[tuple[Opcode, bytes, bool]]:
    """The frames of a server, as the package reads them."""
    reader = StreamReader()
    reader.feed_data(data)
    while reader.buffer:
        try:
            next(Frame.parse(reader.read_exact, mask=False))
        except StopIteration as end:
            yield end.value.opcode, bytes(end.value.data), end.value.fin


@shows("ws-one-write")
def test_messages_of_any_size_are_frames_of_their_own() -> None:
    assert [*frames(framed(TEXTS))] == [(Opcode.TEXT, text, True) for text in TEXTS]


@shows("ws-one-write")
def test_a_batch_is_one_write_that_waits_for_a_slow_client() -> None:
    sent: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert SEND_ALL in scope["extensions"]
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": SEND_ALL, "texts": TEXTS})
        sent.append("first")
        await receive()
        await send({"type": SEND_ALL, "texts": TEXTS[:1]})
        sent.append("second")
        await receive()
        with pytest.raises(ClientDisconnected):
            await send({"type": SEND_ALL, "texts": TEXTS[:1]})
        sent.append("none")

    async def main() -> None:
        protocol, transport = connected(app)
        await asyncio.sleep(0.01)
        _, batch = transport.writes
        assert [text for _, text, _ in frames(batch)] == TEXTS
        protocol.pause_writing()
        protocol.data_received(b"\x81\x80mask")
        await asyncio.sleep(0.01)
        assert sent == ["first"]
        protocol.resume_writing()
        await asyncio.sleep(0)
        assert len(transport.writes) == 3
        protocol.connection_lost(None)
        await asyncio.sleep(0.01)
        assert sent == ["first", "second", "none"]

    asyncio.run(main())
