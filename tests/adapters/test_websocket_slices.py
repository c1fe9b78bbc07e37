"""WebSocket without a connection: a read full of tiny frames does not hold up everybody else."""

from __future__ import annotations

import asyncio
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from penstock_adapters.cli.websocket import WebSocketProtocol
from requirements import shows

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
PING = b"\x89\x80mask"
PONG = b"\x8a\x00"
COUNT = 40_000


class Transport(asyncio.Transport):
    """What was written, and whether anything is read."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.reads = True

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        """Nothing is open."""

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True


async def app(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass


async def flooded() -> list[int]:
    """How many pings were answered after each turn of the loop, from the first on."""
    config = uvicorn.Config(app, ws=WebSocketProtocol, log_config=None)
    config.load()
    protocol = WebSocketProtocol(config, ServerState(), {}, asyncio.get_running_loop())
    transport = Transport()
    protocol.connection_made(transport)
    protocol.data_received(HANDSHAKE)
    for _ in range(5):
        await asyncio.sleep(0)
    assert protocol.handshake_complete
    transport.written = b""
    protocol.data_received(PING * COUNT)
    answered = [transport.written.count(PONG)]
    for _ in range(20):
        assert transport.reads == (answered[-1] == COUNT)
        await asyncio.sleep(0)
        answered.append(transport.written.count(PONG))
    protocol.connection_lost(None)
    await asyncio.gather(*protocol.tasks)
    return answered


@shows("ws-frames")
def test_a_flood_of_frames_is_taken_in_slices() -> None:
    answered = asyncio.run(asyncio.wait_for(flooded(), 60))
    assert 0 < answered[0] < COUNT // 4
    assert answered == sorted(answered)
    assert answered[-1] == COUNT
