"""A search engine over a transport: one request for each query, in bounded time and size."""

from __future__ import annotations

import asyncio

import msgspec

from penstock.limits import Limits
from penstock.ports import HttpReply, SearchFailed, SearchQuery, SearchResult, Transport, TransportError

from .engines import Engine

_REASONS = {
    401: "it does not accept the key",
    403: "it refuses access; for SearXNG, list json in search.formats of its settings",
    429: "it allows no more searches for now",
}


class EngineClient:
    """Asks one engine. No message contains its address or its key."""

    def __init__(self, engine: Engine, key: str, transport: Transport, limits: Limits) -> None:
        self._engine = engine
        self._key = key
        self._transport = transport
        self._limits = limits

    async def search(self, query: SearchQuery) -> list[SearchResult]:
        """The results, the best first. Raises `SearchFailed`."""
        try:
            async with asyncio.timeout(self._limits.search_s):
                return self._engine.format.results(await self._ask(query))
        except TimeoutError:
            raise SearchFailed(f"the search engine did not answer within {self._limits.search_s:g} s") from None
        except TransportError as error:
            raise SearchFailed(f"the search engine cannot be reached: {error}") from None
        except msgspec.MsgspecError:
            raise SearchFailed("the search engine's answer has an unknown form") from None

    async def aclose(self) -> None:
        """Close every connection."""
        await self._transport.aclose()

    async def _ask(self, query: SearchQuery) -> bytes:
        """The body of the reply to a query."""
        reply = await self._transport.send(self._engine.format.request(query, self._key))
        try:
            if reply.status != 200:
                reason = _REASONS.get(reply.status, "")
                raise SearchFailed(
                    f"the search engine answered with status {reply.status}" + (reason and f": {reason}")
                )
            return await self._body(reply)
        finally:
            await reply.aclose()

    async def _body(self, reply: HttpReply) -> bytes:
        body = bytearray()
        async for chunk in reply:
            body += chunk
            if len(body) > self._limits.search_reply_bytes_max:
                raise SearchFailed("the search engine's answer is too large")
        return bytes(body)
