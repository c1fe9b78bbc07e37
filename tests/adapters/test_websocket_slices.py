"""WebSocket without a connection: a read full of tiny frames does not hold up everybody else."""

from __future__ import annotations

import asyncio
from typing import Any

from requirements import shows
from support.websocket import connected

PING = b"\x89\x80mask"
PONG = b"\x8a\x00"
COUNT = 40_000


async def app(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass


async def flooded() -> list[int]:
    """How many pings were answered after each turn of the loop, from the first on."""
    protocol, transport = connected(app)
    for _ in range(5):
        await asyncio.sleep(0)
    assert protocol.handshake_complete
    transport.writes.clear()
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
