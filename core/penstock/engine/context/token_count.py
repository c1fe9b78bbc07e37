"""The token count of a turn's input: the upstream's own count, or else an estimate.

It knows how long to wait for the upstream; how an upstream counts is decided by its dialect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import msgspec

from penstock.errors import ApiError, upstream_failed
from penstock.limits import Limits
from penstock.ports import Turn, Upstream

from .error_location import locate
from .estimate import estimate_input

T = TypeVar("T")


class Count(msgspec.Struct, frozen=True):
    """The tokens of an input, and whether they are estimated."""

    tokens: int
    is_estimated: bool


async def count_input(upstream: Upstream, turn: Turn, limits: Limits) -> Count:
    """The input tokens of this turn, as its `usage.input_tokens` will report them. Raises `ApiError`."""
    try:
        counted = await within(limits.count_wait_s, upstream.count_tokens(turn))
    except ApiError as error:
        locate(error, turn.items, turn.request)
        raise
    return Count(estimate_input(turn), True) if counted is None else Count(counted, False)


async def within(wait_s: float, asked: Awaitable[T]) -> T:
    """The awaited answer of an upstream. Raises `ApiError` 504 after `wait_s` seconds."""
    try:
        async with asyncio.timeout(wait_s):
            return await asked
    except TimeoutError:
        raise upstream_failed(f"The upstream did not answer within {wait_s:g} s.", status=504) from None
