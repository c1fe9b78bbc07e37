"""The signals that ask a server to stop.

It knows which they are, and that none of them means anything once the server has stopped: a process that ends by a
signal then would look like one that crashed. What is done when one comes, others say.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeAlias

Handle: TypeAlias = Callable[[int, FrameType | None], Any]


def stop_signals() -> list[signal.Signals]:
    """SIGINT, SIGTERM, and SIGHUP where there is one, unless `nohup` has the process ignore that."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    return numbers


def on_stop(handle: Handle) -> None:
    """Call `handle` from now on when one of them comes."""
    for number in stop_signals():
        signal.signal(number, handle)


def ignore_stop() -> None:
    """Nothing is left to be stopped. While the interpreter ends, it would give up a handler, but it ignores on.

    It is not for handlers: Python complains of a signal that has come with another one, and is then ignored.
    """
    for number in stop_signals():
        signal.signal(number, signal.SIG_IGN)
