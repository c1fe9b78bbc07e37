"""News of responses between replicas: one connection that listens for all of the process, and tells for all of it.

It knows who waits for which response, and PostgreSQL's LISTEN and NOTIFY. News may be lost, with the connection or with
a process that commits and dies, so whoever waits also looks now and then.

A transaction that notifies holds a lock of the whole server until it is on disk, so that all of them commit one after
another. Hence no change of ours notifies: afterwards this connection does, once for all that gathered meanwhile, and
without waiting for the disk, since nothing of news need be durable.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any

from penstock.telemetry import leave

from .address import CONNECT_S, GRACE_S, Address

log = logging.getLogger(__name__)

GATHER_S = 0.005
"""The least time between two notifications; the first after a silence goes at once."""
RECONNECT_S = 1.0
"""The wait before the next attempt at a connection."""
SILENCE_S = 30.0
"""After so long without anything to tell, the connection is asked whether it is still there."""
UNTOLD_MAX = 10_000
"""How many responses may wait to be told of while there is no connection; the others' readers look by themselves."""
_IDS_MAX = 100
"""How many ids go into one notification, which holds 8,000 bytes."""

TELL = "SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload"


class News:
    """Who waits for news of which response, and the connection that brings them and takes them away."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._channel = f"{address.schema}_news"
        self._readers: dict[str, set[asyncio.Event]] = {}
        self._untold: set[str] = set()
        self._something = asyncio.Event()
        self._is_closing = False
        self._task: asyncio.Task[None] | None = None

    def tell(self, response_id: str) -> None:
        """There is something new about a response: its readers here look at once, those elsewhere soon."""
        self._wake(response_id)
        if len(self._untold) < UNTOLD_MAX:
            self._untold.add(response_id)
        self._something.set()
        self._begin()

    @contextmanager
    def of(self, response_id: str) -> Iterator[asyncio.Event]:
        """What is set whenever there may be news of a response; its reader clears it, and then looks."""
        self._begin()
        news = asyncio.Event()
        readers = self._readers.setdefault(response_id, set())
        readers.add(news)
        try:
            yield news
        finally:
            readers.discard(news)
            if not readers:
                self._readers.pop(response_id, None)

    async def aclose(self) -> None:
        """Tell what is untold, if that can be done at once, and close the connection."""
        self._is_closing = True
        self._something.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=GRACE_S)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._task, self._is_closing, self._something = None, False, asyncio.Event()

    def _wake(self, response_id: str) -> None:
        for news in self._readers.get(response_id, ()):
            news.set()

    def _hear(self, connection: Any, sender: int, channel: str, payload: str) -> None:
        if sender != connection.get_server_pid():  # what we told ourselves woke our own when it happened
            for response_id in payload.split(" "):
                self._wake(response_id)

    def _begin(self) -> None:
        if self._task is None and not self._is_closing:
            self._task = asyncio.get_running_loop().create_task(self._stay_connected())

    async def _stay_connected(self) -> None:
        leave()
        while not self._is_closing:
            try:
                await self._converse()
            except Exception as error:  # whatever it is, readers still look by themselves
                log.warning("no news of other replicas: %s; connecting again", type(error).__name__)
                await asyncio.sleep(RECONNECT_S)

    async def _converse(self) -> None:
        """Hear and tell, until the connection is lost or the store is closed."""
        settings = self._address.connection_settings(synchronous_commit="off")
        connection = await import_module("asyncpg").connect(**settings)
        try:
            connection.add_termination_listener(lambda _: self._something.set())
            await connection.add_listener(self._channel, self._hear)
            for response_id in list(self._readers):  # what was told before was not heard
                self._wake(response_id)
            while self._untold or not self._is_closing:
                await self._wait_for_something()
                await self._tell_all(connection)
        finally:
            with suppress(Exception):
                await connection.close(timeout=CONNECT_S)

    async def _wait_for_something(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(SILENCE_S):
                await self._something.wait()
        self._something.clear()

    async def _tell_all(self, connection: Any) -> None:
        """Even of nothing: that is the question whether the connection is still there."""
        ids, self._untold = sorted(self._untold), set()
        payloads = [" ".join(ids[start : start + _IDS_MAX]) for start in range(0, len(ids), _IDS_MAX)]
        await connection.execute(TELL, self._channel, payloads)
        await asyncio.sleep(0 if self._is_closing else GATHER_S)
