"""The load client of WebSocket mode: the same turns as `load.py` asks for by SSE, one after another on each connection.

Each turn is checked like a reply: one `response.completed`, the whole text. A turn is a reply of the figures, and its
messages are the events. Loopback only, bounded in time and in count; prints one `LoadResult` as JSON.
"""

import argparse
import asyncio
import time

import msgspec
import orjson
import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from bench.figures import LoadResult, Tally, result_of
from bench.load import CONNECTIONS_MAX, GRACE_S, SECONDS_MAX, Bounds, loopback
from bench.verify import response_fault

CREATE = "response.create"
DELTA = '{"type":"response.output_text.delta"'
COMPLETED = '{"type":"response.completed"'
FAILED = ('{"type":"error"', '{"type":"response.failed"', '{"type":"response.incomplete"')


class TurnRun:
    """One run: connections that send a turn when the last one has ended."""

    def __init__(self, url: str, create: str, text_chars: int | None) -> None:
        """Prepare; `go` starts the clock."""
        self._url, self._create, self._text_chars = url, create, text_chars
        self._tally = Tally()
        self._stop_at_s = 0.0

    async def go(self, bounds: Bounds) -> LoadResult:
        """Load until the time is over; what is in flight is waited for."""
        started_s, cpu_s = time.perf_counter(), time.process_time()
        self._stop_at_s = started_s + bounds.seconds
        try:
            async with asyncio.timeout(bounds.seconds + GRACE_S), asyncio.TaskGroup() as group:
                for _ in range(bounds.connections):
                    group.create_task(self._converse())
        except TimeoutError:
            self._tally.fail(f"no end within {GRACE_S:.0f} s after the time")
        return result_of(self._tally, time.perf_counter() - started_s, time.process_time() - cpu_s)

    async def _converse(self) -> None:
        try:
            async with connect(self._url, max_size=None, compression=None, ping_interval=None) as socket:
                while time.perf_counter() < self._stop_at_s and not self._tally.failures:
                    await self._turn(socket)
        except (OSError, ConnectionClosed) as error:
            self._tally.fail(f"the connection failed: {error}")

    async def _turn(self, socket: ClientConnection) -> None:
        tally, began_s = self._tally, time.perf_counter()
        events, first_event_s, first_delta_s = 0, 0.0, 0.0
        await socket.send(self._create)
        while True:
            message = str(await socket.recv())
            now_s = time.perf_counter() - began_s
            events += 1
            first_event_s = first_event_s or now_s
            tally.body_bytes += len(message)
            if message.startswith(DELTA):
                first_delta_s = first_delta_s or now_s
            elif message.startswith(COMPLETED):
                break
            elif message.startswith(FAILED):
                return tally.fail(message[:200])
        if fault := response_fault(orjson.loads(message)["response"], self._text_chars):
            return tally.fail(fault)
        tally.events += events
        tally.latencies_s.append(now_s)
        tally.first_events_s.append(first_event_s)
        tally.first_deltas_s.append(first_delta_s)
        return None


def main() -> None:
    """Run one load from the command line and print its `LoadResult` as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="http://127.0.0.1:PORT/v1/responses")
    parser.add_argument("--body", default='{"model":"stream-200","input":"hi","store":false}')
    parser.add_argument("--text-chars", type=int, help="exact length of a good reply's text")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--connections", type=int, default=16)
    arguments = parser.parse_args()
    host, port, path = loopback(arguments.url)
    body = {key: value for key, value in orjson.loads(arguments.body).items() if key != "stream"}
    turns = TurnRun(f"ws://{host}:{port}{path}", orjson.dumps({"type": CREATE} | body).decode(), arguments.text_chars)
    bounds = Bounds(min(arguments.seconds, SECONDS_MAX), min(arguments.connections, CONNECTIONS_MAX))
    print(msgspec.json.encode(uvloop.run(turns.go(bounds))).decode())


if __name__ == "__main__":
    main()
