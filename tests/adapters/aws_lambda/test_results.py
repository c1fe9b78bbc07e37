"""Results in every form, and what becomes of a reply that does not fit into one."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import get_args

import pytest

from penstock_adapters.aws_lambda.events import Form
from penstock_adapters.aws_lambda.results import LOAD_BALANCER_BYTES_MAX, RESULT_BYTES_MAX, prelude, result
from requirements import shows

HEADERS = [("content-type", "text/plain"), ("set-cookie", "a=1"), ("set-cookie", "b=2"), ("x-a", "1"), ("x-a", "2")]


@pytest.mark.parametrize("form", get_args(Form))
def test_text_is_text_and_all_else_is_base64(form: Form) -> None:
    made = result(form, 200, HEADERS, "Grüße".encode())
    assert (made["statusCode"], made["body"], made["isBase64Encoded"]) == (200, "Grüße", False)
    for headers, body in (([], b"\xff\xfe"), ([("content-encoding", "gzip")], b"plain")):
        made = result(form, 200, headers, body)
        assert (b64decode(made["body"]), made["isBase64Encoded"]) == (body, True)


def test_headers_and_cookies_by_form() -> None:
    assert result("http", 200, HEADERS, b"") | {"body": 0} == {
        "statusCode": 200,
        "headers": {"content-type": "text/plain", "x-a": "1, 2"},
        "cookies": ["a=1", "b=2"],
        "body": 0,
        "isBase64Encoded": False,
    }
    multiple = {"content-type": ["text/plain"], "set-cookie": ["a=1", "b=2"], "x-a": ["1", "2"]}
    assert result("rest", 404, HEADERS, b"")["multiValueHeaders"] == multiple
    balanced = result("load_balancer_multi", 404, HEADERS, b"")
    assert (balanced["multiValueHeaders"], balanced["statusDescription"]) == (multiple, "404 Not Found")
    single = result("load_balancer", 499, HEADERS, b"")
    assert (single["headers"]["x-a"], single["statusDescription"]) == ("2", "499 Unknown")
    assert "multiValueHeaders" not in single


def test_the_prelude_of_a_stream() -> None:
    head, _, rest = prelude(200, HEADERS).partition(bytes(8))
    assert rest == b""
    assert json.loads(head) == {
        "statusCode": 200,
        "headers": {"content-type": "text/plain", "x-a": "1, 2"},
        "cookies": ["a=1", "b=2"],
    }


LIMITS: dict[Form, int] = {
    "rest": RESULT_BYTES_MAX,
    "http": RESULT_BYTES_MAX,
    "load_balancer": LOAD_BALANCER_BYTES_MAX,
    "load_balancer_multi": LOAD_BALANCER_BYTES_MAX,
}


@shows("function-results")
@pytest.mark.parametrize("form", LIMITS)
def test_a_result_that_is_too_long_is_an_error(form: Form) -> None:
    frame = len(json.dumps(result(form, 200, [], b""), separators=(",", ":")))
    longest = b"x" * (LIMITS[form] - frame)
    assert result(form, 200, [], longest)["statusCode"] == 200
    for body in (longest + b"x", b'"' * (LIMITS[form] - frame)):  # a quote takes two bytes of JSON
        made = result(form, 200, [], body)
        assert made["statusCode"] == 502
        assert json.loads(made["body"])["error"]["code"] == "response_too_large"
