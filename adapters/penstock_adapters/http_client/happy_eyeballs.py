"""Connecting to a host with several addresses by RFC 8305 ("Happy Eyeballs").

The addresses are tried one a moment after the other, and the first that answers is used. asyncio has this built in,
uvloop does not.
"""

from __future__ import annotations

import asyncio
import socket
from itertools import chain, zip_longest
from typing import Any, TypeAlias

_NEXT_ATTEMPT_S = 0.25
"""How many seconds pass before the next address is tried too, as the RFC recommends."""

Endpoint: TypeAlias = tuple[socket.AddressFamily, tuple[Any, ...]]
"""An address family, and an address of it."""


def interleaved(endpoints: list[Endpoint]) -> list[Endpoint]:
    """The two families in turn, beginning with the preferred one."""
    preferred = [endpoint for endpoint in endpoints if endpoint[0] == endpoints[0][0]]
    others = [endpoint for endpoint in endpoints if endpoint[0] != endpoints[0][0]]
    return [each for each in chain.from_iterable(zip_longest(preferred, others)) if each is not None]


async def first_connected(loop: asyncio.AbstractEventLoop, endpoints: list[Endpoint]) -> socket.socket:
    """A socket that is connected to one of the endpoints. Raises `OSError`."""
    if len(endpoints) == 1:
        return await _connected(loop, endpoints[0])
    attempts: set[asyncio.Task[socket.socket]] = set()
    try:
        return await _race(loop, endpoints, attempts)
    finally:
        for attempt in attempts:
            attempt.cancel()
            attempt.add_done_callback(_close)


async def _race(
    loop: asyncio.AbstractEventLoop, endpoints: list[Endpoint], attempts: set[asyncio.Task[socket.socket]]
) -> socket.socket:
    """The first attempt that succeeds; the others stay in the set."""
    left = endpoints[::-1]
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
    """Close a connection that was made too late."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().close()


async def _connected(loop: asyncio.AbstractEventLoop, endpoint: Endpoint) -> socket.socket:
    family, address = endpoint
    connected = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        connected.setblocking(False)
        await loop.sock_connect(connected, address)
    except BaseException:
        connected.close()
        raise
    return connected
