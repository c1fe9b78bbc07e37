"""The signals that ask a server to stop, and the one that asks it to load its certificate again.

It knows which they are, and that they are ignored once the server has stopped: a process that ends by a signal would
look like one that crashed. The handlers are arguments.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeAlias

Handle: TypeAlias = Callable[[int, FrameType | None], Any]


def stop_signals() -> list[signal.Signals]:
    """SIGINT, SIGTERM, and SIGHUP where it exists, unless `nohup` has the process ignore it."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    return numbers


def on_stop(handle: Handle) -> None:
    """Call `handle` from now on when one of them arrives."""
    for number in stop_signals():
        signal.signal(number, handle)


def on_hangup(handle: Handle) -> None:
    """Call `handle` when SIGHUP arrives, where it exists. It then stops nothing, even when a terminal is closed.

    One that was blocked until now is handled at once.
    """
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, handle)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP])


def ignore_stop() -> None:
    """Ignore them: there is nothing left to stop. While the interpreter ends, handlers are removed, but ignoring stays.

    Do not call it in a handler: Python reports an error for a signal that arrived with another one and is then ignored.
    """
    for number in stop_signals():
        signal.signal(number, signal.SIG_IGN)
