"""Clients of a soak: they ask by JSON, SSE and WebSocket, and leave at random, before the reply or in its middle.

The random numbers are seeded, so that a run can be made again. Every reply that is waited for to its end is checked.
"""

import asyncio
import contextlib
import random
from collections import Counter
from dataclasses import dataclass, field

import orjson
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

TIMEOUT_S = 60.0
LEAVES_OF_JSON = 0.02
LEAVES_OF_A_STREAM = 0.3
LEAVES_OF_A_SOCKET = 0.5
WAIT_MAX_S = 0.01
BODY_END = b"\r\n0\r\n\r\n"
HEAD_END = b"\r\n\r\n"
STREAMED = b"data: [DONE]\n\n"
COMPLETED = '{"type":"response.completed"'
FAILURES_MAX = 20


@dataclass(slots=True)
class Work:
    """What is still to be asked, and what came of it."""

    left: Counter[str]
    rng: random.Random = field(default_factory=lambda: random.Random(8))
    done: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    stopped: bool = False

    def next(self) -> str | None:
        """Return what to ask now, each kind as often as it is left; None at the end."""
        total = self.left.total()
        if not total or self.stopped or len(self.failures) >= FAILURES_MAX:
            return None
        [kind] = self.rng.choices(list(self.left), list(self.left.values()))
        self.left[kind] -= 1
        return kind


class Client:
    """One client at a time on one connection; a new connection where the last one was left."""

    def __init__(self, port: int, work: Work) -> None:
        """Take part in `work`."""
        self._port, self._work, self._dice = port, work, work.rng
        self._connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def work(self) -> None:
        """Ask until nothing is left."""
        asks = {"json": self._json, "stream": self._stream, "websocket": self._websocket}
        while kind := self._work.next():
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    await asks[kind]()
            except (OSError, EOFError, ValueError, TimeoutError, ConnectionClosed) as error:
                self._work.failures.append(f"{kind}: {type(error).__name__} {error}")
                self._leave()
            self._work.done[kind] += 1
        self._leave()

    async def _json(self) -> None:
        reader = await self._post({"model": "json-20"})
        if self._dice.random() < LEAVES_OF_JSON:
            await self._wait_and_leave()
            return
        head = await reader.readuntil(HEAD_END)
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        body = orjson.loads(await reader.readexactly(int(length.partition(b":")[2])))
        if body.get("status") != "completed":
            raise ValueError(f"not completed: {str(body)[:200]}")

    async def _stream(self) -> None:
        reader = await self._post({"model": "stream-20", "stream": True})
        if self._dice.random() < LEAVES_OF_A_STREAM:
            if self._dice.random() < 0.5:
                await reader.read(1024)
            await self._wait_and_leave()
            return
        received = b""
        while not received.endswith(BODY_END):
            data = await reader.read(65_536)
            if not data:
                raise EOFError("the stream was cut")
            received += data
        if STREAMED not in received:
            raise ValueError(f"the stream has no end: {received[-200:]!r}")

    async def _websocket(self) -> None:
        leaves = self._dice.random() < LEAVES_OF_A_SOCKET
        async with connect(f"ws://127.0.0.1:{self._port}/v1/responses", compression=None) as socket:
            await socket.send('{"type":"response.create","model":"stream-20","input":"Count.","store":false}')
            async for message in socket:
                if str(message).startswith(COMPLETED):
                    return
                if leaves:
                    socket.transport.abort()
                    return
        raise EOFError("the connection was closed in a turn")

    async def _post(self, body: dict[str, object]) -> asyncio.StreamReader:
        if self._connection is None:
            self._connection = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._connection
        content = orjson.dumps(body | {"input": "Count.", "store": False})
        head = f"POST /v1/responses HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(content)}\r\n"
        writer.write(f"{head}content-type: application/json\r\n\r\n".encode() + content)
        return reader

    async def _wait_and_leave(self) -> None:
        await asyncio.sleep(self._dice.random() * WAIT_MAX_S)
        self._leave()

    def _leave(self) -> None:
        """Cut the connection, by a reset or in order."""
        if self._connection:
            _, writer = self._connection
            with contextlib.suppress(OSError):
                writer.transport.abort() if self._dice.random() < 0.5 else writer.close()
        self._connection = None
