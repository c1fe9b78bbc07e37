"""A soak: 200,000 requests and 20,000 streams whose clients leave at random, and a server that is then as it was.

`python -m bench.soak [--requests N] [--streams N] [--seconds-max S]`. A tenth of it is the warm-up. After the warm-up
and at the end, the server has time to come to rest. Then its memory may be `MEMORY_RATIO_MAX` of what it was, and its
tasks, timers and file descriptors must be as many as they were, or fewer. The exit status is 1 where they are not,
where a reply was bad, or where the time was over first. Loopback only; it ends the processes that it started, and no
other.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import uvloop

from bench.leaving_clients import Client, Work
from bench.processes import Child, free_port, running
from bench.rounds import start_upstream
from bench.saturation import health_s
from bench.servers import SERVERS, Words
from bench.soaked_server import Living

CLIENTS = 32
MEMORY_RATIO_MAX = 1.25
WARM_UP_SHARE = 0.1
WEBSOCKETS_SHARE = 0.02
"""Turns by WebSocket, by the number of streams."""
PROGRESS_S = 10.0
ANSWER_S = 10.0
POLL_S = 0.05
VARIABLES = {"PENSTOCK_LIMITS_UPSTREAM_KEEP_ALIVE_S": "1"}
"""Connections that wait for another request end soon: how many there are depends on how many ran at once."""


@dataclass(frozen=True, slots=True)
class State:
    """What a server at rest holds."""

    memory_mb: float
    descriptors: int
    living: Living

    def faults(self, before: "State") -> Iterator[str]:
        """Yield what is more than it was before."""
        if self.memory_mb > before.memory_mb * MEMORY_RATIO_MAX:
            yield f"memory was {before.memory_mb:.1f} MB and is {self.memory_mb:.1f}"
        yield from self.unrest(before)

    def unrest(self, before: "State") -> Iterator[str]:
        """Yield what is more than it was, and may only not have ended yet."""
        pairs = {
            "file descriptors": (before.descriptors, self.descriptors),
            "tasks": (before.living.tasks, self.living.tasks),
            "timers": (before.living.timers, self.living.timers),
        }
        yield from (f"{name} were {old} and are {new}" for name, (old, new) in pairs.items() if new > old)


class Soaked:
    """The server under test, seen from outside and asked by a signal."""

    def __init__(self, child: Child, file: Path) -> None:
        """Look at `child`, which answers in `file`."""
        self.child, self._file = child, file

    def state(self) -> State:
        """Return what it holds now."""
        self._file.unlink(missing_ok=True)
        os.kill(self.child.pid, signal.SIGUSR1)
        deadline_s = time.monotonic() + ANSWER_S
        while not self._file.exists():
            if time.monotonic() > deadline_s:
                raise SystemExit(f"soak: the server does not answer within {ANSWER_S:.0f} s")
            time.sleep(POLL_S)
        living = msgspec.json.decode(self._file.read_bytes(), type=Living)
        descriptors = len(os.listdir(f"/proc/{self.child.pid}/fd"))  # noqa: PTH208
        return State(self.child.rss_mb(), descriptors, living)

    def at_rest(self, before: State, settle_s: float) -> State:
        """Return what it holds when it is as before, or when the time for that is over."""
        deadline_s = time.monotonic() + settle_s
        state = self.state()
        while any(state.unrest(before)) and time.monotonic() < deadline_s:
            time.sleep(1)
            state = self.state()
        return state


def progress(text: str) -> None:
    """Print progress."""
    print(f"soak: {text}", file=sys.stderr, flush=True)


async def watch(work: Work, deadline_s: float) -> None:
    """Print the progress, and stop the work at the deadline."""
    while time.monotonic() < deadline_s:
        await asyncio.sleep(min(PROGRESS_S, max(0.0, deadline_s - time.monotonic())))
        progress(f"{dict(work.done)} done, {work.left.total()} left, {len(work.failures)} bad")
    work.stopped = True


async def load(port: int, work: Work, deadline_s: float) -> None:
    """Work until nothing is left, or until the deadline."""
    watching = asyncio.create_task(watch(work, deadline_s))
    await asyncio.gather(*(Client(port, work).work() for _ in range(CLIENTS)))
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching


def asks(requests: int, streams: int, share: float) -> Work:
    """Return the work of a share of the whole."""
    whole = {"json": requests, "stream": streams, "websocket": streams * WEBSOCKETS_SHARE}
    return Work(Counter({kind: round(number * share) for kind, number in whole.items()}))


@contextlib.contextmanager
def soaked(module: str) -> Iterator[Soaked]:
    """Run the server until the block ends."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream, port, file = start_upstream(stack), free_port(), folder / "living"
        server = next(each for each in SERVERS if each.name == "penstock")
        command = [sys.executable, "-m", module, str(file), *server.argv(Words(port, upstream.port, folder))[1:]]
        child = stack.enter_context(running(command, port, None, VARIABLES))
        health_s(port)  # it has the port before it runs its loop, and can answer only then
        yield Soaked(child, file)


def run(server: Soaked, options: argparse.Namespace) -> Iterator[str]:
    """Soak the server; yield what is wrong."""
    deadline_s = time.monotonic() + options.seconds_max

    def work(share: float) -> Iterator[str]:
        asked = asks(options.requests, options.streams, share)
        uvloop.run(load(server.child.port, asked, deadline_s))
        yield from asked.failures
        if left := asked.left.total():
            yield f"{left} requests were left when it ended"

    fresh = server.state()
    yield from work(WARM_UP_SHARE)
    before = server.at_rest(fresh, options.settle_s)
    progress(f"warm, and at rest: {before}")
    yield from work(1 - WARM_UP_SHARE)
    after = server.at_rest(before, options.settle_s)
    progress(f"at the end: {after}")
    # spec: soaked
    yield from after.faults(before)


def main(argv: Sequence[str] | None = None) -> int:
    """Soak, and return 1 when something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--streams", type=int, default=20_000)
    parser.add_argument("--seconds-max", type=float, default=1_200.0)
    parser.add_argument("--settle-s", type=float, default=40.0, help="how long it may take to come to rest")
    parser.add_argument(
        "--server-module", default="bench.soaked_server", help="what runs the server, such as one that leaks"
    )
    options = parser.parse_args(argv)
    with soaked(options.server_module) as server:
        faults = list(run(server, options))
    for fault in faults:
        progress(fault)
    progress("failed" if faults else "passed")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
