"""A connection: its requests one after the other, each answered before the next one is read.

It knows when to read, when to wait and when to end. During a request the bytes after it stay in the socket, except for
one read; so a connection buffers a bounded number of bytes, and the service gets one request of it at a time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from uvicorn._types import HTTPScope
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from penstock.errors import ApiError
from penstock.http import Request
from penstock.service import Service

from .deadlines import NEVER, Deadlines, abort_idle, tick_s
from .exchange import Exchange
from .heads import Body, Target, read_head, read_target, texts_of
from .parser import HeadParser
from .phases import Phase
from .refusals import late, malformed, overloaded, refusal

_log = logging.getLogger(__name__)

_BETWEEN = (Phase.RESTING, Phase.HEAD)
"""The phases in which the next bytes belong to a head."""


def http_protocol(service: Service) -> type[asyncio.Protocol]:
    """The protocol for `uvicorn.Config(http=…)`, by which the service answers. It calls no ASGI application."""
    deadlines = Deadlines(tick_s(service.limits))
    return cast("type[asyncio.Protocol]", partial(Connection, service=service, deadlines=deadlines))


class Connection(HttpToolsProtocol):
    """One connection of a client."""

    cycle: Exchange | None  # type: ignore[assignment]

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        service: Service,
        deadlines: Deadlines,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        del self.parser  # uvicorn's own, which would refer to this connection
        self.deadline = NEVER
        self._service = service
        self._limits = limits = service.limits
        self._deadlines = deadlines
        self._phase = Phase.RESTING
        self._is_reusable = True
        self._parser = HeadParser(limits)
        self._head_from = 0.0
        self._body: Body | None = None
        self._piece_at = 0.0
        self._counted_from = 0.0
        self._counted_bytes = 0
        self._waiting = b""
        """Bytes that were read after the current request."""
        self._waiting_from = 0
        """The index in them at which the next request begins."""
        self._unsent: float = NEVER
        """How many bytes of the last reply waited for the client at the last check."""

    # Called by the event loop.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        super().connection_made(transport)
        self.deadline = self.loop.time() + self._limits.request_head_s
        self._deadlines.add(self, self.loop)
        # spec: connections
        if len(self.connections) > self._limits.connections_max:
            self._refuse(overloaded())

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has disconnected, or the connection was closed."""
        self.connections.discard(self)
        if self.cycle is not None:
            self.cycle.disconnect()
        self.flow.resume_writing()
        if exc is None:
            self.transport.close()
        self._parser.release()
        self._deadlines.discard(self)
        self._waiting = b""

    def data_received(self, data: bytes) -> None:
        """Bytes have arrived."""
        self._read(data, 0)

    def pause_writing(self) -> None:
        """The client is slow: the reply waits for it."""
        super().pause_writing()
        if self._phase is Phase.ANSWERING:
            self.deadline = self.loop.time() + self._limits.reply_stall_s

    def shutdown(self) -> None:
        """The server stops: the connection ends after its current reply."""
        if self.cycle is None or self.cycle.is_complete:
            self._close(lingers=False)
            abort_idle(self.transport, self.loop)
        else:
            self._is_reusable = self.cycle.keep_alive = False

    # Reading.

    def _read(self, data: bytes, start: int) -> None:
        """Take the bytes from `start` on, as far as possible now."""
        size = len(data) - start
        try:
            while start < len(data):
                if self._phase is Phase.BODY:
                    start = self._read_body(data, start)
                elif self._phase in _BETWEEN:
                    start = self._read_head(data, start)
                else:
                    self._pass_on(data, start)
                    break
            if self._phase is Phase.BODY:
                self._time_body(size)
        except ApiError as error:
            self._refuse(error)

    def _pass_on(self, data: bytes, start: int) -> None:
        """Store the bytes for later, pass them to another protocol, or discard them."""
        if self._phase is Phase.UPGRADED:
            cast("asyncio.Protocol", self.transport.get_protocol()).data_received(data[start:])
        # spec: pipelined
        elif self._phase is Phase.ANSWERING:
            if self._waiting:
                data, start = self._waiting[self._waiting_from :] + data[start:], 0
            self._waiting, self._waiting_from = data, start
            self.flow.pause_reading()

    def _read_head(self, data: bytes, start: int) -> int:
        """Take the head up to its end; the index of its end."""
        if self._phase is Phase.RESTING:
            self._phase = Phase.HEAD
            self._head_from = 0.0
            self._parser.begin()
        start = self._parser.feed(data, start)
        if self._parser.is_whole:
            return self._begin_request(data, start)
        if not self._head_from:
            self._head_from = self.loop.time()
            self.deadline = self._head_from + self._limits.request_head_s
        return start

    # A request begins.

    def _begin_request(self, data: bytes, start: int) -> int:
        """Begin to answer, with what has arrived of the body; the index of the rest."""
        parser = self._parser
        method, version = parser.method, parser.version
        head = read_head(parser.fields, method, version, self._limits)
        target = read_target(parser.url, method)
        # spec: upgrades
        if head.upgrades and self.ws_protocol_class is not None:
            self._upgrade(version, target, head.fields)
            return start
        self._is_reusable = parser.is_reusable and version == "1.1"
        body, piece = head.body, b""
        if body is not None:
            piece, start = body.feed(data, start)
        is_whole = body is None or body.is_done
        self._body = None if is_whole else body
        expects_continue = head.expects_continue and not piece
        self.cycle = exchange = Exchange(
            self.transport,
            self.flow,
            self.server_state.default_headers,
            self._on_reply,
            body=b"" if is_whole else piece,
            is_1_1=version == "1.1",
            expects_continue=expects_continue,
            keep_alive=self._is_reusable if is_whole else not expects_continue and self._may_go_on(),
        )
        self._start(exchange, method, target, head.fields, piece if is_whole else None)
        if is_whole:
            self._phase = Phase.ANSWERING
            self.deadline = self.loop.time() + self._limits.reply_stall_s
        else:
            self._phase = Phase.BODY
            self._counted_from = 0.0
            self._hold(exchange)
        return start

    def _start(
        self, exchange: Exchange, method: bytes, target: Target, fields: dict[bytes, bytes], body: bytes | None
    ) -> None:
        """Begin to answer, in a task of its own. `body` is the whole body, if it is there."""
        headers = dict(zip(texts_of(fields), texts_of(fields.values()), strict=True))
        if target.host is not None:  # it overrides the header (RFC 9112, section 3.2.2)
            headers["host"] = target.host.decode("latin-1")
        request = Request(
            method=method.decode("ascii"),
            path=target.path,
            query=target.query.decode("latin-1"),
            headers=headers,
            body=body or b"",
            receive=exchange.read if body is None else None,
            disconnected=exchange.disconnected,
        )
        exchange.begin(self._service, request, self.loop, self.tasks)

    def _may_go_on(self) -> bool:
        """Whether the connection can be reused if the reply came now: the missing rest of the body is small."""
        body = self._body
        return self._is_reusable and (body is None or body.is_shorter_than(self._limits.unread_body_bytes_max))

    def _answer(self, exchange: Exchange) -> None:
        """The request is complete."""
        self._phase = Phase.ANSWERING
        self.deadline = self.loop.time() + self._limits.reply_stall_s
        exchange.end_body()

    def _upgrade(self, version: str, target: Target, fields: dict[bytes, bytes]) -> None:
        """Give the connection to the protocol of WebSocket, which reads the handshake again."""
        self._phase = Phase.UPGRADED
        self._deadlines.discard(self)
        self.url = self._parser.url
        if target.host is not None:
            fields = {**fields, b"host": target.host}
        self.scope = cast("HTTPScope", {"method": "GET", "http_version": version, "headers": [*fields.items()]})
        self.handle_websocket_upgrade()
        if not getattr(self.transport.get_protocol(), "handshake_initiated", True):  # it has not answered
            self._send_refusal(malformed("its WebSocket handshake cannot be read"))
            self.transport.close()
        self._parser.release()

    # Bodies.

    def _read_body(self, data: bytes, start: int) -> int:
        """Take the bytes of the body; the index of the rest."""
        body, exchange = self._body, self.cycle
        assert body is not None
        assert exchange is not None
        piece, start = body.feed(data, start)
        if body.is_done:
            self._body = None
        if exchange.is_complete:
            if body.is_done:
                self._rest()
            return start
        if not exchange.is_started:
            exchange.keep_alive = self._may_go_on()
        exchange.take(piece)
        if body.is_done:
            self._answer(exchange)
        else:
            self._hold(exchange)
        return start

    def _hold(self, exchange: Exchange) -> None:
        """Read no further while the service does not take what has arrived."""
        if len(exchange.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()

    def _time_body(self, size: int) -> None:
        """Count the bytes of an incomplete body."""
        self._piece_at = self.loop.time()
        if self._counted_from:
            self._counted_bytes += size
        else:
            self._counted_from, self._counted_bytes = self._piece_at, 0
        self._set_body_deadline()

    def _set_body_deadline(self) -> None:
        limits = self._limits
        self.deadline = min(
            self._piece_at + limits.request_body_wait_s, self._counted_from + limits.request_body_grace_s
        )

    # The end of a request, and of the connection.

    def _on_reply(self) -> None:
        """The reply was sent."""
        self.server_state.total_requests += 1
        if self.transport.is_closing() or self.cycle is None:
            return
        # spec: unread-bodies
        if not self.cycle.keep_alive:
            self._close(lingers=self._body is not None or bool(self._waiting))
        elif self._body is None:
            self._rest()
            self._read_on()
        else:  # a small rest of the body is missing, and will be discarded
            self.flow.resume_reading()

    def _rest(self) -> None:
        self._phase = Phase.RESTING
        self.deadline = self.loop.time() + self._limits.keep_alive_s

    def _read_on(self) -> None:
        """Read the bytes that waited for the end of the request."""
        waiting, start = self._waiting, self._waiting_from
        self._waiting = b""
        if waiting:
            self._read(waiting, start)
        if not self._waiting:
            self.flow.resume_reading()

    def _close(self, *, lingers: bool) -> None:
        """Close, at once or after the client: a reset by its further bytes could destroy the reply."""
        self._phase = Phase.CLOSING
        self.deadline = self.loop.time() + self._limits.linger_s
        self._waiting = b""
        if lingers:
            if self.transport.can_write_eof():  # by TLS there is no such end
                self.transport.write_eof()
            self.flow.resume_reading()
        else:
            self.transport.close()

    def _refuse(self, error: ApiError) -> None:
        """Answer in place of the app, unless the app has begun to, and close."""
        exchange, self.cycle = self.cycle, None
        is_answered = self._phase is Phase.BODY and exchange is not None and exchange.is_started
        if self._phase is Phase.BODY and exchange is not None:
            exchange.disconnect()
        if not is_answered:
            self._send_refusal(error)
        self._close(lingers=True)

    def _send_refusal(self, error: ApiError) -> None:
        self.transport.write(refusal(error, self._parser.fields, self.server_state.default_headers))

    # Deadlines.

    def expire(self, now: float) -> None:
        """The deadline has passed."""
        _EXPIRATIONS[self._phase](self, now)

    def _rested(self, now: float) -> None:
        self._close(lingers=False)

    def _waited_for_head(self, now: float) -> None:
        # spec: late-requests
        self._refuse(late("head", f"be whole within {self._limits.request_head_s:g} s"))

    def _waited_for_body(self, now: float) -> None:
        limits = self._limits
        if self.flow.read_paused:  # the app did not read
            self._piece_at, self._counted_from, self._counted_bytes = now, now, 0
        counted_s = now - self._counted_from
        # spec: late-requests
        if now - self._piece_at >= limits.request_body_wait_s:
            self._refuse(late("body", f"not pause for {limits.request_body_wait_s:g} s"))
        elif counted_s < limits.request_body_grace_s:
            self._set_body_deadline()
        elif self._counted_bytes < limits.request_body_rate_min * counted_s:
            self._refuse(late("body", f"come at {limits.request_body_rate_min} bytes a second"))
        else:
            self._counted_from, self._counted_bytes = now, 0
            self._set_body_deadline()

    def _waited_for_reader(self, now: float) -> None:
        # spec: slow-readers
        if self.flow.write_paused or self.transport.is_closing():
            _log.info("a client did not take its reply within %g s", self._limits.reply_stall_s)
            self.transport.abort()
        self.deadline = now + self._limits.reply_stall_s

    def _lingered(self, now: float) -> None:
        """Wait on while the client is still reading a long reply."""
        unsent = self.transport.get_write_buffer_size()
        if 0 < unsent < self._unsent:
            self._unsent = unsent
            self.deadline = now + self._limits.reply_stall_s
        else:
            self.deadline = NEVER
            self.transport.abort()


_EXPIRATIONS: dict[Phase, Callable[[Connection, float], None]] = {
    Phase.RESTING: Connection._rested,
    Phase.HEAD: Connection._waited_for_head,
    Phase.BODY: Connection._waited_for_body,
    Phase.ANSWERING: Connection._waited_for_reader,
    Phase.CLOSING: Connection._lingered,
}
