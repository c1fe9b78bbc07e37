"""Upstreams, each alone in its pool: when it is tried again and when not, whose key is sent, and what is closed."""

import asyncio
import json
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import pytest

from core.kit import LIMITS, FakeUpstream, Scripted, ScriptedReply, plan, routes, singly
from penstock.dialects.chat_completions import ChatCompletions, Options
from penstock.engine import LocalUpstream, RemoteUpstream, Route, Routes
from penstock.engine.upstreams.pool import Pool
from penstock.errors import ApiError
from penstock.ports import Deltas, HttpRequest, TransportError, Turn
from penstock.secrets import Secret
from penstock.transcript.deltas import Delta, Finish, TextDelta, TextRun
from penstock.wire import Model
from requirements import shows

T = TypeVar("T")

CHUNK = b'data: {"choices": [{"index": 0, "delta": {"content": "Hi"}}]}\n\n'
DONE = b"data: [DONE]\n\n"
BODY = b'{"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}'
JSON = {"content-type": "application/json"}
TURN = plan(stream=True).turn
PASSES_ON = routes(FakeUpstream(), takes_bearer=True)
DELTAS: list[Delta] = [TextDelta("Hi"), Finish()]


def remote(*replies: Any, **options: Any) -> tuple[Pool, Scripted]:
    transport = Scripted(*replies)
    upstream = RemoteUpstream(ChatCompletions(Options(), LIMITS), transport, LIMITS, **options)
    alone = Routes([Route(name="alone", upstream=upstream, takes_bearer=True)], limits=LIMITS).all[0].upstream
    assert isinstance(alone, Pool)
    return alone, transport


def go(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(coroutine, 10))


async def deltas_of(upstream: Pool, turn: Turn = TURN) -> list[Delta]:
    deltas = await upstream.open(turn)
    try:
        return await read(deltas)
    finally:
        await deltas.aclose()


async def read(deltas: Deltas) -> list[Delta]:
    return singly([delta async for batch in deltas for delta in batch])


def good() -> ScriptedReply:
    return ScriptedReply(CHUNK + DONE)


def refusal(status: int, body: bytes = b"") -> ScriptedReply:
    return ScriptedReply(body, status=status, headers=JSON)


BROKEN, LATE = TransportError("connection refused"), TransportError("no answer in 10 s", timed_out=True)

# what comes, one attempt after the other; how many are made; the status in the end
ATTEMPTS: dict[str, tuple[list[Any], int, int]] = {
    "at once": ([good()], 1, 200),
    "a broken connection": ([BROKEN, good()], 2, 200),
    "two": ([BROKEN, refusal(503), good()], 3, 200),
    "three": ([refusal(500), refusal(502), refusal(504), good()], 3, 504),
    "never": ([BROKEN], 3, 502),
    "no answer in time": ([LATE, good()], 1, 504),
    "a bad request": ([refusal(400), good()], 1, 400),
    "a wrong key": ([refusal(401), good()], 1, 502),
    "no such model": ([refusal(404), good()], 1, 404),
    "too much": ([refusal(429), good()], 1, 429),
    "a redirect": ([refusal(302), good()], 1, 502),
    "not implemented": ([refusal(501), good()], 1, 502),
}


@pytest.mark.parametrize(("replies", "attempts", "status"), ATTEMPTS.values(), ids=ATTEMPTS)
def test_it_tries_again_what_may_pass(replies: list[Any], attempts: int, status: int) -> None:
    upstream, transport = remote(*replies)
    if status == 200:
        assert go(deltas_of(upstream)) == DELTAS
    else:
        with pytest.raises(ApiError) as caught:
            go(deltas_of(upstream))
        assert caught.value.status == status
    assert len(transport.requests) == attempts
    assert [reply.closed for reply in replies[:attempts] if isinstance(reply, ScriptedReply)] == [1] * sum(
        isinstance(reply, ScriptedReply) for reply in replies[:attempts]
    )


@shows("retries")
def test_the_waits_between_attempts_double_with_jitter() -> None:
    upstream, _ = remote(good())
    for attempt in (1, 2, 3):
        waits = {upstream._backoff_s(attempt) for _ in range(100)}
        middle_s = LIMITS.retry_backoff_s * 2 ** (attempt - 1)
        assert middle_s / 2 <= min(waits) < max(waits) <= middle_s * 1.5
        assert len(waits) > 50


def test_after_the_first_byte_it_does_not_try_again() -> None:
    upstream, transport = remote(ScriptedReply(CHUNK, BROKEN), good())
    with pytest.raises(ApiError, match="cut: connection refused") as caught:
        go(deltas_of(upstream))
    assert (caught.value.status, len(transport.requests)) == (502, 1)
    assert [reply.closed for reply in transport.replies if isinstance(reply, ScriptedReply)] == [1, 0]


def test_an_error_page_that_is_cut_is_still_an_error() -> None:
    upstream, _ = remote(ScriptedReply(b'{"error": ', BROKEN, status=400, headers=JSON))
    with pytest.raises(ApiError, match="answered with status 400"):
        go(deltas_of(upstream))


def test_of_an_endless_error_page_little_is_read() -> None:
    page = ScriptedReply(*[b"x" * 1_000] * 1_000, status=400, headers=JSON)
    with pytest.raises(ApiError):
        go(deltas_of(remote(page)[0]))
    assert page.read <= LIMITS.upstream_error_bytes_max // 1_000 + 1


@pytest.mark.parametrize(
    "kind", ["text/event-stream", "text/event-stream; charset=utf-8", "Text/Event-Stream", "text/plain"]
)
def test_a_stream_is_sent_while_it_arrives(kind: str) -> None:
    async def main() -> list[list[Delta]]:
        upstream, _ = remote(ScriptedReply(CHUNK, CHUNK, None, headers={"content-type": kind}))
        deltas = await upstream.open(TURN)
        result = [await anext(aiter(deltas)), await anext(aiter(deltas))]
        await deltas.aclose()
        return result

    assert go(main()) == [[TextRun(["Hi"])], [TextRun(["Hi"])]]


@pytest.mark.parametrize("headers", [JSON, {}, {"content-type": "application/octet-stream"}])
def test_a_body_is_read_before_it_is_accepted(headers: dict[str, str]) -> None:
    """So that an error in it is still an HTTP status."""
    for text in (BODY, CHUNK + DONE):
        reply = ScriptedReply(text, headers=headers)
        assert go(deltas_of(remote(reply)[0])) == DELTAS
        assert reply.closed == 1
    with pytest.raises(ApiError, match="boom"):
        go(remote(ScriptedReply(b'{"error": "boom"}', headers=headers))[0].open(TURN))


def test_after_the_end_mark_nothing_is_waited_for() -> None:
    assert go(deltas_of(remote(ScriptedReply(CHUNK + DONE, None))[0])) == DELTAS


def test_a_cut_after_the_finish_loses_nothing() -> None:
    finish = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n'
    assert go(deltas_of(remote(ScriptedReply(CHUNK + finish, BROKEN))[0])) == DELTAS


def test_a_stream_that_has_ended_stays_ended() -> None:
    async def main() -> list[Delta]:
        deltas = await remote(good())[0].open(TURN)
        return await read(deltas) + await read(deltas)

    assert go(main()) == DELTAS


# Keys.

KEYS: dict[str, tuple[dict[str, Any], Secret | None, dict[str, str]]] = {
    "none": ({}, None, {}),
    "ours": ({"key": Secret("sk-ours")}, None, {"authorization": "Bearer sk-ours"}),
    "the client's": ({}, Secret("sk-theirs"), {"authorization": "Bearer sk-theirs"}),
    "ours, though the client has one": (
        {"key": Secret("sk-ours")},
        Secret("sk-theirs"),
        {"authorization": "Bearer sk-ours"},
    ),
    "headers": (
        {"headers": [("x-a", Secret("1")), ("x-b", Secret("2"))], "key": Secret("sk-ours")},
        None,
        {"authorization": "Bearer sk-ours", "x-a": "1", "x-b": "2"},
    ),
}


@pytest.mark.parametrize(("options", "bearer", "sent"), KEYS.values(), ids=KEYS)
def test_the_right_key_is_sent_with_every_attempt(
    options: dict[str, Any], bearer: Secret | None, sent: dict[str, str]
) -> None:
    upstream, transport = remote(BROKEN, good(), **options)
    go(deltas_of(upstream, plan(stream=True, bearer=bearer, to=PASSES_ON).turn))
    assert [secrets(request) for request in transport.requests] == [sent, sent]


def secrets(request: HttpRequest) -> dict[str, str]:
    return {name: value for name, value in request.headers if name not in {"content-type", "accept"}}


@pytest.mark.parametrize(("options", "status"), [({}, 401), ({"key": Secret("sk-ours")}, 502)])
def test_a_refused_key_is_blamed_on_whose_it_is(options: dict[str, Any], status: int) -> None:
    upstream, _ = remote(refusal(401, b'{"error": {"message": "bad key sk-ours"}}'), **options)
    with pytest.raises(ApiError) as caught:
        go(deltas_of(upstream, plan(stream=True, bearer=Secret("sk-theirs"), to=PASSES_ON).turn))
    assert caught.value.status == status
    assert "sk-" not in caught.value.message


# Models, and models in this process.


def test_models_are_asked_for() -> None:
    listed = ScriptedReply(b'{"data": [{"id": "a"}]}', headers=JSON)
    upstream, transport = remote(listed, key=Secret("sk-ours"))
    assert go(upstream.models(None)) == [Model(id="a", owned_by="upstream")]
    assert (transport.requests[0].method, transport.requests[0].path) == ("GET", "/models")
    assert secrets(transport.requests[0]) == {"authorization": "Bearer sk-ours"}
    assert listed.closed == 1


def test_a_list_of_models_that_is_cut_is_the_upstreams_fault() -> None:
    with pytest.raises(ApiError, match="cannot be reached") as caught:
        go(remote(ScriptedReply(b'{"data"', BROKEN, headers=JSON))[0].models(None))
    assert caught.value.status == 502


def hello(turn: Turn) -> Iterator[list[Delta]]:
    yield [TextDelta(json.dumps(turn.model))]
    yield [Finish()]


def test_a_model_in_this_process_is_an_upstream_like_any_other() -> None:
    async def main() -> list[Delta]:
        upstream = LocalUpstream(hello, ["hello"])
        assert await upstream.models(None) == [Model(id="hello")]
        return await read(await upstream.open(TURN))

    assert go(main()) == [TextDelta('"any"'), Finish()]


def test_a_cancelled_wait_for_a_local_model_loses_nothing() -> None:
    async def main() -> list[Delta]:
        deltas = await LocalUpstream(hello, []).open(TURN)
        waiting = asyncio.ensure_future(anext(aiter(deltas)))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return await read(deltas)

    assert go(main()) == [TextDelta('"any"'), Finish()]
