"""The baseline of a paced stream: a TCP relay on uvloop, which writes to the client what it reads from the upstream.

It reads no HTTP and changes no byte, so the upstream has to answer in the language of the client. What remains is
the cost of waking up, reading and writing: no server that stands between the two can cost less by this loop.
"""

import argparse
import asyncio
from typing import cast

import uvloop

from bench.load import loopback

BUFFERED_BYTES_MAX = 8 * 1024 * 1024


class Pipe(asyncio.Protocol):
    """One side of a relayed connection: what it reads, its `peer` writes."""

    def __init__(self, peer: asyncio.Transport | None = None) -> None:
        """Belong to `peer`; without one, what comes waits in `early`."""
        self.peer = peer
        self.early: list[bytes] = []
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one by duck type only

    def data_received(self, data: bytes) -> None:
        """Write it on the other side; a side that does not read is closed, so that memory is bounded."""
        if self.peer is None:
            self.early.append(data)
            return
        self.peer.write(data)
        if self.peer.get_write_buffer_size() > BUFFERED_BYTES_MAX:
            self.peer.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Close the other side too."""
        if self.peer is not None:
            self.peer.close()


class Client(Pipe):
    """The side of the client: it connects to the upstream as soon as it is there."""

    tasks: set[asyncio.Task[None]] = set()

    def __init__(self, host: str, port: int) -> None:
        """Relay to the upstream at this address."""
        super().__init__()
        self._host, self._port = host, port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect to the upstream."""
        super().connection_made(transport)
        task = asyncio.get_running_loop().create_task(self._connect())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _connect(self) -> None:
        if self.transport is None:
            return
        connection = asyncio.get_running_loop().create_connection
        try:
            upstream, _ = await connection(lambda: Pipe(self.transport), self._host, self._port)
        except OSError:
            self.transport.close()
            return
        self.peer = upstream
        upstream.writelines(self.early)
        self.early = []
        if self.transport.is_closing():
            upstream.close()


async def serve(port: int, upstream: str) -> None:
    """Relay every connection on loopback until cancelled."""
    host, upstream_port, _ = loopback(upstream)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Client(host, upstream_port), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


def main() -> None:
    """Run the relay from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True, help="http://127.0.0.1:PORT; its path is not read")
    arguments = parser.parse_args()
    uvloop.run(serve(arguments.port, arguments.upstream))


if __name__ == "__main__":
    main()
