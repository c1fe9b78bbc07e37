"""How many tokens a turn's input has: by the upstream's own count, or else by the estimate.

It knows how long to wait for an upstream that is asked; how one counts, its dialect knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import NamedTuple, TypeVar

from penstock.errors import upstream_failed
from penstock.limits import Limits
from penstock.ports import Turn, Upstream

from .error_location import Placed
from .estimate import estimate_input

T = TypeVar("T")


class Count(NamedTuple):
    """The tokens of an input, and whether they are an estimate."""

    tokens: int
    is_estimated: bool


async def count_input(upstream: Upstream, turn: Turn, limits: Limits) -> Count:
    """The tokens that `usage.input_tokens` of this turn will tell. Raises `ApiError`."""
    with Placed(turn.items, turn.request):
        counted = await within(limits.count_wait_s, upstream.count_tokens(turn))
    return Count(estimate_input(turn), True) if counted is None else Count(counted, False)


async def within(wait_s: float, asked: Awaitable[T]) -> T:
    """What an upstream answers in time. Raises `ApiError` 504."""
    try:
        async with asyncio.timeout(wait_s):
            return await asked
    except TimeoutError:
        raise upstream_failed(f"The upstream did not answer within {wait_s:g} s.", status=504) from None
