"""Look-ups of host names that clients and models choose. They have threads of their own: slow names delay no others."""

from __future__ import annotations

import asyncio
import socket
from functools import cache, partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

_THREADS_MAX = 8
"""How many names are looked up at a time. The system's call cannot be cancelled."""


async def look_up(host: str, port: int) -> list[Any]:
    """The addresses of a host, as `socket.getaddrinfo` returns them. Raises `OSError`."""
    find = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    return await asyncio.get_running_loop().run_in_executor(_threads(), find)


@cache
def _threads() -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(_THREADS_MAX, thread_name_prefix="penstock-lookup")
