"""One connection to an upstream: it sends a request and receives its reply, then the next one.

It knows asyncio's transports, and when reading must pause. It does not know where connections come from; its owner
does.
"""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

from penstock.limits import Limits

from .faults import TransportFault, connection_lost
from .parser import ReplyParser
from .replies import IncomingReply

_STALE_S = 1.0
"""How many seconds after a request a reused connection ends if its upstream had closed it before the request."""


class Owner(Protocol):
    """The owner of connections, which is informed of their ends."""

    def take_back(self, connection: Connection) -> None:
        """The reply has ended, and another request may be sent."""

    def forget(self, connection: Connection) -> None:
        """The connection has ended, or is about to. This may be called twice."""


class Connection(asyncio.Protocol):
    """A connection. Until its reply has ended, it belongs to the reader of the reply."""

    def __init__(self, owner: Owner, limits: Limits) -> None:
        self._loop = asyncio.get_running_loop()
        self._owner = owner
        self._parser = ReplyParser(limits)
        self._buffer_bytes_max = limits.upstream_buffer_bytes_max
        self._transport: asyncio.Transport
        self._reply: IncomingReply | None = None
        self._was_used = False
        self._asked_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether a request may be sent, as far as this side knows."""
        return not self._transport.is_closing()

    def ask(self, pieces: list[bytes]) -> IncomingReply:
        """Send a request. Its reply has no bytes yet."""
        reply = self._reply = IncomingReply(self, self._loop.create_future)
        self._asked_at = self._loop.time()
        self._parser.expect(reply)
        for piece in pieces:
            self._transport.write(piece)
        return reply

    def resume(self) -> None:
        """Continue to read."""
        if self._reply is not None:
            self._reply.is_paused = False
            self._transport.resume_reading()

    def drop(self) -> None:
        """Close it now, with a request that may be in progress."""
        self._fail(TransportFault("the connection was given up"))

    def close(self) -> None:
        """Close it; it is not in use."""
        self._owner.forget(self)
        self._transport.close()

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is made."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has the methods, but not the base class

    def data_received(self, data: bytes) -> None:
        """A part of the reply. Bytes without a request cannot be trusted."""
        reply = self._reply
        # spec: upstream-framing
        if reply is None:
            self.drop()
            return
        fault = self._parser.feed(data)
        if fault is not None:
            self._fail(fault)
        elif reply.has_ended:
            self._finish(reply)
        else:
            reply.buffered += len(data)
            if reply.buffered > self._buffer_bytes_max and not reply.is_paused:
                reply.is_paused = True
                self._transport.pause_reading()
        reply.wake()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection has ended; the missing part of the reply will not come."""
        reply = self._reply
        if reply is not None:
            fault = connection_lost(error) if error else self._parser.end()
            if fault is None:
                self._finish(reply)
            else:
                reply.is_stale = self._is_stale()
                self._fail(fault)
            reply.wake()
        self._owner.forget(self)
        self._parser.close()

    def _finish(self, reply: IncomingReply) -> None:
        """The reply has ended: the connection is free, if it can be reused."""
        self._reply = None
        self._was_used = True
        reply.release()
        if self._parser.can_be_reused and not self._transport.is_closing():
            self._owner.take_back(self)
        else:
            self._owner.forget(self)
            self._transport.abort()

    def _fail(self, fault: TransportFault) -> None:
        """There will be no more of this reply, and no other one."""
        reply, self._reply = self._reply, None
        if reply is not None:
            reply.fault = fault
            reply.release()
            reply.wake()
        self._owner.forget(self)
        self._transport.abort()

    def _is_stale(self) -> bool:
        """Whether the upstream probably closed the connection before it received the request."""
        is_soon = self._loop.time() - self._asked_at < _STALE_S
        # spec: stale-connections
        return self._was_used and not self._parser.has_begun and is_soon
