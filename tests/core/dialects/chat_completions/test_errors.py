"""What an upstream's refusal means to the client."""

import json
import re
from typing import Any

import pytest
from msgspec import Raw

from core.kit import LIMITS
from penstock.dialects.chat_completions import PRESETS, ChatCompletions, Options
from penstock.errors import ApiError
from penstock.upstream_errors import read_error
from penstock.upstream_replies import KeyOwner, reported_error
from penstock.wire import Model, Unknown
from requirements import shows

DIALECT = ChatCompletions(Options(), LIMITS)


def error(message: str = "boom", **fields: Any) -> bytes:
    return json.dumps({"error": {"message": message, **fields}}).encode()


def read(
    status: int, body: bytes = b"", headers: dict[str, str] | None = None, *, key: KeyOwner = "server"
) -> ApiError:
    return DIALECT.error(status, headers or {}, body, key=key)


MEANINGS: dict[str, tuple[ApiError, int, str | None, str]] = {
    "bad request": (
        read(400, error(param="temperature", code="x")),
        400,
        "x",
        "The upstream refused the request: boom",
    ),
    "unprocessable": (read(422, error()), 400, None, "The upstream refused the request: boom"),
    "too large": (read(413, error()), 400, None, "The upstream refused the request: boom"),
    "too long": (
        read(400, error("This model's maximum context length is 4096 tokens.")),
        400,
        "context_length_exceeded",
        "This model's maximum context length is 4096 tokens.",
    ),
    "too long for llama.cpp": (
        read(400, error("the request exceeds the available context size")),
        400,
        "context_length_exceeded",
        "the request exceeds the available context size",
    ),
    "no such model": (read(404, error("no model x")), 404, "model_not_found", "does not know this: no model x"),
    "our key": (read(401, error("sk-1")), 502, "server_error", "API key that is configured for it (`key_env`"),
    "no key": (read(401, error("sk-1"), key="none"), 502, "server_error", "wants an API key, and none is configured"),
    "the client's key": (
        read(401, error("sk-1"), key="client"),
        401,
        "invalid_api_key",
        "refused the API key that was given, which is passed on since none is configured for it",
    ),
    "our rights": (read(403, error("Flagged.")), 502, "server_error", "refused the request: Flagged."),
    "the client's rights": (
        read(403, error("Not in your country.", code="region"), key="client"),
        403,
        "region",
        "refused the request: Not in your country.",
    ),
    "too much": (read(429, error("Slow.")), 429, "rate_limit_exceeded", "Slow. Please try again in 1s."),
    "too slow": (read(408, error()), 502, "server_error", "status 408"),
    "no such method": (read(405, error()), 502, "server_error", "status 405"),
    "a bug": (read(500, error("Traceback: sk-1")), 502, "server_error", "failed with status 500."),
    "a gateway": (read(502, b"<html>nginx sk-1</html>"), 502, "server_error", "failed with status 502."),
    "overloaded": (read(503, error("sk-1")), 503, "server_error", "failed with status 503."),
    "timed out": (read(504), 504, "server_error", "failed with status 504."),
    "a redirect": (read(302), 502, "server_error", "failed with status 302."),
    "no words": (read(400), 400, None, "The upstream refused the request: The upstream answered with status 400."),
    "an error as text": (read(400, b'{"error": "boom"}'), 400, None, "The upstream refused the request: boom"),
    "an error as vLLM has it": (read(400, b'{"object":"error","message":"boom"}'), 400, None, "request: boom"),
    "an error as FastAPI has it": (read(422, b'{"detail": "boom"}'), 400, None, "request: boom"),
    "FastAPI's list": (read(422, b'{"detail": [{"msg": "x"}]}'), 400, None, "refused the request: x"),
    "a code that is a number": (read(400, error(code=400)), 400, None, "boom"),
}


@shows("early-errors")
@pytest.mark.parametrize(("error", "status", "code", "result"), MEANINGS.values(), ids=MEANINGS)
def test_it_means(error: ApiError, status: int, code: str | None, result: str) -> None:
    assert (error.status, error.code) == (status, code)
    assert result in error.message
    assert "sk-1" not in error.message


def test_a_wrong_parameter_keeps_its_name_and_a_long_message_its_beginning() -> None:
    assert read(400, error(param="temperature")).param == "temperature"
    assert read(400, error("maximum context length")).param == "input"
    assert len(read(400, error("x" * 100_000)).message) < 2_100


WAITS: dict[str, tuple[dict[str, str], float]] = {
    "seconds": ({"retry-after": "7"}, 7.0),
    "milliseconds": ({"retry-after-ms": "1900", "retry-after": "2"}, 1.9),
    "nothing": ({}, 1.0),
    "a date": ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, 1.0),
    "a date, by the reply's own clock": (
        {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": "Wed, 21 Oct 2026 07:27:30 GMT"},
        30.0,
    ),
    "a date that has passed": (
        {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": "Wed, 21 Oct 2026 07:29:00 GMT"},
        1.0,
    ),
    "a duration": ({"retry-after": "20s"}, 20.0),
    "when a limit is reset": ({"x-ratelimit-reset-requests": "1m2s"}, 62.0),
    "when the exhausted limit is reset": (
        {
            "x-ratelimit-reset-requests": "6m0s",
            "x-ratelimit-remaining-requests": "5",
            "x-ratelimit-reset-tokens": "17ms",
            "x-ratelimit-remaining-tokens": "0",
        },
        0.017,
    ),
    "before now": ({"retry-after": "-1"}, 1.0),
    "for ever": ({"retry-after": "inf"}, 1.0),
    "no number": ({"retry-after": "nan"}, 1.0),
    "milliseconds that are none": ({"retry-after-ms": "soon", "retry-after": "3"}, 3.0),
}


@shows("waits")
@pytest.mark.parametrize(("headers", "wait_s"), WAITS.values(), ids=WAITS)
def test_a_wait_is_passed_on(headers: dict[str, str], wait_s: float) -> None:
    error = read(429, b"", headers)
    assert error.retry_after_s == wait_s
    assert re.search(r"Please try again in [\d.]+s\.$", error.message)


WORDS: dict[str, tuple[bytes, float]] = {
    "OpenAI": (error("Rate limit reached for x. Please try again in 6m1.5s. Visit x."), 361.5),
    "OpenAI, soon": (error("Please try again in 20ms."), 0.02),
    "Azure": (error("Please retry after 33 seconds."), 33.0),
    "Gemini": (error("Please retry in 34.07s.", details=[{"retryDelay": "34s"}]), 34.0),
    "Gemini, a list": (json.dumps([{"error": {"details": [{"retryDelay": "5s"}]}}]).encode(), 5.0),
    "a field": (b'{"error": "slow", "retry_after": 2.5}', 2.5),
    "minutes": (error("Try again in 2 minutes"), 120.0),
    "no number": (error("Please try again in a while"), 1.0),
    "a day": (error("Please try again in 48h"), 1.0),
}


@shows("waits")
@pytest.mark.parametrize(("body", "wait_s"), WORDS.values(), ids=WORDS)
def test_a_wait_in_words_is_passed_on(body: bytes, wait_s: float) -> None:
    assert read(429, body).retry_after_s == wait_s
    assert read(429, body, {"retry-after": "7"}).retry_after_s == 7.0


@shows("waits")
def test_a_wait_amid_a_stream_is_in_the_message() -> None:
    limited = reported_error(read_error({"message": "Please try again in 6s.", "code": 429}))
    assert (limited.status, limited.retry_after_s) == (429, 6.0)


@shows("waits")
@pytest.mark.parametrize("status", [498, 503, 529])
def test_an_overloaded_upstream_may_report_a_wait(status: int) -> None:
    assert (read(status, b"", {"retry-after": "7"}).status, read(status).retry_after_s) == (503, None)
    assert read(status, b"", {"retry-after": "7"}).retry_after_s == 7.0


@pytest.mark.parametrize(
    ("status", "body", "is_hinted"),
    [
        (301, b"", True),
        (307, b"", True),
        (405, b'{"detail": "Method Not Allowed"}', True),
        (404, b"404 page not found", True),
        (404, b"<html>nginx</html>", True),
        (404, error("The model x does not exist"), False),
        (404, error("Not found", code="model_not_found"), False),
        (500, b"", False),
    ],
)
def test_a_wrong_url_is_suspected_where_a_route_is_missing(status: int, body: bytes, is_hinted: bool) -> None:
    answered = read(status, body, {"location": "https://sk-1@10.0.0.1/x?key=sk-1"})
    assert ("ends in /v1" in answered.message) is is_hinted
    assert "10.0.0.1" not in answered.message


def test_models_are_listed() -> None:
    listed = b'{"object":"list","data":[{"id":"a"},{"id":"b","created":5,"owned_by":"me","meta":{}}]}'
    assert DIALECT.decode_models(listed) == [
        Model(id="a", owned_by="upstream"),
        Model(id="b", created=5, owned_by="me", unknown=Unknown({"meta": Raw(b"{}")})),
    ]
    assert DIALECT.models_request().path == "/models"


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"data": [{}]}', b'{"data": 5}', b"\xff"])
def test_a_list_of_models_that_is_none_is_the_upstreams_fault(body: bytes) -> None:
    with pytest.raises(ApiError, match="cannot be read") as caught:
        DIALECT.decode_models(body)
    assert caught.value.status == 502


@shows("explained-500")
def test_a_500_that_a_request_provokes_is_explained_where_the_server_does_so() -> None:
    body = error("Failed to parse grammar:\n  root ::= x")
    explained = ChatCompletions(PRESETS["llama.cpp"], LIMITS).error(500, {}, body, key="none")
    assert (explained.status, explained.message) == (
        502,
        "The upstream failed with status 500: Failed to parse grammar: root ::= x",
    )
    for status, words in ((500, b""), (500, b"<html>"), (503, body)):
        silent = ChatCompletions(PRESETS["llama.cpp"], LIMITS).error(status, {}, words, key="none")
        assert silent.message == f"The upstream failed with status {status}."
    assert read(500, body).message == "The upstream failed with status 500."
