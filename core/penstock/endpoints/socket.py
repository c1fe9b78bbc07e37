"""A socket: one WebSocket connection, from its first message to its end.

It knows what a client may say and what it is told in return. A response is made by the engine as for any other client;
what the connection has that a request has not is a memory, lanes, and an end of its own.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping
from contextlib import aclosing, suppress
from functools import partial
from typing import NamedTuple

import msgspec

from penstock.channel import GOING_AWAY, Channel, ChannelClosed
from penstock.endpoints.lanes import Lanes
from penstock.endpoints.responses import told
from penstock.engine import Engine, Recent
from penstock.engine.bodies import read_body
from penstock.errors import ApiError, invalid, our_fault
from penstock.readers import read_messages
from penstock.secrets import Secret
from penstock.wire import NULL, UNSET, ClientEvent, UnsetType, WebSocketError, WebSocketErrorDetail

_log = logging.getLogger("penstock.socket")
_encode = msgspec.json.Encoder().encode

_CREATE = "response.create"
_STREAM_ID = re.compile(rb'"([A-Za-z0-9_.-]{1,256})"')
_NO_PART_OF_THE_REQUEST = frozenset({"type", "stream_id", "generate", "stream", "background"})


class Ending(NamedTuple):
    """Why a connection ends."""

    reason: str
    """For the close frame: at most 123 bytes."""
    error: ApiError
    """What is told to those who ask for more."""
    is_told: bool = False
    """Whether the error is told in any case, before the end."""
    cuts: bool = False
    """Whether what runs is cut, and not waited for."""


STOPPING = Ending(
    "The server is stopping.",
    ApiError("The server is stopping; connect again.", status=503, type="server_error", code="server_stopping"),
)
_IDLE = Ending("The connection was idle.", ApiError("The connection was idle for too long."), cuts=True)


class Socket:
    """One connection of one caller. `owner` guards every row that is touched; `key` is the caller's own bearer."""

    def __init__(self, engine: Engine, channel: Channel, owner: str, key: Secret | None) -> None:
        self._engine = engine
        self._limits = engine.limits
        self._channel = channel
        self._owner = owner
        self._key = key
        self._recent = Recent(engine.limits)
        self._lanes = Lanes(engine.limits, self._on_rest)
        self._sending = asyncio.Lock()
        self._ending: Ending | None = None
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
        await asyncio.wait({reading})
        if has_left:
            reading.result()  # a bug is told to whoever called
        elif self._ending is not None:
            await self._take_leave(self._ending)

    def end(self, ending: Ending) -> None:
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
        stream_id: str | None = None
        try:
            self._check_size(message)
            event, fields = read_body(message, ClientEvent, items="")
            stream_id = _stream_id(event.stream_id)
            self._create(event, fields, stream_id)
        except ApiError as error:
            await self._refuse(error, stream_id)

    def _check_size(self, message: bytes) -> None:
        most = self._limits.body_bytes_max
        if len(message) > most:
            text = f"The message is too long: at most {most} bytes are taken."
            raise ApiError(text, status=413, code="request_too_large")

    def _create(self, event: ClientEvent, fields: Mapping[str, msgspec.Raw], stream_id: str | None) -> None:
        if event.type != _CREATE:
            message = f"Unknown event type: '{event.type[:64]}'. Only '{_CREATE}' is taken here."
            raise invalid(message, "type", "unknown_event_type")
        if event.background:
            message = "A response over WebSocket cannot run in the background: use POST /v1/responses."
            raise invalid(message, "background", "unsupported_parameter")
        if self._ending is not None:
            raise self._ending.error
        request = {name: value for name, value in fields.items() if name not in _NO_PART_OF_THE_REQUEST}
        body = _encode(request | {"stream": True})
        self._lanes.put(stream_id, partial(self._respond, body, event, stream_id), len(body))

    async def _respond(self, body: bytes, event: ClientEvent, stream_id: str | None) -> None:
        """Make one response, and send its events. Never raises."""
        with suppress(ChannelClosed):
            try:
                await self._tell(body, event, stream_id)
            except ApiError as error:
                await self._refuse(error, stream_id)
            except ChannelClosed:
                raise
            except Exception:
                _log.exception("%s failed by a fault of this server", _CREATE)
                await self._refuse(our_fault(), stream_id)

    async def _tell(self, body: bytes, event: ClientEvent, stream_id: str | None) -> None:
        if self._ending is not None:
            raise self._ending.error
        prepared = await self._engine.prepare(
            body, self._owner, self._key, recent=self._recent, generate=event.generate is not False
        )
        if event.stream is False:
            prepared.plan.ignored.append("stream")
        _log.info("%s %s", _CREATE, prepared.plan.skeleton.id)
        run = await self._engine.run(prepared)
        async with aclosing(read_messages(run, told(prepared.plan), stream_id)) as batches:
            async for messages in batches:
                self._spoke_at = asyncio.get_running_loop().time()
                for message in messages:
                    await self._send(message)

    async def _refuse(self, error: ApiError, stream_id: str | None = None) -> None:
        _log.info("%s %d %s", _CREATE, error.status, error.code)
        detail = WebSocketErrorDetail(
            message=error.message,
            type=error.type,
            param=error.param,
            code=error.code or error.type,
            headers=dict(error.headers()) or UNSET,
        )
        await self._send(_encode(WebSocketError(status=error.status, error=detail, stream_id=stream_id or UNSET)))

    async def _send(self, message: bytes) -> None:
        """Send a message, each when the last was taken, so that a slow client slows its upstreams."""
        async with self._sending:
            await self._channel.send(message)
        self._spoke_at = asyncio.get_running_loop().time()

    async def _take_leave(self, ending: Ending) -> None:
        """Say why, and close; a client that does not listen is not waited for."""
        with suppress(ChannelClosed, TimeoutError):
            async with asyncio.timeout(self._limits.socket_close_s):
                if ending.is_told:
                    await self._refuse(ending.error)
                await self._channel.close(GOING_AWAY, ending.reason)

    def _too_old(self) -> Ending:
        age = f"{self._limits.socket_age_s / 60:g} minutes"
        message = f"This WebSocket connection has reached its limit of {age}: open another one to go on."
        error = invalid(message, None, "websocket_connection_limit_reached")
        return Ending(f"A connection lasts {age}.", error, is_told=True)

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


def _stream_id(given: msgspec.Raw | UnsetType) -> str | None:
    """The name of a lane; None for the one without. Raises `ApiError`."""
    if isinstance(given, UnsetType) or given == NULL:
        return None
    found = _STREAM_ID.fullmatch(bytes(given))
    if found is None:
        message = (
            "Invalid 'stream_id': expected 1 to 256 letters, digits, underscores, hyphens or periods. "
            "Leave it out for the stream without a name."
        )
        raise invalid(message, "stream_id", "invalid_stream_id")
    return found[1].decode()
