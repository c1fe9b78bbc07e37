"""Long computations run in one thread, so that the event loop stays responsive.

It knows from which size on a computation is long, and runs one at a time: several would only compete with the event
loop for the interpreter. The function must be pure, since it runs beside other code.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache, partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

LARGE_BYTES = 256 * 2**10
"""Smaller input is processed faster than a thread starts."""


async def offload(size: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of `work`, or its exception; `size` is the size of its input in bytes."""
    # spec: answers-meanwhile
    if size < LARGE_BYTES:
        return work(*args, **kwargs)
    call = partial(copy_context().run, work, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(_thread(), call)


@cache
def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "penstock-offload")
