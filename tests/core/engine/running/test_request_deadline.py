"""The deadline of a request: whatever its host would cut is answered before, and the upstream's call is closed."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable
from typing import Any, TypeVar

import pytest

from core.kit import (
    JSON_HEADERS,
    LIMITS,
    Answer,
    FakeUpstream,
    OpenSealer,
    Scripted,
    ScriptedReply,
    drain,
    routes,
    service,
)
from penstock.access import Access
from penstock.dialects.chat_completions import ChatCompletions, Options
from penstock.engine import RemoteUpstream
from penstock.engine.running.request_deadline import request_deadline
from penstock.http import Request
from penstock.limits import Limits
from penstock.ports import StoredResponse
from penstock.service import Service
from penstock.stores.memory import MemoryStore
from penstock.transcript.deltas import TextDelta
from requirements import shows
from support import oracle, sse

T = TypeVar("T")
HI = [TextDelta("Hi")]
SOON_S = 0.5
"""A deadline so soon that a test need not wait long. The response ends 0.2 s before it."""


def go(coroutine: Awaitable[T]) -> T:
    return asyncio.run(asyncio.wait_for(coroutine, 20))


def request(body: dict[str, Any] | None = None, path: str = "/v1/responses", in_s: float | None = SOON_S) -> Request:
    return Request(
        method="POST" if body else "GET",
        path=path,
        headers=JSON_HEADERS,
        body=json.dumps(body).encode() if body else b"",
        deadline_s=None if in_s is None else time.monotonic() + in_s,
    )


async def answer(service: Service, asked: Request) -> Answer:
    reply = await service.handle(asked)
    return Answer(reply.status, dict(reply.headers), await drain(reply))


def code(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json()["error"]["code"]


class NotingStore(MemoryStore):
    """A store that notes what is saved."""

    def __init__(self) -> None:
        super().__init__()
        self.saved: list[StoredResponse] = []

    async def save(self, response: StoredResponse) -> bool:
        self.saved.append(response)
        return await super().save(response)


LATE = (504, "deadline_exceeded")


@shows("request-deadline")
def test_a_stream_ends_with_its_output_so_far() -> None:
    upstream = FakeUpstream(HI, None)
    got = go(answer(service(upstream), request({"input": "Hi", "stream": True})))
    response = oracle.check_stream(sse.events(got.body))
    assert (got.status, response["status"], response["incomplete_details"]) == (200, "incomplete", {"reason": None})
    assert response["output"][0]["content"][0]["text"] == "Hi"
    assert upstream.closed == 1


@shows("request-deadline")
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("in_s", [SOON_S, 0.0, -5.0], ids=["soon", "now", "over"])
def test_what_the_upstream_has_not_accepted_is_504(stream: bool, in_s: float) -> None:
    upstream = FakeUpstream(HI, opening=asyncio.Event())
    assert code(go(answer(service(upstream), request({"input": "Hi", "stream": stream}, in_s=in_s)))) == LATE


@shows("request-deadline")
def test_a_stream_that_has_begun_before_the_upstream_accepts_is_incomplete() -> None:
    upstream = FakeUpstream(HI, opening=asyncio.Event())
    limits = LIMITS.__class__(head_wait_s=0.01)
    got = go(answer(service(upstream, limits=limits), request({"input": "Hi", "stream": True})))
    assert oracle.check_stream(sse.events(got.body))["status"] == "incomplete"


@shows("request-deadline")
def test_a_body_is_504_and_stored_as_failed() -> None:
    upstream, store = FakeUpstream(HI, None), NotingStore()

    got = go(answer(service(upstream, store=store), request({"input": "Hi"})))
    assert code(got) == LATE
    assert [(row.status, row.background) for row in store.saved] == [("failed", False)]
    assert upstream.closed == 1


@shows("request-deadline")
def test_a_compaction_is_504() -> None:
    made = service(FakeUpstream(HI, None), sealer=OpenSealer())
    got = go(answer(made, request({"model": "any", "input": "Hi"}, "/v1/responses/compact")))
    assert code(got) == LATE


def relayed(*replies: ScriptedReply | None) -> Service:
    upstream = RemoteUpstream(ChatCompletions(Options(), LIMITS), Scripted(*replies), LIMITS)
    return Service(routes(upstream), access=Access([]), limits=LIMITS)


@shows("request-deadline")
def test_a_relay_without_a_reply_is_504() -> None:
    assert code(go(answer(relayed(None), request({"model": "any"}, "/v1/chat/completions")))) == LATE


@shows("request-deadline", "cut-relays")
def test_a_relay_that_has_begun_is_cut() -> None:
    reply = ScriptedReply(b"data: 1\n\n", None)

    async def main() -> bytes | bytearray:
        got = await relayed(reply).handle(request({"model": "any", "stream": True}, "/v1/chat/completions"))
        assert got.body is not None
        assert not isinstance(got.body, bytes)
        pieces = aiter(got.body)
        first = await anext(pieces)
        with pytest.raises(ConnectionAbortedError):
            await anext(pieces)
        await got.body.aclose()
        return first

    assert go(main()) == b"data: 1\n\n"
    assert reply.closed == 1


class SilentStore(MemoryStore):
    """A store that does not answer."""

    async def response(self, owner: str, response_id: str) -> Any:
        await asyncio.Event().wait()


@shows("request-deadline")
def test_any_other_route_is_504() -> None:
    made = service(FakeUpstream(), store=SilentStore())
    assert code(go(answer(made, request(path="/v1/responses/resp_" + "0" * 48)))) == LATE


@shows("request-deadline")
def test_a_stream_of_a_stored_response_ends_with_an_error() -> None:
    async def main() -> Answer:
        made = service(FakeUpstream(HI, None), store=MemoryStore())
        try:
            return await answer(made, request({"input": "Hi", "stream": True, "background": True}))
        finally:
            await made.aclose()

    events = sse.events(go(main()).body)
    assert (events[-1]["type"], events[-1]["code"]) == ("error", "deadline_exceeded")


@shows("request-deadline")
def test_each_request_has_its_own_deadline() -> None:
    async def main() -> tuple[Answer, Answer]:
        more = asyncio.Event()
        made = service(FakeUpstream(HI, more, HI))
        late, complete = (
            asyncio.ensure_future(answer(made, request({"input": "Hi", "stream": True}, in_s=in_s)))
            for in_s in (SOON_S, 60)
        )
        cut = await late
        more.set()
        return cut, await complete

    statuses = [sse.events(got.body)[-1]["response"]["status"] for got in go(main())]
    assert statuses == ["incomplete", "completed"]


@pytest.mark.parametrize(("in_s", "margin_s"), [(0.5, 0.2), (10, 1.0), (900, 2.0), (-1, 0.2)])
def test_how_much_earlier_it_ends(in_s: float, margin_s: float) -> None:
    async def main() -> tuple[float, float]:
        now = time.monotonic()
        deadline = request_deadline(now + in_s)
        assert deadline is not None
        return now + in_s - deadline.ends_s, now + in_s - deadline.replies_s

    ends, replies = go(main())
    assert (ends, replies) == (pytest.approx(margin_s, abs=0.1), pytest.approx(margin_s / 2, abs=0.1))


def test_a_request_without_a_deadline_has_none() -> None:
    assert request_deadline(None) is None


@pytest.mark.parametrize(("in_s", "limit_s", "left_s"), [(None, 10, 9), (100, 10, 9), (10, 100, 9), (10, 0, 9)])
def test_the_earlier_of_deadline_and_limit_counts(in_s: float | None, limit_s: float, left_s: float) -> None:
    async def main() -> float:
        deadline = request_deadline(None if in_s is None else time.monotonic() + in_s, limit_s)
        assert deadline is not None
        return deadline.ends_s - asyncio.get_running_loop().time()

    assert go(main()) == pytest.approx(left_s, abs=0.1)


@shows("request-deadline")
def test_each_request_of_a_limited_service_has_the_limit() -> None:
    made = service(FakeUpstream(HI, None), limits=Limits(request_s=0.5))
    events = sse.events(go(answer(made, request({"input": "Hi", "stream": True}, in_s=None))).body)
    assert events[-1]["response"]["status"] == "incomplete"
    assert code(go(answer(made, request({"input": "Hi"}, in_s=None)))) == LATE
