"""Signatures: the same as those of botocore, for requests of every form that this server sends, and others."""

from __future__ import annotations

from datetime import UTC, datetime
from unittest import mock
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given
from hypothesis import strategies as st

from penstock.secrets import Secret
from penstock_adapters.aws.credentials import Credentials
from penstock_adapters.aws.signature import Scope, signed_headers

NOW = 1_795_000_000.0
BASES = (
    "https://dynamodb.eu-west-1.amazonaws.com",
    "http://127.0.0.1:8000",
    "https://example.com:443",
    "http://example.com:80",
    "http://[::1]:4566",
)
SEGMENT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1, max_size=20)
HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)


def by_botocore(
    credentials: Credentials, scope: Scope, method: str, url: str, headers: dict[str, str], body: bytes
) -> str:
    """The header `authorization` that botocore makes."""
    token = credentials.token.reveal() if credentials.token else None
    known = BotoCredentials(credentials.key_id, credentials.secret.reveal(), token)
    request = AWSRequest(method=method, url=url, data=body, headers=headers)
    with mock.patch("botocore.auth.get_current_datetime", lambda *_, **__: datetime.fromtimestamp(NOW, UTC)):
        SigV4Auth(known, scope.service, scope.region).add_auth(request)
    made: str = request.headers["Authorization"]
    return made


@given(
    base=st.sampled_from(BASES),
    segments=st.lists(SEGMENT, max_size=3),
    query=st.lists(st.tuples(SEGMENT, SEGMENT), max_size=3, unique_by=lambda pair: pair[0]),
    target=HEADER,
    body=st.binary(max_size=100),
    token=st.none() | st.just("a token/+="),
    method=st.sampled_from(["GET", "POST", "PUT"]),
)
def test_signatures_are_those_of_botocore(
    base: str,
    segments: list[str],
    query: list[tuple[str, str]],
    target: str,
    body: bytes,
    token: str | None,
    method: str,
) -> None:
    path = "/" + "/".join(quote(each, safe="") for each in segments if each not in (".", ".."))
    pairs = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in query)
    url = f"{base}{path}" + (f"?{pairs}" if pairs else "")
    credentials = Credentials("AKIDEXAMPLE", Secret("wJalrXUtnFEMI/K7"), Secret(token) if token else None)
    scope = Scope("eu-west-1", "lambda")
    headers = {"content-type": "application/x-amz-json-1.0", "x-amz-target": target}
    ours = signed_headers(credentials, scope, method=method, url=url, headers=headers, body=body, now=NOW)
    assert ours["authorization"] == by_botocore(credentials, scope, method, url, headers, body)
    assert ours.get("x-amz-security-token") == token


@pytest.mark.parametrize(
    ("url", "host"),
    [*zip(BASES, [BASES[0][8:], "127.0.0.1:8000", "example.com", "example.com", "[::1]:4566"], strict=True)],
)
def test_the_host_is_that_of_the_request(url: str, host: str) -> None:
    credentials = Credentials("id", Secret("secret"))
    signed = signed_headers(credentials, Scope("r", "s"), method="POST", url=url, headers={}, body=b"", now=NOW)
    assert signed["host"] == host


def test_a_secret_is_in_no_header() -> None:
    credentials = Credentials("id", Secret("very secret"))
    signed = signed_headers(credentials, Scope("r", "s"), method="POST", url=BASES[0], headers={}, body=b"", now=NOW)
    assert "very secret" not in repr(signed) + repr(credentials)
