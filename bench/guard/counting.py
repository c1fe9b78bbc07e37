"""`penstock serve` on asyncio's own event loop, whose callbacks are counted in a file that others can read meanwhile.

uvloop's callbacks cannot be counted; which there are is decided by the server and not by the loop. Run by
`callbacks.py`: `python -m bench.guard.counting FILE serve ...`.
"""

import asyncio
import mmap
import sys
from pathlib import Path

import uvicorn

COUNT_BYTES = 8
TICK_S = 2.0


class Count:
    """A number in a file of eight bytes."""

    def __init__(self, file: Path) -> None:
        """Map the file; each process that maps it too sees the same number."""
        with file.open("r+b") as opened:
            self._number = memoryview(mmap.mmap(opened.fileno(), COUNT_BYTES)).cast("Q")

    @property
    def number(self) -> int:
        """The number now."""
        return self._number[0]

    def add_one(self) -> None:
        """Count one more."""
        self._number[0] += 1


def count_callbacks(count: Count) -> None:
    """Count every callback that an event loop of asyncio runs from now on."""
    run = asyncio.Handle._run

    def counted(self: asyncio.Handle) -> None:
        count.add_one()
        run(self)

    asyncio.Handle._run = counted  # type: ignore[method-assign]


async def tick_slowly(server: uvicorn.Server) -> None:
    """Run uvicorn's main loop with a tick every two seconds: ten a second would be counted in many requests."""
    ticks = 0
    while not await server.on_tick(ticks):
        ticks += 1
        await asyncio.sleep(TICK_S)


if __name__ == "__main__":
    from penstock_adapters.cli import main

    sys.modules["uvloop"] = None  # type: ignore[assignment]  # uvicorn takes asyncio's loop then
    uvicorn.Server.main_loop = tick_slowly  # type: ignore[method-assign, assignment]
    count_callbacks(Count(Path(sys.argv[1])))
    sys.exit(main(sys.argv[2:]))
