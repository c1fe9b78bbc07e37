"""A search engine over a transport: one request for each query, in bounded time and size."""

from __future__ import annotations

import asyncio

import msgspec

from penstock.limits import Limits
from penstock.ports import HttpReply, SearchFailed, SearchQuery, SearchResult, Transport, TransportError

from .engines import Engine

_REASONS = {
    400: "it does not accept the request; the plan of the key may lack an option",
    401: "it does not accept the key",
    402: "the credit of the key is used up",
    403: "it refuses access; for SearXNG, list json in search.formats of its settings",
    422: "it does not accept the request, or the key",
    429: "it allows no more searches for now",
    432: "the limit of the key's plan is reached",
    433: "the limit of what the key may cost is reached",
}
"""Why engines refuse a query, by the status, as they document it."""
_TOO_MANY = 429
_ATTEMPTS_MAX = 4
"""How often a query is asked: the queries of one call come at once, and some plans allow one a second."""
_PAUSES_S = ("1", "2", "3")
"""The pauses that are waited, of those that an engine states."""


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
        """The body of the reply to a query. It is asked again where the engine states that it may be, soon."""
        for _ in range(_ATTEMPTS_MAX - 1):
            reply = await self._send(query)
            pause_s = _pause_s(reply)
            if pause_s is None:
                return await self._read(reply)
            await reply.aclose()
            await asyncio.sleep(pause_s)
        return await self._read(await self._send(query))

    async def _send(self, query: SearchQuery) -> HttpReply:
        return await self._transport.send(self._engine.format.request(query, self._key))

    async def _read(self, reply: HttpReply) -> bytes:
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


def _pause_s(reply: HttpReply) -> float | None:
    """After how many seconds a query may be asked again. None where that is not stated, or not soon."""
    if reply.status != _TOO_MANY:
        return None
    stated = reply.headers.get("retry-after") or reply.headers.get("x-ratelimit-reset", "")
    seconds = stated.partition(",")[0].strip()  # Brave has one value for each limit, that of the second first
    return float(seconds) if seconds in _PAUSES_S else None
