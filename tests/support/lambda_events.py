"""Events of AWS Lambda in all their forms, as AWS' documentation shows them, around one HTTP request."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, quote

Event = dict[str, Any]
Pairs = list[tuple[str, str]]

FUNCTION_URL = "abc123.lambda-url.us-east-1.on.aws"
HTTP_API = "abc123.execute-api.us-east-1.amazonaws.com"
JSON_HEADERS: Pairs = [("Content-Type", "application/json"), ("Host", FUNCTION_URL)]


def _body(body: bytes, *, base64: bool) -> Event:
    return {"body": b64encode(body).decode() if base64 else body.decode(), "isBase64Encoded": base64}


def v2(
    method: str,
    path: str,
    query: str = "",
    headers: Pairs = JSON_HEADERS,
    body: bytes = b"",
    *,
    base64: bool = False,
    domain: str = FUNCTION_URL,
    stage: str = "$default",
    cookies: list[str] | None = None,
) -> Event:
    """A Function URL, or an HTTP API of API Gateway: the path is encoded, and begins with the stage."""
    joined: dict[str, str] = {}
    for name, value in headers:
        joined[name.lower()] = f"{joined[name.lower()]},{value}" if name.lower() in joined else value
    prefix = "" if stage == "$default" else f"/{stage}"
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": prefix + quote(path),
        "rawQueryString": query,
        "headers": joined,
        "requestContext": {
            "domainName": domain,
            "stage": stage,
            "http": {"method": method, "path": prefix + path, "protocol": "HTTP/1.1", "sourceIp": "1.2.3.4"},
        },
        **({"cookies": cookies} if cookies else {}),
        **_body(body, base64=base64),
    }


def v1(
    method: str, path: str, query: str = "", headers: Pairs = JSON_HEADERS, body: bytes = b"", *, base64: bool = False
) -> Event:
    """A REST API of API Gateway: path and query are decoded, and the stage is not in the path."""
    pairs = parse_qsl(query, keep_blank_values=True)
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": dict(headers) or None,
        "multiValueHeaders": _multiple(headers) or None,
        "queryStringParameters": dict(pairs) or None,
        "multiValueQueryStringParameters": _multiple(pairs) or None,
        "requestContext": {"stage": "prod", "path": f"/prod{path}", "httpMethod": method, "domainName": HTTP_API},
        **_body(body, base64=base64),
    }


def alb(
    method: str,
    path: str,
    query: str = "",
    headers: Pairs = JSON_HEADERS,
    body: bytes = b"",
    *,
    base64: bool = False,
    multi: bool = False,
) -> Event:
    """A load balancer, with single or with multiple values: path and query are as they were sent."""
    pairs = [tuple(pair.split("=", 1)) for pair in query.split("&") if pair]
    lower = [(name.lower(), value) for name, value in headers]
    values = {"multiValueHeaders": _multiple(lower), "multiValueQueryStringParameters": _multiple(pairs)}
    return {
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/t/1"}},
        "httpMethod": method,
        "path": quote(path),
        **(values if multi else {"headers": dict(lower), "queryStringParameters": dict(pairs)}),
        **_body(body, base64=base64),
    }


def alb_multi(*arguments: Any, **options: Any) -> Event:
    return alb(*arguments, **options, multi=True)


FORMS: dict[str, Callable[..., Event]] = {"v1": v1, "v2": v2, "alb": alb, "alb-multi": alb_multi}


def responses(form: Callable[..., Event] = v2, headers: Pairs = JSON_HEADERS, **body: Any) -> Event:
    """`POST /v1/responses` with this body."""
    body = {"model": "synthetic", "input": "Tell me of rivers."} | body
    return form("POST", "/v1/responses", headers=headers, body=json.dumps(body).encode())


def _multiple(pairs: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found
