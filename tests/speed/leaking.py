"""The server of a soak with leaks that were planted: memory, tasks with their timers, and file descriptors.

Run as a program, in the place of `bench.soaked_server`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from bench import soaked_server

from penstock.http import Reply, Request
from penstock.service import Service

LEAKED: list[Any] = []
LEAKED_BYTES = 20_000
EVERY = 20
"""How many requests leak one task and one file descriptor."""


def plant() -> None:
    handle = Service.handle

    async def leaking(self: Service, request: Request) -> Reply:
        LEAKED.append(b"." * LEAKED_BYTES)
        if len(LEAKED) % EVERY == 0:
            LEAKED.append(asyncio.create_task(asyncio.sleep(3_600)))
            LEAKED.append(os.dup(0))
        return await handle(self, request)

    Service.handle = leaking  # type: ignore[method-assign]


if __name__ == "__main__":
    plant()
    sys.exit(soaked_server.main())
