"""Sessions with servers: each has a task of its own, since the SDK has to begin and end in one task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from contextvars import Context
from typing import Any, Protocol

from penstock.limits import Limits
from penstock.tools.mcp.client import LocalServer, McpFailed, Server

_CLOSE_S = 3.0
"""How long a session with a remote server may take to end."""
_PROGRAM_CLOSE_S = 8.0
"""How long a program may take to end: the SDK kills it after 4 seconds, which a cancellation would interrupt."""


class Opens(Protocol):
    """Opens sessions with servers."""

    def open(self, server: Server, on_closed: Callable[[], None]) -> AbstractAsyncContextManager[Any]:
        """A session. Raises `McpFailed`."""


class Session:
    """One session with one server."""

    def __init__(self, opener: Opens, server: Server, limits: Limits) -> None:
        self._opener = opener
        self._server = server
        self._limits = limits
        self.is_retired = False
        """Whether the server has ended it, or it could not begin."""
        self.users = 0
        """How many calls use it."""
        self._ending = asyncio.Event()
        self._ready: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._own(), context=Context())  # it outlives the request that began it

    async def client(self) -> Any:
        """The SDK's client, once the session has begun. Raises `McpFailed`."""
        try:
            return await asyncio.shield(self._ready)
        except McpFailed as failed:  # each call has an error of its own, since an error refers to those that raised it
            raise McpFailed(failed.message, http_status=failed.http_status, code=failed.code) from None

    def retire(self) -> None:
        """No further call may use the session. Those that run may end."""
        self.is_retired = True

    async def end(self) -> None:
        """End the session, and wait for that."""
        self.is_retired = True
        self._ending.set()
        is_program = isinstance(self._server, LocalServer)
        done, _ = await asyncio.wait({self._task}, timeout=_PROGRAM_CLOSE_S if is_program else _CLOSE_S)
        if not done:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _own(self) -> None:
        try:
            await self._hold()
        except McpFailed as failed:
            self._fail(failed)
        except Exception:  # what a server does at the end of its session is of no interest
            self._fail(McpFailed("The session with the server has ended."))
        finally:
            self.is_retired = True
            self._fail(McpFailed("The session with the server has ended."))

    async def _hold(self) -> None:
        """Begin the session within its time, and keep it until it is to end."""
        try:
            async with asyncio.timeout(self._limits.mcp_list_s) as opening:
                async with self._opener.open(self._server, self.retire) as client:
                    opening.reschedule(None)
                    if not self._ready.done():
                        self._ready.set_result(client)
                    await self._ending.wait()
        except TimeoutError:
            raise McpFailed("The server has not begun a session in time.") from None

    def _fail(self, failed: McpFailed) -> None:
        if not self._ready.done():
            self._ready.set_exception(failed)
            self._ready.exception()  # whether anyone waits or not


class SessionPool:
    """The sessions of a process, by server. Idle sessions end after a while, and make room for others."""

    def __init__(self, opener: Opens, limits: Limits) -> None:
        self._opener = opener
        self._limits = limits
        self._sessions: dict[Server, Session] = {}
        self._timers: dict[Server, asyncio.TimerHandle] = {}
        self._ends: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._sessions)

    @asynccontextmanager
    async def use(self, server: Server) -> AsyncIterator[Session]:
        """The session with a server. Raises `McpFailed` where there are too many sessions."""
        session = self._session(server)
        session.users += 1
        if timer := self._timers.pop(server, None):
            timer.cancel()
        try:
            yield session
        finally:
            session.users -= 1
            self._rest(server, session)

    async def aclose(self) -> None:
        """End all sessions."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        sessions, self._sessions = list(self._sessions.values()), {}
        await asyncio.gather(*(session.end() for session in sessions), *self._ends)

    def _session(self, server: Server) -> Session:
        known = self._sessions.pop(server, None)
        if known is not None and known.is_retired:
            if not known.users:
                self._drop(known)
            known = None
        if known is None:
            self._make_room(server.owner)
            known = Session(self._opener, server, self._limits)
        self._sessions[server] = known  # at the end: it is the one that was used last
        return known

    def _make_room(self, owner: str) -> None:
        """Where the owner, or all together, have too many sessions: end the one that is idle for the longest time."""
        # spec: fair-tools
        own = {server: session for server, session in self._sessions.items() if server.owner == owner}
        if len(own) >= self._limits.mcp_sessions_per_key_max:
            self._end_idle(own)
        elif len(self._sessions) >= self._limits.mcp_sessions_max:
            self._end_idle(self._sessions)

    def _end_idle(self, sessions: Mapping[Server, Session]) -> None:
        """End the session that is idle for the longest time. Raises `McpFailed` where none is idle."""
        idle = next((server for server, session in sessions.items() if not session.users), None)
        if idle is None:
            raise McpFailed("Too many MCP servers are called at the moment.")
        self._end(idle)

    def _rest(self, server: Server, session: Session) -> None:
        """A call has ended: the session may be idle for a while now."""
        if self._sessions.get(server) is not session:
            if not session.users:
                self._drop(session)
        elif session.is_retired:
            self._end(server)
        elif not session.users:
            loop = asyncio.get_running_loop()
            self._timers[server] = loop.call_later(self._limits.mcp_session_idle_s, self._end, server)

    def _end(self, server: Server) -> None:
        if timer := self._timers.pop(server, None):
            timer.cancel()
        session = self._sessions.pop(server, None)
        if session is not None and not session.users:
            self._drop(session)

    def _drop(self, session: Session) -> None:
        """End a session that no call will use any more."""
        task = asyncio.get_running_loop().create_task(session.end())
        self._ends.add(task)
        task.add_done_callback(self._ends.discard)
