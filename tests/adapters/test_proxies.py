"""Which proxy the environment names for an upstream, and which hosts it exempts."""

from __future__ import annotations

import logging

import pytest

from penstock.secrets import Secret
from penstock.settings import Settings, SettingsError, UpstreamSettings
from penstock_adapters import drivers
from penstock_adapters.proxies import environment_proxy
from requirements import shows

FAR = "https://api.example.com/v1"
PROXY = "http://proxy:3128"


def proxy_of(url: str = FAR, **environment: str) -> tuple[str, str] | None:
    found = environment_proxy(url, environment)
    return found and (found.variable, found.url.reveal())


@shows("environment-proxies")
@pytest.mark.parametrize(
    ("url", "environment", "expected"),
    [
        (FAR, {}, None),
        (FAR, {"HTTPS_PROXY": PROXY}, ("HTTPS_PROXY", PROXY)),
        (FAR, {"https_proxy": PROXY, "HTTPS_PROXY": "http://other"}, ("https_proxy", PROXY)),
        (FAR, {"https_proxy": " ", "HTTPS_PROXY": PROXY}, ("HTTPS_PROXY", PROXY)),
        (FAR, {"HTTP_PROXY": PROXY}, None),
        (FAR, {"ALL_PROXY": PROXY}, ("ALL_PROXY", PROXY)),
        (FAR, {"HTTPS_PROXY": "proxy:3128"}, ("HTTPS_PROXY", PROXY)),
        ("http://model/v1", {"HTTP_PROXY": PROXY}, ("HTTP_PROXY", PROXY)),
        ("http://model/v1", {"HTTPS_PROXY": PROXY}, None),
        ("http+unix://%2Frun%2Fllama.sock/v1", {"ALL_PROXY": PROXY}, None),
        ("http://127.0.0.1:8000/v1", {"HTTP_PROXY": PROXY}, None),
        ("http://localhost:8000/v1", {"HTTP_PROXY": PROXY}, None),
        ("http://[::1]:8000/v1", {"HTTP_PROXY": PROXY}, None),
    ],
)
def test_the_variable(url: str, environment: dict[str, str], expected: tuple[str, str] | None) -> None:
    assert proxy_of(url, **environment) == expected


@shows("environment-proxies")
@pytest.mark.parametrize(
    ("url", "no_proxy", "is_exempt"),
    [
        (FAR, "*", True),
        (FAR, "api.example.com", True),
        (FAR, "API.EXAMPLE.COM", True),
        (FAR, "example.com", True),
        (FAR, ".example.com", True),
        (FAR, "*.example.com", True),
        (FAR, "other.com, example.com", True),
        (FAR, "other.com example.com", True),
        (FAR, "ple.com", False),
        (FAR, "com.example", False),
        (FAR, "", False),
        (FAR, ",,.", False),
        (FAR, "example.com:443", True),
        (FAR, "example.com:8443", False),
        ("https://api.example.com:8443/v1", "example.com:8443", True),
        ("https://10.1.2.3/v1", "10.1.2.3", True),
        ("https://10.1.2.3/v1", "10.0.0.0/8", True),
        ("https://10.1.2.3/v1", "10.1.2.0/24", True),
        ("https://10.1.2.3/v1", "11.0.0.0/8", False),
        ("https://10.1.2.3/v1", "2.3", False),
        ("https://[fd00::1]/v1", "fd00::/8", True),
        ("https://[fd00::1]/v1", "[fd00::1]:443", True),
        ("https://[fd00::1]/v1", "[fd00::1]:80", False),
    ],
)
def test_no_proxy(url: str, no_proxy: str, is_exempt: bool) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        found = proxy_of(url, HTTPS_PROXY=PROXY, **{name: no_proxy})
        assert (found is None) == is_exempt


def test_a_proxy_of_another_protocol_is_ignored_and_named(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "penstock.proxies"):
        assert proxy_of(ALL_PROXY="socks5://me:secret@proxy:1080") is None
    assert caplog.messages == ["ALL_PROXY is ignored: a proxy is reached by http:// or https://, not by socks5://"]


@pytest.mark.parametrize("value", ["http://", "http://proxy:port", "http://pro xy"])
def test_a_wrong_value_is_reported_without_its_text(value: str) -> None:
    with pytest.raises(SettingsError, match="HTTPS_PROXY") as caught:
        proxy_of(HTTPS_PROXY=value)
    assert value not in str(caught.value)


@pytest.mark.parametrize(("own", "named"), [("http://a:1", "upstream far: proxy"), ("", "HTTPS_PROXY")])
def test_a_missing_client_is_reported_at_the_start(monkeypatch: pytest.MonkeyPatch, own: str, named: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setattr(drivers, "find_spec", lambda name: None)
    upstream = UpstreamSettings(name="far", url=FAR, proxy=Secret(own) if own else None)
    with pytest.raises(SettingsError, match=f"{named}: aiohttp is not installed"):
        drivers.create_asgi_app(Settings(store="none://", upstreams=[upstream]))
