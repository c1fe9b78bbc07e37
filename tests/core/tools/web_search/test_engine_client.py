"""A search engine over a transport: what it answers, what goes wrong, and that no message has its key or address."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping

import pytest

from penstock.limits import Limits
from penstock.ports import HttpReply, HttpRequest, SearchFailed, SearchQuery, SearchResult, TransportError
from penstock.tools.web_search.engine_client import EngineClient
from penstock.tools.web_search.engines import read_engine

QUERY = SearchQuery(text="river", results_max=5, snippet_chars=100)
LIMITS = Limits(search_s=0.2, search_reply_bytes_max=1_000)
FOUND = json.dumps({"web": {"results": [{"url": "https://a.example/", "title": "A"}]}}).encode()


class Reply:
    """A reply that is read in pieces, with a pause before each."""

    def __init__(
        self, status: int, *pieces: bytes, pause_s: float = 0, headers: Mapping[str, str] | None = None
    ) -> None:
        self.status, self.pieces, self.pause_s = status, pieces, pause_s
        self.headers = headers or {}
        self.is_closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            await asyncio.sleep(self.pause_s)
            yield piece

    async def aclose(self) -> None:
        self.is_closed = True


class Transport:
    """It gives the replies in turn, the last one again and again."""

    def __init__(self, *replies: Reply | TransportError) -> None:
        self.replies = replies
        self.requests: list[HttpRequest] = []

    async def send(self, request: HttpRequest) -> HttpReply:
        self.requests.append(request)
        reply = self.replies[min(len(self.requests), len(self.replies)) - 1]
        if isinstance(reply, TransportError):
            raise reply
        return reply  # type: ignore[return-value]

    async def aclose(self) -> None:
        return


def search(*replies: Reply | TransportError, limits: Limits = LIMITS) -> list[SearchResult]:
    transport = Transport(*replies)
    client = EngineClient(read_engine("brave:"), "sk-canary", transport, limits)
    try:
        return asyncio.run(client.search(QUERY))
    finally:
        assert all(dict(request.headers)["x-subscription-token"] == "sk-canary" for request in transport.requests)
        assert len(transport.requests) >= len(replies)
        assert all(isinstance(reply, TransportError) or reply.is_closed for reply in replies)


PAUSES: dict[str, Mapping[str, str]] = {
    "a second": {"retry-after": "1"},
    "of two limits": {"x-ratelimit-remaining": "0, 900", "x-ratelimit-reset": "1, 1419704"},
}


@pytest.mark.parametrize("name", PAUSES)
def test_a_query_that_came_too_soon_is_asked_again(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some plans allow one query a second, and the queries of a call come at once."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    too_soon = Reply(429, headers=PAUSES[name])
    with monkeypatch.context() as patched:
        patched.setattr("penstock.tools.web_search.engine_client.asyncio.sleep", sleep)
        assert search(too_soon, too_soon, Reply(200, FOUND)) == [SearchResult(url="https://a.example/", title="A")]
        assert slept == [1, 1, 0]
        slept.clear()
        with pytest.raises(SearchFailed, match="status 429"):
            search(too_soon)
        assert slept == [1, 1, 1]


@pytest.mark.parametrize("stated", ["60", "-1", "soon", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT", "٣"])
def test_a_query_is_not_asked_again_much_later(stated: str) -> None:
    with pytest.raises(SearchFailed, match="status 429"):
        search(Reply(429, headers={"retry-after": stated}))


def test_an_answer_may_come_in_pieces() -> None:
    assert search(Reply(200, FOUND[:9], FOUND[9:])) == [SearchResult(url="https://a.example/", title="A")]


FAILURES: dict[str, tuple[Reply | TransportError, str]] = {
    "its key": (Reply(401, b"sk-canary"), "status 401: it does not accept the key"),
    "no access": (Reply(403), "status 403: it refuses access"),
    "its plan": (Reply(432), "status 432: the limit of the key's plan is reached"),
    "too often": (Reply(429), "status 429: it allows no more searches for now"),
    "its fault": (Reply(500, b"sk-canary"), "answered with status 500$"),
    "a redirect": (Reply(302), "answered with status 302$"),
    "another form": (Reply(200, b"<html>"), "the search engine's answer has an unknown form"),
    "too large": (Reply(200, *[b" " * 300] * 9), "the search engine's answer is too large"),
    "too slow": (Reply(200, *[b" "] * 9, pause_s=0.1), "did not answer within 0.2 s"),
    "not there": (TransportError("connection refused", cause="sk-canary"), "cannot be reached: connection refused"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_what_goes_wrong_has_a_reason_without_a_secret(name: str) -> None:
    reply, reason = FAILURES[name]
    with pytest.raises(SearchFailed, match=reason) as failed:
        search(reply)
    assert "canary" not in str(failed.value)
    assert "brave.com" not in str(failed.value)
