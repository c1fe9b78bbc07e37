"""A socket: one WebSocket connection, from its first message to its end.

It knows what a client may say and what it is told in return. A response is made by the engine as for any other client;
what the connection has that a request has not is a memory, lanes, and an end of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from functools import partial
from typing import NamedTuple, TypeAlias

from penstock.endpoints.messages import (
    Fields,
    error_message,
    previous_of,
    read_event,
    request_body,
    steer_failed,
    stream_id,
)
from penstock.endpoints.responses import told
from penstock.endpoints.stream_queues import Lanes
from penstock.engine import Engine
from penstock.engine.offload import offload
from penstock.errors import ApiError, invalid, our_fault, quoted, stopping, untraced
from penstock.responders import read_messages
from penstock.secrets import Secret
from penstock.telemetry import CLIENT_LEFT, AccessRecord, current, enter
from penstock.websocket import GOING_AWAY, Channel, ChannelClosed
from penstock.wire import ClientEvent

Admit: TypeAlias = Callable[[], str]
"""The owner of the rows that the caller may touch. Raises `ApiError` for one whose key has expired."""

_log = logging.getLogger("penstock.socket")


class CloseReason(NamedTuple):
    """Why a connection ends."""

    reason: str
    """For the close frame: at most 123 bytes."""
    error: Callable[[], ApiError]
    """What is told to those who ask for more; a new one each time, since one that is raised remembers where."""
    is_told: bool = False
    """Whether the error is told in any case, before the end."""
    cuts: bool = False
    """Whether what runs is cut, and not waited for."""


STOPPING = CloseReason("The server is stopping.", stopping)
_IDLE = CloseReason("The connection was idle.", lambda: invalid("The connection was idle for too long."), cuts=True)


class Socket:
    """One connection of one caller, who is admitted anew to each response. `key` is the caller's own bearer."""

    def __init__(self, engine: Engine, channel: Channel, admit: Admit, key: Secret | None) -> None:
        self._engine = engine
        self._limits = engine.limits
        self._channel = channel
        self._admit = admit
        self._key = key
        self._handshake = current()
        self._recent = engine.recents.open()
        self._lanes = Lanes(engine.limits, self._on_rest)
        self._sending = asyncio.Lock()
        self._ending: CloseReason | None = None
        self._over = asyncio.Event()
        self._spoke_at = asyncio.get_running_loop().time()

    async def serve(self) -> None:
        """Answer the client until it leaves or the connection has to end."""
        loop = asyncio.get_running_loop()
        self._idle = loop.call_later(self._limits.socket_idle_s, self._look)
        age = loop.call_later(self._limits.socket_age_s, self.end, self._too_old())
        reading = asyncio.ensure_future(self._read())
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait({reading, over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            age.cancel()
            self._idle.cancel()
            over.cancel()
            has_left = reading.done()
            reading.cancel()
            await self._lanes.aclose()
            self._recent.close()
        await asyncio.wait({reading})
        if has_left:
            reading.result()  # a bug is told to whoever called
        elif self._ending is not None:
            await self._take_leave(self._ending)

    def end(self, ending: CloseReason) -> None:
        """Begin nothing more; end when what runs has ended."""
        self._ending = self._ending or ending
        if ending.cuts or self._lanes.are_at_rest:
            self._over.set()

    async def _read(self) -> None:
        """Take messages for as long as they come: a client that leaves is seen by nothing else."""
        with suppress(ChannelClosed):
            while (message := await self._channel.receive()) is not None:
                self._spoke_at = asyncio.get_running_loop().time()
                await self._take(message)

    async def _take(self, message: bytes) -> None:
        """Put a message to its lane, or tell what is wrong with it."""
        stream: str | None = None
        self._begin()
        try:
            event, fields = await offload(len(message), read_event, message, self._limits)
            stream = stream_id(event)
            await _answer(event.type)(self, event, fields, stream)
        except ApiError as error:
            self._forget_past(message)
            await self._refuse(error, stream)
            self._end(error.status)

    def _begin(self) -> None:
        """A message has come: it has a record of its own, under the id of the connection's request."""
        record = self._engine.recorder.begin("WEBSOCKET", self._handshake.path, self._handshake.request_id)
        record.key_name = self._handshake.key_name

    def _end(self, status: int) -> None:
        """The message that this task works for was answered."""
        self._engine.recorder.end(current(), status)

    async def _create(self, event: ClientEvent, fields: Fields, stream: str | None) -> None:
        body = request_body(event, fields)
        if self._ending is not None:
            raise self._ending.error()
        self._lanes.put(stream, partial(self._respond, body, event, stream, current()), len(body))

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
            """There is no one to tell."""
        finally:
            self._end(status)

    async def _attempt(self, body: bytes, event: ClientEvent, stream: str | None) -> int:
        """The status that the response would have by HTTP, its events or its error sent. Raises `ChannelClosed`."""
        try:
            await self._tell(body, event, stream)
        except ApiError as error:
            self._forget_past(body)
            return await self._refuse(untraced(error), stream)
        except ChannelClosed:
            raise
        except Exception as error:
            _log.exception("a response over WebSocket failed by a fault of this server")
            untraced(error)
            self._forget_past(body)
            return await self._refuse(our_fault(), stream)
        return 200

    async def _tell(self, body: bytes, event: ClientEvent, stream: str | None) -> None:
        if self._ending is not None:
            raise self._ending.error()
        with self._engine.drain.answering():
            prepared = await self._engine.prepare(
                body, self._admit(), self._key, recent=self._recent, generate=event.generate is not False
            )
            if event.stream is False:
                prepared.plan.ignored.append("stream")
            run = await self._engine.run(prepared)
        async with aclosing(read_messages(run, told(prepared.plan), stream)) as batches:
            async for messages in batches:
                if run.has_failed:
                    self._forget_past(body)
                if messages:
                    await self._send(messages)
                else:
                    self._spoke_at = asyncio.get_running_loop().time()

    def _forget_past(self, turn: bytes) -> None:
        """A turn failed: what it went on from is not remembered any more (OpenAI's guide to WebSocket mode)."""
        # spec: ws-eviction
        if response_id := previous_of(turn):
            self._recent.forget(response_id)

    async def _refuse(self, error: ApiError, stream: str | None = None) -> int:
        """Send an error; its status."""
        current().failed(error)
        await self._send([error_message(error, stream)])
        return error.status

    async def _send(self, messages: Sequence[bytes]) -> None:
        """Send messages when the last ones were taken, so that a slow client slows its upstreams."""
        async with self._sending:
            await self._channel.send(messages)
        self._spoke_at = asyncio.get_running_loop().time()

    async def _take_leave(self, ending: CloseReason) -> None:
        """Say why, and close; a client that does not listen is not waited for."""
        with suppress(ChannelClosed, TimeoutError):
            async with asyncio.timeout(self._limits.socket_close_s):
                if ending.is_told:
                    await self._refuse(ending.error())
                await self._channel.close(GOING_AWAY, ending.reason)

    def _too_old(self) -> CloseReason:
        age = f"{self._limits.socket_age_s / 60:g} minutes"
        message = f"This WebSocket connection has reached its limit of {age}: open another one to go on."
        error = partial(invalid, message, code="websocket_connection_limit_reached")
        return CloseReason(f"A connection lasts {age}.", error, is_told=True)

    def _look(self) -> None:
        """End the connection if nobody has said anything; a run that waits for its upstream says so by heartbeats."""
        loop = asyncio.get_running_loop()
        left_s = self._spoke_at + self._limits.socket_idle_s - loop.time()
        if left_s > 0:
            self._idle = loop.call_later(left_s, self._look)
        else:
            self.end(_IDLE)

    def _on_rest(self) -> None:
        if self._ending is not None:
            self._over.set()


_Answer: TypeAlias = Callable[[Socket, ClientEvent, Fields, str | None], Awaitable[None]]
_ANSWERS: dict[str, _Answer] = {"response.create": Socket._create, "response.steer": Socket._steer}
"""What each event of a client's does."""


def _answer(event_type: str) -> _Answer:
    answer = _ANSWERS.get(event_type)
    if answer is None:
        known = " and ".join(f"'{name}'" for name in _ANSWERS)
        message = f"Unknown event type: {quoted(event_type)}. Taken here are {known}."
        raise invalid(message, "type", "unknown_event_type")
    return answer
