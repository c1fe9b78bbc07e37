"""The whole API as one function: requests in, replies out, with no server around it."""

import asyncio
import json
import logging
import re
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import msgspec
import pytest

from core.kit import JSON_HEADERS, LIMITS, Answer, FakeUpstream, Json, ask, drain, routes, service, to_json
from penstock.access import Access
from penstock.engine import Policies, Route, Routes
from penstock.engine.running import deadlines
from penstock.errors import ApiError, rate_limited
from penstock.http import Reply, Request
from penstock.ports import Turn
from penstock.secrets import Secret
from penstock.service import Service
from penstock.transcript.deltas import Finish, ReasoningDelta, TextDelta, ToolCallDelta
from penstock.wire import CreateResponse, Model
from requirements import shows
from support import oracle, sse

T = TypeVar("T")
SPEECH = [
    [ReasoningDelta("Hm")],
    [TextDelta("Grüße"), TextDelta(" 😀")],
    [ToolCallDelta(index=0, call_id="call_x", name="f", arguments="{}"), Finish()],
]


def go(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(coroutine, 10))


def answer(
    body: Json | bytes, upstream: FakeUpstream | None = None, headers: Json | None = None, **options: Any
) -> Answer:
    return go(ask(service(upstream or FakeUpstream(*SPEECH), **options), body, headers=JSON_HEADERS | (headers or {})))


def get(path: str, method: str = "GET", upstream: Any = None, **options: Any) -> Answer:
    return go(ask(service(upstream or FakeUpstream(*SPEECH), **options), method=method, path=path, headers={}))


# One path, two readers.


def anonymous(value: Any) -> Any:
    """Without what differs from run to run: random ids, the clock."""
    text = re.sub(r'"(resp|msg|rs|fc|ctc)_[0-9a-f]{48}"', r'"\1_"', json.dumps(value))
    return json.loads(re.sub(r'"(created_at|completed_at)": \d+', r'"\1": 0', text))


@pytest.mark.parametrize("asked", [{}, {"reasoning": {"summary": "auto"}}, {"metadata": {"a": "b"}, "model": "x"}])
def test_a_body_is_the_fold_of_the_stream(asked: Json) -> None:
    body, stream = (answer({"input": "Hi", "stream": stream, **asked}) for stream in (False, True))
    reply = oracle.check_stream(sse.events(stream.body))
    assert (body.status, stream.status) == (200, 200)
    assert anonymous(oracle.check_response(body.json())) == anonymous(reply)
    assert [item["type"] for item in reply["output"]] == ["reasoning", "message", "function_call"]


def test_replies_declare_what_they_are() -> None:
    body, stream = (answer({"input": "Hi", "stream": stream}).headers for stream in (False, True))
    assert body["content-type"] == "application/json"
    assert stream["content-type"] == "text/event-stream; charset=utf-8"
    assert (stream["cache-control"], stream["x-accel-buffering"]) == ("no-cache", "no")


@shows("framing")
def test_no_event_spans_two_writes() -> None:
    async def main() -> list[bytes]:
        body = json.dumps({"input": "Hi", "stream": True}).encode()
        reply = await service(FakeUpstream(*SPEECH)).handle(
            Request(method="POST", path="/v1/responses", headers=JSON_HEADERS, body=body)
        )
        assert not isinstance(reply.body, bytes)
        return [bytes(piece) async for piece in reply.body]

    writes = go(main())
    assert sse.check_writes(writes) == writes
    assert len(writes) == 5  # the mark at the end comes with the last event


def test_the_end_mark_can_be_turned_off() -> None:
    reply = answer({"input": "Hi", "stream": True}, done_marker=False)
    assert sse.events(reply.body, done=False)[-1]["type"] == "response.completed"


def test_deltas_are_padded_where_that_is_asked() -> None:
    events = sse.events(answer({"input": "Hi", "stream": True, "stream_options": {"include_obfuscation": True}}).body)
    deltas = [event for event in events if event["type"].endswith(".delta")]
    assert len(deltas) == 4
    for event in deltas:
        assert (len(msgspec.json.encode(event["delta"])) - 2 + len(event["obfuscation"])) % 16 == 0
    oracle.check_stream(events)
    assert b"obfuscation" not in answer({"input": "Hi", "stream": True}).body


def test_usage_is_reported_once_more_where_that_is_asked() -> None:
    asked = {"input": "Hi", "stream": True, "stream_options": {"include_usage": True}}
    *_, usage, end = sse.events(answer(asked).body)
    assert usage["type"] == "response.usage"
    assert usage["usage"] == end["response"]["usage"]


def test_a_silent_upstream_gives_heartbeats() -> None:
    event = asyncio.Event()

    async def main() -> bytes:
        asyncio.get_running_loop().call_later(0.1, event.set)
        limits = msgspec.structs.replace(LIMITS, heartbeat_s=0.02)
        reply = await ask(
            service(FakeUpstream(SPEECH[0], event, *SPEECH[1:]), limits=limits), {"input": "Hi", "stream": True}
        )
        return reply.body

    reply = go(main())
    assert reply.count(b": ping\n\n") >= 1
    oracle.check_stream(sse.events(reply))


# Errors.


def failing(error: Exception) -> FakeUpstream:
    class Failing(FakeUpstream):
        async def open(self, turn: Turn) -> Any:
            raise error

        async def models(self, *_: Any) -> list[Model]:
            raise error

    return Failing()


ERRORS: dict[str, tuple[Callable[[], Answer], int, str | None, str | None]] = {
    "no JSON": (lambda: answer(b"{"), 400, None, None),
    "a bad parameter": (
        lambda: answer({"input": "Hi", "temperature": 3}),
        400,
        "temperature",
        "decimal_above_max_value",
    ),
    "no input": (lambda: answer({}), 400, "input", "missing_required_parameter"),
    "no type": (lambda: answer(b"{}", headers={"content-type": ""}), 415, None, "unsupported_content_type"),
    "another type": (
        lambda: answer(b"{}", headers={"content-type": "text/plain"}),
        415,
        None,
        "unsupported_content_type",
    ),
    "an encoding": (lambda: answer(b"{}", headers={"content-encoding": "zip"}), 415, None, None),
    "a foreign page": (lambda: answer({}, headers={"origin": "https://example.com"}), 403, None, "forbidden_host"),
    "no key": (lambda: answer({}, access=Access([Secret("sk-1")])), 401, None, "invalid_api_key"),
    "an upgrade": (lambda: answer({}, headers={"upgrade": "websocket"}), 426, None, "upgrade_required"),
    "no such model": (
        lambda: go(
            ask(
                Service(Routes([Route(name="a", upstream=FakeUpstream(), models=["a"])]), access=Access([])),
                {"input": "", "model": "b"},
            )
        ),
        404,
        "model",
        "model_not_found",
    ),
    "too much": (lambda: answer({"input": "Hi"}, failing(rate_limited("Slow.", 2))), 429, None, "rate_limit_exceeded"),
    "too much, of a stream": (
        lambda: answer({"input": "Hi", "stream": True}, failing(rate_limited("Slow.", 2))),
        429,
        None,
        "rate_limit_exceeded",
    ),
    "a bug": (lambda: answer({"input": "Hi"}, failing(ZeroDivisionError("sk-secret"))), 500, None, "server_error"),
    "a bug midway": (
        lambda: answer({"input": "Hi"}, FakeUpstream(SPEECH[0], ZeroDivisionError("sk-secret"))),
        500,
        None,
        "server_error",
    ),
    "no such route": (lambda: get("/v1/nothing"), 404, None, "unknown_url"),
    "no route": (lambda: get("//"), 404, None, "unknown_url"),
    "a page that may not ask": (
        lambda: go(
            ask(
                service(FakeUpstream(*SPEECH)),
                method="OPTIONS",
                headers={"origin": "https://a.example", "access-control-request-method": "POST"},
            )
        ),
        403,
        None,
        "forbidden_origin",
    ),
    "a route that looks alike": (lambda: get("/v1models"), 404, None, "unknown_url"),
    "another method": (lambda: get("/v1/models", "POST"), 405, None, "method_not_allowed"),
    "another method of a health check": (lambda: get("/healthz", "POST"), 405, None, "method_not_allowed"),
    "another method of a model": (lambda: get("/v1/models/any", "DELETE"), 405, None, "method_not_allowed"),
    "no such model to see": (lambda: get("/v1/models/other", upstream=FakeUpstream()), 404, "model", "model_not_found"),
}


@pytest.mark.parametrize(("wrong", "status", "param", "code"), ERRORS.values(), ids=ERRORS)
def test_an_error_is_a_reply_too(wrong: Callable[[], Answer], status: int, param: str | None, code: str | None) -> None:
    reply = wrong()
    error = oracle.check_error(reply.json())
    assert (reply.status, error["param"], error["code"]) == (status, param, code)
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-request-id"]
    assert "sk-secret" not in reply.body.decode()
    assert ("x-should-retry" in reply.headers) == (status not in {429, 500})
    assert ("retry-after" in reply.headers) == (status == 429)
    assert ("allow" in reply.headers) == (status == 405)


def test_a_bug_is_in_the_log_and_only_there(caplog: pytest.LogCaptureFixture) -> None:
    assert "division" not in answer({"input": "Hi"}, failing(ZeroDivisionError("division by zero"))).body.decode()
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "division by zero" in str(record.exc_info)


def test_what_the_client_sends_wrongly_is_not_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        answer({"input": "secret words", "temperature": 3}, headers={"authorization": "Bearer sk-secret"})
    assert "secret" not in caplog.text
    assert "POST /v1/responses 400" in caplog.text


def test_an_error_midway_is_an_event_of_the_stream_and_a_status_of_a_body() -> None:
    stream, body = (
        answer({"input": "Hi", "stream": stream}, FakeUpstream(SPEECH[0], ApiError("No.", status=502)))
        for stream in (True, False)
    )
    end = oracle.check_stream(sse.events(stream.body))
    assert (stream.status, end["status"]) == (200, "failed")
    assert (body.status, body.json()["error"]["message"]) == (502, end["error"]["message"])


# Names of the client in headers.

IGNORED: dict[str, tuple[Json, str]] = {
    "one": ({"x": 1}, "x"),
    "some": ({"b": 1, "a": 1, "tools": [{"type": "web_search"}]}, "a, b, tools.web_search"),
    "a line end": ({"a\r\nset-cookie: x": 1}, "a%0D%0Aset-cookie%3A%20x"),
    "other letters": ({"schlüssel": 1}, "schl%C3%BCssel"),
    "a comma": ({"a, b": 1}, "a%2C%20b"),
}


@pytest.mark.parametrize(("asked", "expected"), IGNORED.values(), ids=IGNORED)
def test_what_is_ignored_is_named_in_a_header(asked: Json, expected: str) -> None:
    assert answer({"input": "Hi"} | asked).headers["x-penstock-ignored"] == expected
    assert answer({"input": "Hi", "stream": True} | asked).headers["x-penstock-ignored"] == expected


def test_many_long_names_make_no_long_header() -> None:
    reply = answer({"input": "Hi"} | {f"{n}" + "x" * 1_000: 1 for n in range(1_000)}).headers["x-penstock-ignored"]
    assert len(reply) < 4_000
    assert reply.endswith(", ...")
    assert "x-penstock-ignored" not in answer({"input": "Hi"}).headers


@pytest.mark.parametrize(
    ("given", "is_accepted"),
    [("abc-1.2_3", True), ("x" * 128, True), ("x" * 129, False), ("a b", False), ("", False), ("ü", False)],
)
def test_a_valid_request_id_is_used(given: str, is_accepted: bool) -> None:
    sent = answer({"input": "Hi"}, headers={"x-request-id": given}).headers["x-request-id"]
    assert (sent == given) == is_accepted
    assert is_accepted or re.fullmatch(r"req_[0-9a-f]{48}", sent)


# Other routes.


@pytest.mark.parametrize("path", ["/v1/responses", "/responses", "/v1/responses/"])
def test_the_prefix_may_be_left_out(path: str) -> None:
    assert go(ask(service(FakeUpstream(*SPEECH)), {"input": "Hi"}, path=path)).status == 200


def test_models_are_those_that_are_named_and_those_that_are_reported() -> None:
    named = Route(name="a", upstream=failing(ApiError("asked for nothing")), models=["org/b"], aliases={"c": "org/b"})
    reported = Route(name="d", upstream=FakeUpstream(), models=["to*"])
    other = Route(name="e", upstream=FakeUpstream(), models=["x*"])
    server = Service(Routes([named, reported, other]), access=Access([]))
    listed = go(ask(server, method="GET", path="/v1/models", headers={})).json()
    assert [model["id"] for model in listed["data"]] == ["org/b", "c", "told"]
    assert listed["object"] == "list"
    one = go(ask(server, method="GET", path="/v1/models/org/b", headers={}))
    assert (one.status, one.json()["id"], one.json()["owned_by"]) == (200, "org/b", "a")


def test_health_needs_no_key() -> None:
    for path in ("/healthz", "/readyz", "/v1/healthz"):
        assert get(path, access=Access([Secret("sk-1")])).status == 200


def test_bodies_are_unpacked_where_that_is_possible() -> None:
    def unpack(body: bytes, encoding: str, bytes_max: int) -> bytes:
        assert (encoding, bytes_max) == ("zip", LIMITS.body_bytes_max)
        return body[::-1]

    body = json.dumps({"input": "Hi"}).encode()[::-1]
    assert answer(body, headers={"content-encoding": " ZIP"}, decompress=unpack).status == 200
    assert answer(body[::-1], headers={"content-encoding": "identity"}, decompress=unpack).status == 200


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8"])
def test_json_is_json_however_it_is_written(kind: str) -> None:
    assert answer({"input": "Hi"}, headers={"content-type": kind}).status == 200


def test_unknown_parameters_and_absent_tools_follow_the_policies() -> None:
    strict = Policies(unknown_parameters="reject", absent_tools="reject")
    assert answer({"input": "Hi", "x": 1}, policies=strict).json()["error"]["param"] == "x"
    assert answer({"input": "Hi", "tools": [{"type": "web_search"}]}, policies=strict).status == 400


# Who leaves.


def reply_to(
    server: Service, stream: bool, disconnected: Callable[[], Any] | None = None
) -> Coroutine[Any, Any, Reply]:
    body = json.dumps({"input": "Hi", "stream": stream}).encode()
    return server.handle(
        Request(method="POST", path="/v1/responses", headers=JSON_HEADERS, body=body, disconnected=disconnected)
    )


def test_who_leaves_gets_nothing_and_the_upstream_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "_WATCH_CLIENT_AFTER_S", 0.0)

    async def main() -> tuple[int, bytes]:
        reply = await reply_to(service(FakeUpstream(opening=asyncio.Event())), False, lambda: asyncio.sleep(0.02))
        return reply.status, await drain(reply)

    assert go(main()) == (499, b"")


@pytest.mark.parametrize("pieces", [0, 1, 2])
def test_a_stream_that_is_not_read_to_its_end_is_closed(pieces: int) -> None:
    async def main() -> int:
        upstream = FakeUpstream(SPEECH[0], None)
        reply = await reply_to(service(upstream), True)
        assert not isinstance(reply.body, bytes)
        buffers = aiter(reply.body)
        for _ in range(pieces):
            await anext(buffers)
        await reply.body.aclose()
        return upstream.closed

    assert go(main()) == 1


def test_a_cancelled_request_is_cancelled() -> None:
    async def main() -> int:
        upstream = FakeUpstream(None)
        asking = asyncio.ensure_future(reply_to(service(upstream), False))
        await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        return upstream.closed

    assert go(main()) == 1


# As a library.


def test_without_http_it_answers_with_structs() -> None:
    async def main() -> tuple[Any, list[Any], int]:
        upstream = FakeUpstream(*SPEECH)
        server = service(upstream)
        request = CreateResponse(input="Hi", metadata={"a": "b"})
        response = await server.respond(request)
        return response, [event async for event in server.stream(request)], upstream.closed

    response, events, closed = go(main())
    assert anonymous(oracle.check_stream(map(to_json, events))) == anonymous(to_json(response))
    assert response.metadata == {"a": "b"}
    assert closed == 2


def test_without_http_a_wrong_request_is_raised() -> None:
    with pytest.raises(ApiError) as caught:
        go(service(FakeUpstream()).respond(CreateResponse()))
    assert caught.value.param == "input"


def test_the_service_releases_its_upstreams() -> None:
    class Held(FakeUpstream):
        released = 0

        async def aclose(self) -> None:
            self.released += 1

    upstream = Held()
    go(Service(routes(upstream), access=Access([])).aclose())
    assert upstream.released == 1
