"""What memory costs: a turn at the start of a chain and one at its end, resuming a stream, and bytes a turn.

Run by hand: `python -m bench.memory [--turns 1000] [--store URL]`; without a store it takes SQLite in a folder of its
own. One client, one request at a time; it prints a Markdown table. The bytes are the store's own count.
"""

import argparse
import contextlib
import http.client
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import orjson

from bench.processes import cores, free_port, running
from bench.servers import PENSTOCK, SERVE

WINDOW = 10
"""How many neighbouring turns, or resumptions, a median is of."""


class Client:
    """One open connection to the server."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def post(self, **request: object) -> dict[str, object]:
        """Create a response; the Response."""
        headers = {"content-type": "application/json"}
        self._connection.request("POST", "/v1/responses", orjson.dumps(request), headers)
        reply = self._connection.getresponse()
        body: dict[str, object] = orjson.loads(reply.read())
        if reply.status != 200:
            raise SystemExit(f"status {reply.status}: {body}")
        return body

    def resume_s(self, response_id: object, after: int) -> float:
        """Follow a background response from an event on, to its end: seconds to the first byte."""
        began = time.perf_counter()
        self._connection.request("GET", f"/v1/responses/{response_id}?stream=true&starting_after={after}")
        reply = self._connection.getresponse()
        reply.read(1)
        took_s = time.perf_counter() - began
        reply.read()
        return took_s


def chain_s(client: Client, turns: int) -> list[float]:
    """Make a chain of so many turns: the seconds that each took."""
    took, previous = [], None
    for _ in range(turns):
        began = time.perf_counter()
        previous = client.post(model="synthetic", input="Go on.", max_output_tokens=16, previous_response_id=previous)[
            "id"
        ]
        took.append(time.perf_counter() - began)
    return took


def resume_s(client: Client) -> list[float]:
    """Resume a response that has ended, in its middle, again and again."""
    response = client.post(model="synthetic", input="Tell a long story.", background=True)
    time.sleep(1)
    return [client.resume_s(response["id"], 10) for _ in range(WINDOW)]


def stored_bytes(store: str) -> int:
    """What the store holds, as `penstock store stats` counts it."""
    counted = subprocess.run([PENSTOCK, "store", "stats", "--store", store], capture_output=True, text=True, check=True)
    return int(dict(line.split() for line in counted.stdout.splitlines())["bytes"])


def ms(seconds: Sequence[float]) -> str:
    """The median in milliseconds."""
    return f"{statistics.median(seconds) * 1000:.2f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=1_000)
    parser.add_argument("--store")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = free_port()
        command = [word.format(port=port) for word in SERVE]
        store = options.store or f"sqlite:///{folder}/penstock.db"
        command += ["--store", store]
        stack.enter_context(running(command, port, cores()[0]))
        client = Client(port)
        client.post(model="synthetic", input="Hello.", max_output_tokens=16)  # makes the store ready
        empty = stored_bytes(store)
        took = chain_s(client, options.turns)
        size = stored_bytes(store) - empty
        print("| what | median |\n| --- | ---: |")
        print(f"| a turn, around turn 10 | {ms(took[10 - WINDOW // 2 : 10 + WINDOW // 2])} ms |")
        print(f"| a turn, around turn {options.turns} | {ms(took[-WINDOW:])} ms |")
        print(f"| resuming a stream, to its first byte | {ms(resume_s(client))} ms |")
        print(f"| stored a turn | {size / options.turns / 1024:.1f} KiB |")


if __name__ == "__main__":
    main()
