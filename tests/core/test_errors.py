"""Both faces of an error, and whether it is worth trying again."""

import json

import pytest
from openai.types.responses import ResponseError

from core.kit import Json, to_json
from penstock.errors import ApiError, internal_error, invalid, not_found, rate_limited, upstream_failed
from penstock.http import error_reply
from support import oracle

ERRORS: dict[str, tuple[ApiError, Json, str]] = {
    "invalid": (
        invalid("No.", "input[0].role", "invalid_value"),
        {"status": 400, "type": "invalid_request_error", "param": "input[0].role", "code": "invalid_value"},
        "invalid_prompt",
    ),
    "not found": (
        not_found("No.", "model_not_found", "model"),
        {"status": 404, "type": "invalid_request_error", "param": "model", "code": "model_not_found"},
        "invalid_prompt",
    ),
    "rate limited": (
        rate_limited("No.", 1),
        {"status": 429, "type": "rate_limit_error", "param": None, "code": "rate_limit_exceeded"},
        "rate_limit_exceeded",
    ),
    "upstream failed": (
        upstream_failed("No."),
        {"status": 502, "type": "server_error", "param": None, "code": "server_error"},
        "server_error",
    ),
    "upstream is slow": (
        upstream_failed("No.", status=504),
        {"status": 504, "type": "server_error", "param": None, "code": "server_error"},
        "server_error",
    ),
    "our fault": (
        internal_error(),
        {"status": 500, "type": "server_error", "param": None, "code": "server_error"},
        "server_error",
    ),
}


@pytest.mark.parametrize(("error", "expected", "code"), ERRORS.values(), ids=ERRORS)
def test_an_error_has_two_faces(error: ApiError, expected: Json, code: str) -> None:
    reply = error_reply(error)
    assert isinstance(reply.body, bytes)
    body = oracle.check_error(json.loads(reply.body))
    assert {"status": reply.status, **body} == expected | {"message": error.message}
    failed = to_json(error.response_error())
    oracle.check(ResponseError, failed)
    assert failed == {"code": code, "message": error.message}


RETRY = {
    "a wait": (rate_limited("No.", 1.9), {"retry-after": "2", "retry-after-ms": "1900"}),
    "a wait that floats": (rate_limited("No.", 1.1), {"retry-after": "2", "retry-after-ms": "1100"}),
    "a short wait": (rate_limited("No.", 0.0004), {"retry-after": "1", "retry-after-ms": "1"}),
    "no wait": (rate_limited("No.", 0), {"retry-after": "0", "retry-after-ms": "0"}),
    "it may pass": (upstream_failed("No."), {}),
    "ours": (internal_error(), {}),
    "it will not pass": (upstream_failed("No.", retriable=False), {"x-should-retry": "false"}),
    "the client's": (invalid("No."), {"x-should-retry": "false"}),
    "not there": (not_found("No."), {"x-should-retry": "false"}),
    "a key is wanted": (ApiError("No.", status=401), {"www-authenticate": "Bearer", "x-should-retry": "false"}),
}


@pytest.mark.parametrize(("error", "headers"), RETRY.values(), ids=RETRY)
def test_headers_state_whether_to_try_again(error: ApiError, headers: dict[str, str]) -> None:
    assert dict(error.headers()) == headers
    assert dict(error_reply(error).headers) == {"content-type": "application/json", **headers}


@pytest.mark.parametrize(
    ("wait_s", "expected"), [(1.9, "1.9s"), (20, "20s"), (100.0, "100s"), (0.25, "0.25s"), (0, "0s"), (1 / 3, "0.333s")]
)
def test_agents_read_the_wait_from_the_message(wait_s: float, expected: str) -> None:
    assert rate_limited("Slow down. ", wait_s).message == f"Slow down. Please try again in {expected}."


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Slow. Please try again in 7s.", "Slow. Please try again in 7s."),
        ("Slow. Please try again in 7s. Visit x.", "Slow. Please try again in 7s. Visit x."),
        ("Slow. Please try again in 17s.", "Slow. Please try again in 17s. Please try again in 7s."),
        ("Slow. Please try again in 7000ms.", "Slow. Please try again in 7000ms. Please try again in 7s."),
    ],
)
def test_a_message_that_has_the_wait_does_not_get_it_twice(message: str, expected: str) -> None:
    assert rate_limited(message, 7).message == expected


def test_what_a_client_made_up_is_not_repeated_at_length() -> None:
    error = invalid("x" * 100_000, "y" * 100_000)
    assert (len(error.message), len(error.param or "")) == (4_001, 501)
