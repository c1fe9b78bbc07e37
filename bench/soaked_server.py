"""`penstock serve` that reports its tasks and timers: on SIGUSR1 it writes its tasks and timers to a file.

Run by `soak.py`: `python -m bench.soaked_server FILE serve ...`.
"""

import asyncio
import gc
import signal
import sys
from pathlib import Path
from types import FrameType

import msgspec

TIMER = "TimerHandle"
"""The name of the class in asyncio, and in uvloop, whose timers no list has."""


class Living(msgspec.Struct, frozen=True):
    """The tasks and timers of a server."""

    tasks: int
    timers: int


def living() -> Living:
    """Count tasks that are not done, and timers, after a garbage collection."""
    gc.collect()
    timers = sum(type(each).__name__ == TIMER for each in gc.get_objects())
    return Living(len(asyncio.all_tasks()), timers)


def answer(file: Path) -> None:
    """Write the counts to `file` whenever SIGUSR1 comes."""

    def write(_: int, __: FrameType | None) -> None:
        whole = file.with_suffix(".new")
        whole.write_bytes(msgspec.json.encode(living()))
        whole.replace(file)

    signal.signal(signal.SIGUSR1, write)


def main() -> int:
    """Serve."""
    from penstock_adapters.cli import main as serve

    answer(Path(sys.argv[1]))
    return serve(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
