"""Imports the modules named as arguments and prints, as JSON, what that loaded and what it did on the way.

Run as a process of its own, by test_pure_import.
"""

import importlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any

WRITES = os.O_WRONLY | os.O_RDWR
DEEDS = tuple("_thread.start os.mkdir os.remove os.rename os.system socket. sqlite3. subprocess.".split())
CHANCE = "os.urandom random.random secrets.token_bytes secrets.token_hex secrets.token_urlsafe uuid.uuid4".split()
CLOCKS = "time.time time.time_ns time.monotonic time.monotonic_ns time.perf_counter".split()
PATTERNS = "penstock.patterns"  # an import that uses a lazy pattern

done: list[str] = []


def watch(event: str, args: tuple[Any, ...]) -> None:
    """Threads, sockets (every event loop opens two), processes, databases and written files are deeds."""
    if event.startswith(DEEDS) or (event == "open" and args[2] & WRITES):
        done.append(f"{event} {args}")


def reported(real: Callable[..., Any], name: str, by: str) -> Callable[..., Any]:
    """The same function, but a call from one of these modules is a deed."""

    def call(*args: Any, **fields: Any) -> Any:
        caller = sys._getframe(1).f_globals.get("__name__", "")
        if caller.startswith(by):
            done.append(f"{name} in {caller}")
        return real(*args, **fields)

    return call


for name in [*CHANCE, *CLOCKS, "re.compile"]:
    module, _, function = name.partition(".")
    owner = importlib.import_module(module)
    setattr(owner, function, reported(getattr(owner, function), name, PATTERNS if module == "re" else "penstock"))

known = set(sys.modules)
sys.addaudithook(watch)
for name in sys.argv[1:]:
    importlib.import_module(name)
json.dump({"loaded": sorted(set(sys.modules) - known), "done": done}, sys.stdout)
