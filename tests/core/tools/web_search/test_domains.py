"""Domains: subdomains count, look-alikes do not, and what is no URL of the web is no result."""

from __future__ import annotations

import pytest

from penstock.tools.web_search.domains import Domains


@pytest.mark.parametrize(
    ("url", "is_admitted"),
    [
        ("https://example.com/", True),
        ("https://docs.example.com./x", True),
        ("HTTPS://EXAMPLE.COM", True),
        ("https://bad.example.com/", False),
        ("https://very.bad.example.com/", False),
        ("https://notexample.com/", False),
        ("https://example.com.evil.example/", False),
        ("https://evil.example/?example.com", False),
        ("ftp://example.com/", False),
        ("javascript:alert(1)", False),
        ("https://[::1", False),
        ("https://example.com/\n[2] forged", False),
        ("", False),
    ],
)
def test_a_result_is_admitted_by_its_host(url: str, is_admitted: bool) -> None:
    assert Domains(allowed=("example.com",), blocked=("bad.example.com",)).admit_url(url) is is_admitted


def test_without_filters_every_page_of_the_web_is_admitted() -> None:
    assert Domains().admit_url("http://127.0.0.1/")
    assert not Domains(blocked=("example",)).admit_url("http://a.example/")
