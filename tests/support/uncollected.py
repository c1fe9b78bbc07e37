"""The server without Python's garbage collector: memory is free again only where it is part of no reference cycle.

Run as a program it is `penstock serve`; `UncollectedServer` starts it. On SIGUSR1 it collects by hand, once, and prints
what that found: objects, frames and functions of ours, and whatever holds a text or bytes of some length.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from types import FrameType
from typing import Any

from support.server import ROOT, PenstockServer
from support.waiting import until

TESTS = str(ROOT / "tests")
OURS = (str(ROOT / "core"), str(ROOT / "adapters"))
MAIN = "from support.uncollected import main; main()"
HOLDING_MIN = 50_000
"""From how many bytes, or characters, on a text counts as a body or a buffer."""
FOUND = "collected: "


class UncollectedServer(PenstockServer):
    """The server of the command line. Its memory is what its requests left."""

    command = (sys.executable, "-c", f"import sys; sys.path.insert(0, {TESTS!r}); {MAIN}", "serve", "--port", "0")

    def garbage(self) -> dict[str, int]:
        """What a collection finds now, by its name, and how many of it."""
        known = len(self.lines)
        self.process.send_signal(signal.SIGUSR1)
        until(lambda: any(line.startswith(FOUND) for line in self.lines[known:]))
        [line] = [line for line in self.lines[known:] if line.startswith(FOUND)]
        found: dict[str, int] = json.loads(line.removeprefix(FOUND))
        return found


def main() -> None:
    from penstock_adapters.cli import main

    gc.disable()
    signal.signal(signal.SIGUSR1, _report)
    sys.exit(main())


def _report(number: int, frame: FrameType | None) -> None:
    os.write(1, f"{FOUND}{json.dumps(collect())}\n".encode())


def collect() -> Counter[str]:
    """Collect, and name what was found. What is older than the last collection is not found again."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    gc.set_debug(0)
    found = Counter(name for one in gc.garbage for name in _names(one))
    gc.garbage.clear()
    gc.collect()
    return found


def _names(one: Any) -> Iterator[str]:
    code = _code(one)
    if code is not None and code.co_filename.startswith(OURS):
        yield f"{type(one).__name__} of {code.co_qualname}"
    elif code is None and type(one).__module__.startswith("penstock"):
        yield f"{type(one).__module__}.{type(one).__qualname__}"
    for held in gc.get_referents(one):
        if isinstance(held, (str, bytes, bytearray)) and len(held) >= HOLDING_MIN:
            yield f"{type(held).__name__} in {type(one).__module__}.{type(one).__qualname__}"


def _code(one: Any) -> Any:
    """The code of what runs, or could."""
    names = ("f_code", "gi_code", "cr_code", "ag_code", "__code__")
    return next((getattr(one, name) for name in names if hasattr(type(one), name)), None)
