"""The deltas of a remote upstream: one turn, decoded as its bytes arrive.

It reads no delta but `UpstreamFailed`: errors are masked here, as `remote` masks those before the first byte.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TypeAlias

from penstock.errors import ApiError, upstream_failed
from penstock.ports import Decoder, Deltas, DirectSource, HttpReply, Outlet, TransportError
from penstock.transcript.deltas import Delta, UpstreamFailed

from .local import WholeDeltas
from .masking import Mask

MakeMask: TypeAlias = Callable[[], Mask]


class RemoteDeltas(DirectSource[list[Delta]]):
    """One turn, decoded as its bytes arrive; errors in it are masked."""

    def __init__(self, reply: HttpReply, decoder: Decoder, mask: MakeMask) -> None:
        self._reply = reply
        self._mask = mask
        self._chunks = aiter(reply)
        self._decoder = decoder
        self._ended = False

    def __aiter__(self) -> AsyncIterator[list[Delta]]:
        return self

    async def __anext__(self) -> list[Delta]:
        """The deltas of the next chunk. Nothing is read after a `[DONE]`."""
        if self._ended:
            raise StopAsyncIteration
        if self._decoder.is_done:
            return self._close()
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            return self._close()
        except TransportError as error:
            return self._cut(error)
        return self._decoded(self._decoder.feed, chunk)

    def send_to(self, outlet: Outlet[list[Delta]]) -> None:
        """Send the deltas of each chunk to the outlet, if the transport passes the chunks on at once."""
        if isinstance(self._reply, DirectSource):
            self._reply.send_to(Outlet(outlet.is_ready, partial(self._send_chunk, outlet.send)))

    def _send_chunk(self, send: Callable[[list[Delta]], None], chunk: bytes) -> None:
        send(self._decoded(self._decoder.feed, chunk))
        if self._decoder.is_done:
            raise StopAsyncIteration  # the reader, which waits for a chunk, has to close the decoder

    async def read_all(self) -> Deltas:
        """Read a reply that is not a stream to its end, so that an error in it is still an HTTP status."""
        deltas: list[Delta] = []
        decoder = self._decoder
        try:
            async for chunk in self._chunks:
                deltas += decoder.feed(chunk)
                if decoder.is_done:
                    break
            deltas += decoder.close()
        except TransportError as error:
            deltas += self._cut(error)
        except ApiError as error:
            # spec: masked-keys
            self._mask().error(error)
            raise
        finally:
            await self._reply.aclose()
        return WholeDeltas(self._masked(deltas) if decoder.is_done else deltas)

    async def aclose(self) -> None:
        """Close the reply: the connection is reused if the body was read, and else closed."""
        await self._reply.aclose()

    def _cut(self, error: TransportError) -> list[Delta]:
        """The connection has ended early, which does not matter to a reply that is finished."""
        if self._decoder.has_finished:
            return self._close()
        self._ended = True
        raise upstream_failed(f"The upstream's reply was cut: {error}") from None

    def _close(self) -> list[Delta]:
        self._ended = True
        return self._decoded(self._decoder.close)

    def _decoded(self, decode: Callable[..., list[Delta]], *chunk: bytes) -> list[Delta]:
        try:
            deltas = decode(*chunk)
        except ApiError as error:
            # spec: masked-keys
            self._mask().error(error)
            raise
        return self._masked(deltas) if self._decoder.is_done else deltas

    def _masked(self, deltas: list[Delta]) -> list[Delta]:
        """The deltas of the end of a reply, where failures are among them."""
        is_failed = any(isinstance(delta, UpstreamFailed) for delta in deltas)
        return self._mask().failures(deltas) if is_failed else deltas
