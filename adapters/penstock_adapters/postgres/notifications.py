"""Notifications of changed responses between replicas: one connection receives and sends them for the whole process.

It knows which readers wait for which response, and PostgreSQL's LISTEN and NOTIFY. Notifications may be lost, with the
connection or with a process that dies after a commit, so readers also look at intervals.

A transaction with NOTIFY has a server-wide lock until it is on disk, so such transactions commit one after the other.
Hence no change here notifies: this connection does so afterwards, once for all changes in the meantime, and without
waiting for the disk, since notifications need not be durable.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any

from penstock.telemetry import OutageLog, leave

from .address import CONNECT_S, GRACE_S, Address

log = logging.getLogger(__name__)

GATHER_S = 0.005
"""The least time between two notifications, in seconds; the first after a pause is sent at once."""
RECONNECT_S = 1.0
"""The wait before the next attempt to connect, in seconds."""
SILENCE_S = 30.0
"""After how many seconds without a notification the connection is checked."""
PENDING_MAX = 10_000
"""How many responses may wait for a notification without a connection; readers of others look by themselves."""
_IDS_MAX = 100
"""How many ids one notification may contain; its limit is 8,000 bytes."""

NOTIFY = "SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload"


class Notifications:
    """The readers of each response, and the connection for their notifications."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._channel = f"{address.schema}_notifications"
        self._readers: dict[str, set[asyncio.Event]] = {}
        self._pending: set[str] = set()
        self._wakeup = asyncio.Event()
        self._is_closing = False
        self._task: asyncio.Task[None] | None = None
        self._outage = OutageLog(log, "The exchange of notifications with other replicas")

    def send(self, response_id: str) -> None:
        """Notify of a change of a response: its readers here at once, those of other processes soon."""
        self._wake(response_id)
        if len(self._pending) < PENDING_MAX:
            self._pending.add(response_id)
        self._wakeup.set()
        self._begin()

    @contextmanager
    def of(self, response_id: str) -> Iterator[asyncio.Event]:
        """An event that is set with each change of a response. Its reader clears it, and then looks."""
        self._begin()
        change = asyncio.Event()
        readers = self._readers.setdefault(response_id, set())
        readers.add(change)
        try:
            yield change
        finally:
            readers.discard(change)
            if not readers:
                self._readers.pop(response_id, None)

    async def aclose(self) -> None:
        """Send pending notifications, if that is possible at once, and close the connection."""
        self._is_closing = True
        self._wakeup.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=GRACE_S)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._task, self._is_closing, self._wakeup = None, False, asyncio.Event()

    def _wake(self, response_id: str) -> None:
        for change in self._readers.get(response_id, ()):
            change.set()

    def _receive(self, connection: Any, sender: int, channel: str, payload: str) -> None:
        if sender != connection.get_server_pid():  # readers of this process were notified already
            for response_id in payload.split(" "):
                self._wake(response_id)

    def _begin(self) -> None:
        if self._task is None and not self._is_closing:
            self._task = asyncio.get_running_loop().create_task(self._stay_connected())

    async def _stay_connected(self) -> None:
        leave()
        while not self._is_closing:
            try:
                await self._exchange()
            except Exception as error:  # after any error readers still look by themselves
                self._outage.failed(f"{type(error).__name__}; it is tried again")
                await asyncio.sleep(RECONNECT_S)

    async def _exchange(self) -> None:
        """Receive and send, until the connection is lost or the store is closed."""
        settings = self._address.connection_settings(synchronous_commit="off")
        connection = await import_module("asyncpg").connect(**settings)
        try:
            connection.add_termination_listener(lambda _: self._wakeup.set())
            await connection.add_listener(self._channel, self._receive)
            for response_id in list(self._readers):  # earlier notifications were missed
                self._wake(response_id)
            while self._pending or not self._is_closing:
                await self._wait()
                await self._send_all(connection)
                self._outage.succeeded()
        finally:
            with suppress(Exception):
                await connection.close(timeout=CONNECT_S)

    async def _wait(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(SILENCE_S):
                await self._wakeup.wait()
        self._wakeup.clear()

    async def _send_all(self, connection: Any) -> None:
        """Send even without ids: that checks whether the connection still works."""
        ids, self._pending = sorted(self._pending), set()
        payloads = [" ".join(ids[start : start + _IDS_MAX]) for start in range(0, len(ids), _IDS_MAX)]
        await connection.execute(NOTIFY, self._channel, payloads)
        await asyncio.sleep(0 if self._is_closing else GATHER_S)
