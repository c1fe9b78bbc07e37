"""Connecting to a host that has several addresses, as RFC 8305 ("Happy Eyeballs") has it.

All of them are tried, each a moment after the one before, and the first that answers is taken. asyncio could do this by
itself, uvloop cannot.
"""

from __future__ import annotations

import asyncio
import socket
from itertools import chain, zip_longest
from typing import Any, TypeAlias

_NEXT_ATTEMPT_S = 0.25
"""How long one address is tried before the next one is tried beside it; the RFC recommends it."""

Place: TypeAlias = tuple[socket.AddressFamily, tuple[Any, ...]]
"""A family, and an address of it."""


def interleaved(places: list[Place]) -> list[Place]:
    """One family and the other in turn, beginning with the one that is preferred."""
    preferred = [place for place in places if place[0] == places[0][0]]
    others = [place for place in places if place[0] != places[0][0]]
    return [place for place in chain.from_iterable(zip_longest(preferred, others)) if place is not None]


async def first_connected(loop: asyncio.AbstractEventLoop, places: list[Place]) -> socket.socket:
    """A socket that is connected to one of the places. Raises `OSError`."""
    if len(places) == 1:
        return await _connected(loop, places[0])
    attempts: set[asyncio.Task[socket.socket]] = set()
    try:
        return await _race(loop, places, attempts)
    finally:
        for attempt in attempts:
            attempt.cancel()
            attempt.add_done_callback(_close)


async def _race(
    loop: asyncio.AbstractEventLoop, places: list[Place], attempts: set[asyncio.Task[socket.socket]]
) -> socket.socket:
    """The first of the attempts that succeeds; those that go on stay in the set."""
    left = places[::-1]
    number, problem = 0, "the host has no address"
    while left or attempts:
        if left:
            attempts.add(loop.create_task(_connected(loop, left.pop())))
        wait_s = _NEXT_ATTEMPT_S if left else None
        done, _ = await asyncio.wait(attempts, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        for attempt in done:
            attempts.discard(attempt)
            error = attempt.exception()
            if error is None:
                return attempt.result()
            number, problem = getattr(error, "errno", None) or 0, str(error)
    raise OSError(number, problem)


def _close(attempt: asyncio.Task[socket.socket]) -> None:
    """Close a connection that came too late."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().close()


async def _connected(loop: asyncio.AbstractEventLoop, place: Place) -> socket.socket:
    family, address = place
    connected = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        connected.setblocking(False)
        await loop.sock_connect(connected, address)
    except BaseException:
        connected.close()
        raise
    return connected
