"""One WebSocket connection, from its first message to its end.

It knows the messages of a client and their answers. The engine makes a response as for an HTTP request. Beyond that,
the connection has a cache of its recent responses, queues for its streams, and reasons to end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from functools import partial
from typing import TypeAlias

import msgspec

from penstock.endpoints.faulty import faulty_messages
from penstock.endpoints.ignored import ignored_headers
from penstock.endpoints.messages import (
    Fields,
    error_message,
    previous_of,
    read_event,
    request_body,
    steer_failed,
    stream_id,
)
from penstock.endpoints.stream_queues import StreamQueues
from penstock.engine import Engine
from penstock.engine.offload import offload
from penstock.errors import ApiError, internal_error, invalid, quoted, stopping, untraced
from penstock.responders import read_messages
from penstock.secrets import Secret
from penstock.telemetry import CLIENT_LEFT, AccessRecord, current, enter
from penstock.websocket import GOING_AWAY, Channel, ChannelClosed
from penstock.wire import ClientEvent

Admit: TypeAlias = Callable[[], str]
"""Returns the owner of the rows that the caller may use. Raises `ApiError` where its key has expired."""

_log = logging.getLogger("penstock.socket")


class CloseReason(msgspec.Struct, frozen=True):
    """The reason why a connection ends."""

    reason: str
    """The text of the close frame, of at most 123 bytes (RFC 6455, section 5.5.1)."""
    error: Callable[[], ApiError]
    """Makes the error for requests that come later. It is new each time, since a raised error has a traceback."""
    is_sent: bool = False
    """Whether the error is always sent, before the close frame."""
    cuts: bool = False
    """Whether running responses are cut. Otherwise the connection ends after them."""


_STOPPING = CloseReason("The server is stopping.", stopping)
_IDLE = CloseReason("The connection was idle.", lambda: invalid("The connection was idle for too long."), cuts=True)


class Socket:
    """One connection of one caller, whose key is checked for each response. `key` is the caller's bearer token.

    `synthetic` has options of the synthetic model, from the header of the handshake.
    """

    def __init__(self, engine: Engine, channel: Channel, admit: Admit, key: Secret | None, synthetic: str = "") -> None:
        self._engine = engine
        self._limits = engine.limits
        self._channel = channel
        self._admit = admit
        self._key = key
        self._synthetic = synthetic
        self._handshake = current()
        self._recent = engine.recents.open()
        self._queues = StreamQueues(engine.limits, self._on_idle)
        self._sending = asyncio.Lock()
        self._close_reason: CloseReason | None = None
        self._ended = asyncio.Event()
        self._active_at = asyncio.get_running_loop().time()

    async def serve(self) -> None:
        """Answer the client until it leaves, or the connection has to end."""
        loop = asyncio.get_running_loop()
        self._idle = loop.call_later(self._limits.socket_idle_s, self._check_idle)
        age = loop.call_later(self._limits.socket_age_s, self.end, self._too_old())
        reading = asyncio.ensure_future(self._read())
        ended = asyncio.ensure_future(self._ended.wait())
        try:
            await asyncio.wait({reading, ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            age.cancel()
            self._idle.cancel()
            ended.cancel()
            has_left = reading.done()
            reading.cancel()
            await self._queues.aclose()
            self._recent.close()
        await asyncio.wait({reading})
        if has_left:
            reading.result()  # raises the error of a bug
        elif self._close_reason is not None:
            await self._close(self._close_reason)

    @property
    def waiting(self) -> int:
        """How many requests wait on this connection."""
        return self._queues.waiting

    def end(self, reason: CloseReason) -> None:
        """Start no more responses, and end the connection when the running ones have ended."""
        self._close_reason = self._close_reason or reason
        if reason.cuts or self._queues.are_idle:
            self._ended.set()

    def stop(self) -> None:
        """The server is stopping."""
        self.end(_STOPPING)

    async def _read(self) -> None:
        """Read messages until the client leaves. Nothing else shows that it has left."""
        with suppress(ChannelClosed):
            while (message := await self._channel.receive()) is not None:
                self._active_at = asyncio.get_running_loop().time()
                await self._handle(message)

    async def _handle(self, message: bytes) -> None:
        """Put a message into the queue of its stream, or send an error about it."""
        stream: str | None = None
        self._begin()
        try:
            event, fields = await offload(len(message), read_event, message, self._limits)
            stream = stream_id(event)
            await _answer(event.type)(self, event, fields, stream)
        except ApiError as error:
            self._forget_previous(message)
            await self._send_error(error, stream)
            self._end(error.status)

    def _begin(self) -> None:
        """Begin the access record of a message, with the ids of the connection."""
        handshake = self._handshake
        record = self._engine.recorder.begin("WEBSOCKET", handshake.path, handshake.request_id, handshake.trace)
        record.key_name = handshake.key_name

    def _end(self, status: int) -> None:
        """End the access record of the message that this task handles."""
        self._engine.recorder.end(current(), status)

    async def _create(self, event: ClientEvent, fields: Fields, stream: str | None) -> None:
        body = request_body(event, fields)
        if self._close_reason is not None:
            raise self._close_reason.error()
        self._queues.put(stream, partial(self._respond, body, event, stream, current()), len(body))

    async def _steer(self, event: ClientEvent, fields: Fields, stream: str | None) -> None:
        await self._send([steer_failed(fields, self._limits)])
        self._end(200)

    async def _respond(self, body: bytes, event: ClientEvent, stream: str | None, record: AccessRecord) -> None:
        """Make one response, and send its events. Never raises."""
        enter(record)
        status = CLIENT_LEFT
        try:
            status = await self._attempt(body, event, stream)
        except ChannelClosed:
            """The client has left: nothing can be sent."""
        finally:
            self._end(status)

    async def _attempt(self, body: bytes, event: ClientEvent, stream: str | None) -> int:
        """Send the events or the error of a response. Returns its HTTP status. Raises `ChannelClosed`."""
        try:
            await self._run_and_send(body, event, stream)
        except ApiError as error:
            self._forget_previous(body)
            return await self._send_error(untraced(error), stream)
        except ChannelClosed:
            raise
        except ConnectionAbortedError:
            await self._channel.cut()
        except Exception as error:
            _log.exception("a response over WebSocket failed by a fault of this server")
            untraced(error)
            self._forget_previous(body)
            return await self._send_error(internal_error(), stream)
        return 200

    async def _run_and_send(self, body: bytes, event: ClientEvent, stream: str | None) -> None:
        if self._close_reason is not None:
            raise self._close_reason.error()
        with self._engine.drain.answering():
            prepared = await self._engine.prepare(
                body,
                self._admit(),
                self._key,
                recent=self._recent,
                generate=event.generate is not False,
                synthetic=self._synthetic,
            )
            if event.stream is False:
                prepared = prepared.ignoring("stream")
            run = await self._engine.run(prepared)
        messages_of = faulty_messages(read_messages(run, ignored_headers(run.plan), stream), run)
        async with aclosing(messages_of) as batches:
            async for messages in batches:
                if run.has_failed:
                    self._forget_previous(body)
                if messages:
                    await self._send(messages)
                else:
                    self._active_at = asyncio.get_running_loop().time()

    def _forget_previous(self, turn: bytes) -> None:
        """A turn failed: remove the response before it from the cache (OpenAI's guide to WebSocket mode)."""
        # spec: ws-eviction
        if response_id := previous_of(turn):
            self._recent.forget(response_id)

    async def _send_error(self, error: ApiError, stream: str | None = None) -> int:
        """Send an error. Returns its status."""
        current().failed(error)
        await self._send([error_message(error, stream)])
        return error.status

    async def _send(self, messages: Sequence[bytes]) -> None:
        """Send messages after the ones before were sent, so that a slow client slows its upstreams down."""
        async with self._sending:
            await self._channel.send(messages)
        self._active_at = asyncio.get_running_loop().time()

    async def _close(self, reason: CloseReason) -> None:
        """Send the reason and close the connection. It does not wait long for a client that does not read."""
        with suppress(ChannelClosed, TimeoutError):
            async with asyncio.timeout(self._limits.socket_close_s):
                if reason.is_sent:
                    await self._send_error(reason.error())
                await self._channel.close(GOING_AWAY, reason.reason)

    def _too_old(self) -> CloseReason:
        age = f"{self._limits.socket_age_s / 60:g} minutes"
        message = f"This WebSocket connection has reached its limit of {age}: open another one to go on."
        error = partial(invalid, message, code="websocket_connection_limit_reached")
        return CloseReason(f"A connection lasts {age}.", error, is_sent=True)

    def _check_idle(self) -> None:
        """End the connection if it was idle for too long. A run that waits for its upstream sends heartbeats."""
        loop = asyncio.get_running_loop()
        left_s = self._active_at + self._limits.socket_idle_s - loop.time()
        if left_s > 0:
            self._idle = loop.call_later(left_s, self._check_idle)
        else:
            self.end(_IDLE)

    def _on_idle(self) -> None:
        if self._close_reason is not None:
            self._ended.set()


_Answer: TypeAlias = Callable[[Socket, ClientEvent, Fields, str | None], Awaitable[None]]
_ANSWERS: dict[str, _Answer] = {"response.create": Socket._create, "response.steer": Socket._steer}
"""The method for each type of a client's event."""


def _answer(event_type: str) -> _Answer:
    answer = _ANSWERS.get(event_type)
    if answer is None:
        known = " and ".join(f"'{name}'" for name in _ANSWERS)
        message = f"Unknown event type: {quoted(event_type)}. Supported are {known}."
        raise invalid(message, "type", "unknown_event_type")
    return answer
