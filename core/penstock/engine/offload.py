"""Long work, in a thread of its own: meanwhile the event loop answers others.

It knows from which size on a step is long, and does one such step at a time: more of them at once would only take the
interpreter from the event loop. A step must be pure, since others run beside it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

LARGE_BYTES = 256 * 2**10
"""What is shorter is done in less time than a thread takes to begin."""


async def offload(size: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What the work gives, or raises; `size` is what it has to read, in bytes."""
    if size < LARGE_BYTES:
        return work(*args, **kwargs)
    call = copy_context().run
    return await asyncio.get_running_loop().run_in_executor(_thread(), lambda: call(work, *args, **kwargs))


@cache
def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "penstock-offload")
