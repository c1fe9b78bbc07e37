"""Events of every form become the request that a server would have got."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.http import Request
from penstock_adapters.aws_lambda.events import EventError, decode_event, read_event, request_of
from support.lambda_events import FORMS, FUNCTION_URL, HTTP_API, JSON_HEADERS, v1, v2

STAGED = {"http": {"method": "GET"}, "stage": "prod", "domainName": "api.example.com"}
every_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


def request(event: dict[str, Any]) -> Request:
    """The request of an event, which is the same whether it comes as an object or as JSON."""
    read = request_of(read_event(event), None)
    assert request_of(decode_event(json.dumps(event).encode()), None) == read
    return read


@every_form
def test_method_path_query_headers_and_body(form: Callable[..., dict[str, Any]]) -> None:
    got = request(form("POST", "/v1/responses", "a=1&b=%20c&a=2", body='{"input": "Grüße 😀"}'.encode()))
    assert (got.method, got.path) == ("POST", "/v1/responses")
    assert got.headers["content-type"] == "application/json"
    assert got.headers["host"] == FUNCTION_URL
    assert got.body.decode() == '{"input": "Grüße 😀"}'
    queries = {"a=1&b=%20c&a=2", "a=1&a=2&b=+c", "a=1&a=2&b=%20c", "a=2&b=%20c"}  # one form has the last value only
    assert got.query in queries


@every_form
def test_a_body_in_base64(form: Callable[..., dict[str, Any]]) -> None:
    raw = bytes(range(256))
    assert request(form("POST", "/v1/responses", body=raw, base64=True)).body == raw


@every_form
@pytest.mark.parametrize("path", ["/v1/models/größe 1", "/v1/models/a%2Fb", "/v1/models/100%", "/"])
def test_any_path(form: Callable[..., dict[str, Any]], path: str) -> None:
    assert request(form("GET", path)).path == path


@pytest.mark.parametrize("form", [v1, FORMS["alb-multi"]], ids=["v1", "alb-multi"])
def test_repeated_headers_are_joined(form: Callable[..., dict[str, Any]]) -> None:
    got = request(form("GET", "/", headers=[("Accept", "a/b"), ("Accept", "c/d"), ("X-One", "1")]))
    assert (got.headers["accept"], got.headers["x-one"]) == ("a/b, c/d", "1")


def test_cookies_stand_apart() -> None:
    assert request(v2("GET", "/", cookies=["a=1", "b=2"])).headers["cookie"] == "a=1; b=2"


@pytest.mark.parametrize("path", ["/v1/models", "/prod/x", "/production", "/"])
def test_the_stage_is_no_part_of_the_path(path: str) -> None:
    for event in (v2("GET", path, domain=HTTP_API, stage="prod"), v1("GET", path)):
        got = request(event)
        assert (got.root_path, got.path) == ("/prod", path)


@pytest.mark.parametrize("path", ["/production/v1", "/v1/prod"])
def test_a_path_that_only_resembles_the_stage_stays(path: str) -> None:
    """A domain of one's own may leave the stage out."""
    got = request(v2("GET", path, domain=HTTP_API) | {"requestContext": STAGED})
    assert (got.root_path, got.path) == ("", path)


def test_where_a_reply_may_stream() -> None:
    may = {name: read_event(form("GET", "/")).may_stream for name, form in FORMS.items()}
    assert may == {"v1": True, "v2": True, "alb": False, "alb-multi": False}
    assert not read_event(v2("GET", "/", domain=HTTP_API)).may_stream


WRONG: dict[str, Any] = {
    "empty": {},
    "no object": [],
    "a queue's": {"Records": [{"messageId": "1", "body": "{}"}]},
    "a schedule's": {"version": "0", "detail-type": "Scheduled Event", "source": "aws.events"},
    "another version": {"version": "2.0", "rawPath": "/", "requestContext": {}},
    "a wrong type": v2("GET", "/") | {"headers": 5},
    "a wrong body": v2("POST", "/") | {"body": "***", "isBase64Encoded": True},
}


@pytest.mark.parametrize("event", WRONG.values(), ids=WRONG)
def test_what_is_no_request_is_an_error(event: Any) -> None:
    with pytest.raises(EventError):
        read_event(event)
    with pytest.raises(EventError):
        decode_event(json.dumps(event).encode())


def test_what_is_not_json_is_an_error() -> None:
    with pytest.raises(EventError):
        decode_event(b"{")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda of: st.dictionaries(st.text(), of)))
def test_any_json_is_a_request_or_an_error(value: Any) -> None:
    for event in (value, v2("GET", "/") | (value if isinstance(value, dict) else {})):
        try:
            request_of(read_event(event), None)
        except EventError:
            continue


def test_headers_without_values_are_empty() -> None:
    assert request(v1("GET", "/", headers=JSON_HEADERS) | {"multiValueHeaders": None}).headers["host"] == FUNCTION_URL


NULLS = ("headers", "multiValueHeaders", "queryStringParameters", "multiValueQueryStringParameters", "body")


@every_form
def test_nulls_stand_for_what_is_absent(form: Callable[..., dict[str, Any]]) -> None:
    """The test of API Gateway's console sends nulls, and a load balancer's health check few headers or none."""
    event = form("GET", "/healthz")
    nulls = dict.fromkeys((*NULLS, "isBase64Encoded", "cookies", "pathParameters"))
    got = request(event | {name: None for name in nulls if name != "multiValueHeaders" or name not in event})
    assert (got.method, got.path, got.query, got.body) == ("GET", "/healthz", "", b"")
    assert request(event | dict.fromkeys(nulls)).method == "GET"


def test_values_may_be_null_too() -> None:
    event = v1("GET", "/healthz") | {"multiValueHeaders": {"Host": None, "Accept": [None, "a/b"]}}
    assert request(event).headers["accept"] == ", a/b"
