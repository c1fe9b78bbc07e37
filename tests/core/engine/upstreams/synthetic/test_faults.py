"""Faults that options ask for, by exact counts, on streams, bodies and WebSockets."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import pytest

from core.kit import JSON_HEADERS, Answer, Json, ask
from core.test_sockets import connected
from penstock.assembly import build
from penstock.http import Request
from penstock.limits import Limits
from penstock.service import Service
from penstock.settings import Settings
from requirements import shows
from support import sse

ASKED = {"input": "What is a penstock?"}
TOKENS = 12
EVENTS = TOKENS + 8
"""The events of an answer of so many tokens: four before its text, and four after it."""


def service(store: str = "none://", limits: Limits | None = None) -> Service:
    return build(Settings(store=store, limits=limits or Limits()))


class Stream:
    """What a client got of a stream: whole events as bytes, and whether the connection was cut."""

    def __init__(self, body: bytes, cut: bool) -> None:
        self.cut = cut
        self.frames = [frame for frame in sse.parse(body) if frame.data not in (None, sse.DONE)] if body else []
        self.is_done = body.endswith(b"data: [DONE]\n\n")

    @property
    def events(self) -> list[Json]:
        return [json.loads(frame.data or "") for frame in self.frames]

    @property
    def numbers(self) -> list[int]:
        return [event["sequence_number"] for event in self.events]


async def read(server: Service, options: str, **asked: Any) -> Stream:
    body = json.dumps({"model": f"synthetic?tokens={TOKENS}&{options}", "stream": True, **ASKED, **asked}).encode()
    reply = await server.handle(Request(method="POST", path="/v1/responses", headers=JSON_HEADERS, body=body))
    assert reply.status == 200
    assert reply.body is not None and not isinstance(reply.body, bytes)
    got, cut = b"", False
    try:
        async for piece in reply.body:
            got += piece
    except ConnectionAbortedError:
        cut = True
    finally:
        await reply.body.aclose()
    return Stream(got, cut)


def stream(options: str, **asked: Any) -> Stream:
    return asyncio.run(read(service(), options, **asked))


def whole(options: str, server: Service | None = None) -> Answer:
    return asyncio.run(ask(server or service(), {"model": f"synthetic?{options}", **ASKED}))


def test_without_a_fault_that_is_reached_nothing_changes() -> None:
    plain, faulty = stream("seed=1"), stream(f"seed=1&disconnect_at={EVENTS}")
    assert plain.numbers == faulty.numbers == list(range(EVENTS))
    assert plain.is_done and faulty.is_done and not faulty.cut


@shows("synthetic-faults")
@pytest.mark.parametrize("at", [0, 1, 5, 8, EVENTS - 1])
def test_exactly_so_many_events_pass_before_the_cut(at: int) -> None:
    got = stream(f"disconnect_at={at}")
    assert (got.numbers, got.cut, got.is_done) == (list(range(at)), True, False)


@shows("synthetic-faults")
@pytest.mark.parametrize("at", [0, 1, 4, 9, EVENTS - 2, EVENTS - 1])
def test_a_response_fails_with_the_event(at: int) -> None:
    got = stream(f"fail_at={at}")
    assert got.numbers == list(range(at + 1))
    last = got.events[-1]
    assert (last["type"], last["response"]["status"]) == ("response.failed", "failed")
    assert last["response"]["error"]["code"] == "server_error"
    assert not got.cut


def test_a_response_whose_stream_ends_with_an_error_is_stored_as_failed() -> None:
    async def main() -> Any:
        server = service("memory://")
        got = await read(server, "error_at=9")
        path = f"/v1/responses/{got.events[0]['response']['id']}"
        return (await ask(server, method="GET", path=path, headers={})).json()["status"]

    assert asyncio.run(main()) == "failed"


def test_a_failed_response_is_stored_as_failed() -> None:
    async def main() -> tuple[Stream, Json]:
        server = service("memory://")
        got = await read(server, "fail_at=9")
        response_id = got.events[0]["response"]["id"]
        answered = await ask(server, method="GET", path=f"/v1/responses/{response_id}", headers={})
        return got, answered.json()

    got, stored = asyncio.run(main())
    assert stored == got.events[-1]["response"]
    text = "".join(event["delta"] for event in got.events if event["type"].endswith("output_text.delta"))
    assert stored["output"][0]["content"][0]["text"] == text


@shows("synthetic-faults")
@pytest.mark.parametrize("at", [0, 7, EVENTS - 1])
def test_an_error_event_ends_the_stream(at: int) -> None:
    got = stream(f"error_at={at}")
    assert got.numbers == list(range(at + 1))
    assert got.events[-1] == {
        "type": "error",
        "code": "server_error",
        "message": "The synthetic model failed, as its options ask.",
        "param": None,
        "sequence_number": at,
    }
    assert not got.cut and not got.is_done


@shows("synthetic-faults")
def test_an_event_can_be_broken_sent_twice_or_too_late() -> None:
    twice = stream("duplicate_at=6")
    assert twice.numbers == [*range(7), 6, *range(7, EVENTS)]
    late = stream("reorder_at=6")
    assert late.numbers == [*range(6), 7, 6, *range(8, EVENTS)]
    assert stream(f"reorder_at={EVENTS - 1}").numbers == list(range(EVENTS))
    broken = stream("malformed_at=6")
    assert len(broken.frames) == EVENTS
    for number, frame in enumerate(broken.frames):
        if number == 6:
            with pytest.raises(json.JSONDecodeError):
                json.loads(frame.data or "")
        else:
            assert json.loads(frame.data or "")["sequence_number"] == number


def test_faults_go_together() -> None:
    got = stream("duplicate_at=2&reorder_at=4&disconnect_at=9&stall_at=3&stall_ms=1")
    assert got.numbers == [0, 1, 2, 2, 3, 5, 4, 6, 7, 8]
    assert got.cut
    assert stream("reorder_at=4&disconnect_at=5").numbers == [0, 1, 2, 3, 4]


def test_a_stall_is_a_pause_before_the_event(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        slept.append(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", note)
    assert stream("stall_at=5&stall_ms=700").numbers == list(range(EVENTS))
    assert [seconds for seconds in slept if seconds] == [0.25, 0.25, pytest.approx(0.2)]
    slept.clear()
    assert whole("stall_at=5&stall_ms=700&head_ms=300").status == 200
    assert [seconds for seconds in slept if seconds] == [1.0]


@shows("synthetic-faults")
def test_a_body_is_faulty_as_a_whole() -> None:
    assert whole("fail_at=3").status == whole("error_at=3").status == 500
    with pytest.raises(json.JSONDecodeError):
        whole("malformed_at=3").json()
    assert whole("duplicate_at=3&reorder_at=4").json()["status"] == "completed"
    with pytest.raises(ConnectionAbortedError):
        whole("disconnect_at=3")


@shows("synthetic-faults")
@pytest.mark.parametrize(
    ("options", "numbers", "last"),
    [
        ("disconnect_at=8", range(8), "response.output_text.delta"),
        ("fail_at=8", range(9), "response.failed"),
        ("error_at=8", range(9), "error"),
        ("duplicate_at=1", [0, 1, *range(1, EVENTS)], "response.completed"),
    ],
)
def test_the_same_on_a_websocket(options: str, numbers: Any, last: str) -> None:
    async def main() -> tuple[list[Json], bool]:
        async with connected(service()) as line:
            line.create(model=f"synthetic?tokens={TOKENS}&{options}", stream_id="s1")
            got = [await line.read() for _ in numbers]
            line.create(model="synthetic?tokens=1")
            if last != "response.output_text.delta":
                assert (await line.read())["type"] == "response.created"
            for _ in range(1_000):
                if line.is_cut or not options.startswith("disconnect"):
                    break
                await asyncio.sleep(0.01)
            return got, line.is_cut

    got, is_cut = asyncio.run(main())
    assert [message["sequence_number"] for message in got] == list(numbers)
    assert (got[-1]["type"], got[-1]["stream_id"]) == (last, "s1")
    assert is_cut == options.startswith("disconnect")


@shows("synthetic-faults")
@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        ("duplicate_at=3&reorder_at=3", [0, 1, 2, 4, 3, 3, 5]),
        ("duplicate_at=4&reorder_at=3", [0, 1, 2, 4, 4, 3, 5]),
        ("duplicate_at=3&reorder_at=4", [0, 1, 2, 3, 3, 5, 4]),
    ],
)
def test_an_event_may_be_late_and_another_or_the_same_twice(options: str, numbers: list[int]) -> None:
    got = stream(options)
    assert got.numbers[: len(numbers)] == numbers
    assert len(got.numbers) == EVENTS + 1
    assert got.is_done


def outcomes(options: str, count: int) -> list[int]:
    async def main() -> list[int]:
        server = service()
        asked = {"model": f"synthetic?{options}", **ASKED}
        return [(await ask(server, asked)).status for _ in range(count)]

    return asyncio.run(main())


@shows("synthetic-faults")
def test_errors_come_by_rate_and_by_count() -> None:
    by_rate = outcomes("error=503&error_rate=0.2&seed=7", 100)
    assert Counter(by_rate) == {200: 74, 503: 26}
    assert by_rate == outcomes("error=503&error_rate=0.2&seed=7", 100)
    assert by_rate != outcomes("error=503&error_rate=0.2&seed=8", 100)
    assert outcomes("error=429&error_count=3", 6) == [429, 429, 429, 200, 200, 200]
    limited = outcomes("error_rate=0.5&error_count=2&seed=7", 20)
    assert Counter(limited) == {200: 18, 500: 2}
    assert outcomes("error_count=0", 3) == outcomes("error_rate=0", 3) == [200, 200, 200]


@shows("synthetic-faults")
@pytest.mark.parametrize(
    ("options", "status", "kind", "code"),
    [
        ("error=429&retry_after=7", 429, "rate_limit_error", "rate_limit_exceeded"),
        ("error=429", 429, "rate_limit_error", "rate_limit_exceeded"),
        ("error=503&retry_after=1.5", 503, "server_error", "server_error"),
        ("error_rate=1", 500, "server_error", "server_error"),
        ("error=401", 401, "invalid_request_error", "invalid_api_key"),
        ("error=499", 499, "invalid_request_error", None),
    ],
)
@pytest.mark.parametrize("streams", [False, True])
def test_an_error_has_its_shape(options: str, status: int, kind: str, code: str | None, streams: bool) -> None:
    asked = {"model": f"synthetic?{options}", "stream": streams, **ASKED}
    answered = asyncio.run(ask(service(), asked))
    error = answered.json()["error"]
    assert (answered.status, error["type"], error["code"]) == (status, kind, code)
    wait = {"error=429&retry_after=7": "7", "error=429": "1", "error=503&retry_after=1.5": "2"}.get(options)
    assert answered.headers.get("retry-after") == wait
    if status == 429:
        assert error["message"].endswith(f"Please try again in {wait}s.")


async def read_chat(options: str, *, stream: bool) -> tuple[list[Any], bool, bytes]:
    """The chunks of a chat, whether the connection was cut, and the bytes."""
    asked = {
        "model": f"synthetic?tokens={TOKENS}&{options}",
        "stream": stream,
        "messages": [{"role": "user", "content": "Hi"}],
    }
    body = json.dumps(asked).encode()
    reply = await service().handle(Request(method="POST", path="/v1/chat/completions", headers=JSON_HEADERS, body=body))
    assert reply.status == 200
    assert reply.body is not None and not isinstance(reply.body, bytes)
    got, cut = b"", False
    try:
        async for piece in reply.body:
            got += piece
    except ConnectionAbortedError:
        cut = True
    finally:
        await reply.body.aclose()
    chunks = [chunk.removeprefix(b"data: ") for chunk in got.split(b"\n\n") if chunk and stream]
    return [chunk for chunk in chunks if chunk != b"[DONE]"], cut, got


def chat(options: str, *, stream: bool = True) -> tuple[list[Any], bool, bytes]:
    return asyncio.run(read_chat(options, stream=stream))


@shows("synthetic-faults")
def test_the_chunks_of_a_chat_are_events_too() -> None:
    plain, _, _ = chat("seed=1")
    count = len(plain)
    assert count > TOKENS
    cut = chat("disconnect_at=8")
    assert (len(cut[0]), cut[1]) == (8, True)
    for option in ("fail_at", "error_at"):
        chunks, was_cut, body = chat(f"{option}=5")
        assert (len(chunks), was_cut, body.endswith(b"[DONE]\n\n")) == (6, False, False)
        assert json.loads(chunks[-1])["error"]["type"] == "server_error"
    assert len(chat("duplicate_at=3")[0]) == count + 1
    broken, _, _ = chat("malformed_at=3")
    with pytest.raises(json.JSONDecodeError):
        json.loads(broken[3])
    texts = [json.loads(chunk)["choices"][0]["delta"].get("content") for chunk in chat("seed=1&reorder_at=3")[0]]
    expected = [json.loads(chunk)["choices"][0]["delta"].get("content") for chunk in plain]
    expected[3], expected[4] = expected[4], expected[3]
    assert texts == expected


@shows("synthetic-faults")
def test_the_body_of_a_chat_is_faulty_as_a_whole() -> None:
    assert chat("disconnect_at=1", stream=False)[1]
    _, _, whole_body = chat("seed=1", stream=False)
    _, _, broken = chat("malformed_at=1", stream=False)
    assert json.loads(whole_body)["usage"]["completion_tokens"] == TOKENS
    with pytest.raises(json.JSONDecodeError):
        json.loads(broken)


@shows("synthetic-faults")
@pytest.mark.parametrize("path", ["chat/completions", "completions", "embeddings", "tokenize"])
def test_errors_come_on_every_route(path: str) -> None:
    async def main() -> list[int]:
        server = service()
        named = {"model": "synthetic?error=429&error_count=2&retry_after=7"}
        body = {"messages": [{"role": "user", "content": "Hi"}], "prompt": "Hi", "input": "Hi"}
        wanted = {"chat/completions": "messages", "embeddings": "input"}.get(path, "prompt")
        asked = named | {wanted: body[wanted]}
        answers = [await ask(server, asked, path=f"/v1/{path}") for _ in range(3)]
        assert answers[0].json()["error"]["message"].endswith("Please try again in 7s.")
        return [each.status for each in answers]

    assert asyncio.run(main()) == [429, 429, 200]


def test_the_header_counts_for_a_chat_too() -> None:
    async def main() -> int:
        headers = JSON_HEADERS | {"x-penstock-synthetic": "error=418"}
        asked = {"model": "synthetic", "messages": [{"role": "user", "content": "Hi"}]}
        return (await ask(service(), asked, path="/v1/chat/completions", headers=headers)).status

    assert asyncio.run(main()) == 418
