"""Replies to chat clients with the faults that options ask for."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping

from penstock.dialects.synthetic.wire_faults import WireFaults
from penstock.ports import HttpReply

from .event_formats import ChatEvents
from .faulty_stream import FaultyStream, faulty_body, faulty_sse

_LENGTH = "content-length"


class FaultyReply:
    """Another reply, a stream of chunks or a JSON body, with faults. Each chunk is an event."""

    def __init__(self, reply: HttpReply, faults: WireFaults, *, stream: bool) -> None:
        self.status = reply.status
        self.headers: Mapping[str, str] = {name: value for name, value in reply.headers.items() if name != _LENGTH}
        self._reply = reply
        form = ChatEvents()
        if stream:
            self._pieces = faulty_sse(aiter(reply), FaultyStream(faults, form))
        else:
            self._pieces = _faulty_json(reply, faults, form)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces

    async def aclose(self) -> None:
        """End the reply, whether or not anything was read."""
        await self._pieces.aclose()
        await self._reply.aclose()


async def _faulty_json(reply: HttpReply, faults: WireFaults, form: ChatEvents) -> AsyncGenerator[bytes]:
    body = b"".join([piece async for piece in reply])
    async for piece in faulty_body(body, faults, form.json):
        yield piece
