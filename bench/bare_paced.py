"""The baseline of paced streams: a server on uvloop that writes the same bytes to each stream whenever a token is due.

It reads two numbers of the request, and makes nothing: what remains is what the writes cost on this machine. As
Penstock does, it calls streams in the order in which they are due, and writes late tokens together.
"""

import argparse
import asyncio
import heapq
import re
from typing import cast

import uvloop

from bench import bodies

MODEL = re.compile(rb"tokens=(\d+)&itl_ms=(\d+)")
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
TURN_S = 0.001
WRITES_MAX = 256
"""So many writes are made before the event loop looks for other work."""


def chunk_of_event() -> bytes:
    """Return the chunk of one event with a token."""
    event = next(event for event in bodies.response_events(1) if event.startswith(b"event: response.output_text.delta"))
    return b"%x\r\n%b\r\n" % (len(event), event)


CHUNK = chunk_of_event()


class Stream(asyncio.Protocol):
    """One connection, which gets one stream."""

    left = 0

    def __init__(self, streams: "Streams") -> None:
        """Wait for the request."""
        self._streams = streams

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note where to write."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Begin with the request, which is small enough to come in one read."""
        if found := MODEL.search(data):
            self.left, self.interval_s = int(found[1]), int(found[2]) / 1000
            self.transport.write(HEAD)
            self._streams.add(self, asyncio.get_running_loop().time())

    def write_due(self, due_s: float, now_s: float) -> float:
        """Write all tokens that are due. Return when the next one is."""
        count = min(self.left, int((now_s - due_s) / self.interval_s) + 1)
        self.left -= count
        self.transport.write(CHUNK * count if self.left else CHUNK * count + END)
        return due_s + count * self.interval_s


class Streams:
    """All streams, by the time at which their next tokens are due."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin without any."""
        self._loop = loop
        self._due: list[tuple[float, int, Stream]] = []
        loop.call_later(TURN_S, self._turn)

    def add(self, stream: Stream, due_s: float) -> None:
        """Let the stream wait for its next token."""
        heapq.heappush(self._due, (due_s, id(stream), stream))

    def _turn(self) -> None:
        now_s = self._loop.time()
        for _ in range(WRITES_MAX):
            if not self._due or self._due[0][0] > now_s:
                self._loop.call_later(TURN_S, self._turn)
                return
            due_s, _, stream = heapq.heappop(self._due)
            next_s = stream.write_due(due_s, now_s)
            if stream.left:
                self.add(stream, next_s)
        self._loop.call_soon(self._turn)


async def serve(port: int) -> None:
    """Serve until the process is ended."""
    loop = asyncio.get_running_loop()
    streams = Streams(loop)
    server = await loop.create_server(lambda: Stream(streams), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
