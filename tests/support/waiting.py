"""Bounded waits for what has no event to wait for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
STEP_S = 0.02


def steady(measure: Callable[[], T], quiet_s: float = 0.3, timeout_s: float = 20.0) -> T:
    """The value that has not changed for a while."""
    end = time.monotonic() + timeout_s
    last, since = measure(), time.monotonic()
    while time.monotonic() - since < quiet_s:
        assert time.monotonic() < end, f"it never comes to rest: {last!r}"
        time.sleep(STEP_S)
        if (value := measure()) != last:
            last, since = value, time.monotonic()
    return last


def until(condition: Callable[[], T], timeout_s: float = 20.0) -> T:
    """The first true value."""
    end = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {timeout_s} s"
        time.sleep(STEP_S)
    return value


async def until_in_loop(condition: Callable[[], Any], timeout_s: float = 20.0) -> None:
    """Wait until the condition is true, by the clock of the event loop, which runs meanwhile."""
    end = asyncio.get_running_loop().time() + timeout_s
    while not condition():
        assert asyncio.get_running_loop().time() < end, f"not within {timeout_s} s"
        await asyncio.sleep(STEP_S / 20)
