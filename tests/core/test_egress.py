"""Egress: special addresses in every notation are refused, and public ones are not."""

from __future__ import annotations

import errno
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.egress import (
    URL_CHARS_MAX,
    Egress,
    Target,
    UrlRefused,
    allowed_endpoint,
    canonical_host,
    is_public,
    refusal,
)
from requirements import shows

SPECIAL = [
    *("0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "100.100.100.200"),
    *("127.0.0.1", "127.255.255.255", "168.63.129.16", "169.254.169.254", "169.254.0.0", "172.16.0.0"),
    *("172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.0", "192.168.255.255", "198.18.0.0"),
    *("198.19.255.255", "198.51.100.7", "203.0.113.7", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::10.0.0.1"),
    *("64:ff9b::169.254.169.254", "64:ff9b:1::808:808", "100::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),
    *("2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::", "2002:808:808::1", "3fff::1"),
    *("5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "2606:4700::1%eth0", "fec0::1", "ff02::1"),
    *("2606:4700::5efe:10.0.0.1", "2606:4700::200:5efe:10.0.0.1"),
]
PUBLIC = [
    *("1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255"),
    *("128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255"),
    *("198.17.255.255", "198.20.0.0", "223.255.255.255", "2606:4700:4700::1111", "2a00:1450:4001::200e"),
    *("::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2001:200::1", "2003::1"),
]


@pytest.mark.parametrize("address", SPECIAL)
def test_a_special_address_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))
    assert not Egress().admits("example.com", 443, address)


@pytest.mark.parametrize("address", PUBLIC)
def test_other_addresses_are_public(address: str) -> None:
    assert is_public(ip_address(address))
    assert Egress().admitted("example.com", 443, [address, "127.0.0.1"]) == [address]


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_no_address_is_public_that_the_library_calls_private(address: IPv4Address | IPv6Address) -> None:
    if is_public(address):
        inner = getattr(address, "ipv4_mapped", None) or address
        assert not (inner.is_private or inner.is_loopback or inner.is_link_local or inner.is_multicast)
        assert not inner.is_reserved or inner in NAT64


NAT64 = IPv6Network("64:ff9b::/96")


def notations(address: IPv4Address) -> list[str]:
    """The ways in which browsers and C libraries read the same address."""
    a, b, c, d = address.packed
    low, lower = (c << 8) + d, (b << 16) + (c << 8) + d
    return [
        f"{a}.{b}.{low}",
        f"{a}.{lower}",
        f"{int(address)}",
        f"{int(address):#x}",
        f"{int(address):#X}".replace("0X", "0x"),
        f"0{int(address):o}",
        f"0{a:o}.0x{b:x}.{low}",
        f"0x{a:x}.0{lower:o}",
        f"{address}.",
        f"{a}\u3002{b}\uff0e{c}.{d}",
        "".join(chr(ord(char) + 0xFEE0) if char.isdigit() else char for char in str(address)),
    ]


@given(st.ip_addresses(v=4))
def test_every_notation_is_the_same_address(address: IPv4Address) -> None:
    assert {canonical_host(text) for text in notations(address)} == {str(address)}  # type: ignore[arg-type]


@shows("egress")
@pytest.mark.parametrize(
    "host",
    [
        *notations(IPv4Address("127.0.0.1")),
        *("0", "localhost", "LOCALHOST.", "a.localhost", "[::1]", "[::]", "[::ffff:127.0.0.1]"),
        *("[::ffff:7f00:1]", "[2002:7f00:1::]", "[64:ff9b::7f00:1]", "[fe80::1]", "169.254.169.254"),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_literal_of_a_special_address_is_refused_before_anything_is_called(scheme: str, host: str) -> None:
    with pytest.raises(UrlRefused, match="has no public address"):
        Egress().target(f"{scheme}://{host}/x")


REFUSED = {
    "ftp://example.com/": "does not begin with",
    "//example.com/": "does not begin with",
    "file:///etc/passwd": "does not begin with",
    "http:/example.com": "no valid host",
    "http://": "no valid host",
    "http://user@example.com/": "a user or a password",
    "http://user:pw@example.com/": "a user or a password",
    "http://@example.com/": "a user or a password",
    "http://example.com@127.0.0.1/": "a user or a password",
    "http://example.com\\@127.0.0.1/": "a backslash",
    "http://exa\tmple.com/": "a control character",
    " http://example.com/": "a space",
    "http://example.com/a b": "a space",
    "http://example.com/a\r\nhost: x": "a control character",
    "http://example.com:0/": "the port 0",
    "http://example.com:99999/": "cannot be read",
    "http://example.com:x/": "cannot be read",
    "http://[::1": "cannot be read",
    "http://[v1.x]/": "valid host|cannot be read",
    "http://[fe80::1%25eth0]/": "valid host|a zone|cannot be read",
    "http://[fe80::1%eth0]/": "a zone|cannot be read",
    "https://example.com:22/": "another port",
    "https://example.com:8443/": "another port",
    "http://1.2.3.4.5/": "no valid host",
    "http://256.256.256.256/": "no valid host",
    "http://127.0.0.08/": "no valid host",
    "http://1_0.0.0.1/": "no valid host",
    "http://%31%32%37.0.0.1/": "no valid host",
    "http://a..b/": "no valid host",
    f"http://{'a' * 254}/": "no valid host",
    f"http://example.com/{'a' * URL_CHARS_MAX}": "is longer than",
}


@pytest.mark.parametrize("url", REFUSED)
def test_an_odd_url_is_refused_with_its_reason(url: str) -> None:
    with pytest.raises(UrlRefused, match=REFUSED[url]) as refused:
        Egress().target(url)
    assert url.strip() not in str(refused.value)


def test_a_url_has_its_parts() -> None:
    target = Egress().target("https://EXAMPLE.com./a/b?c=d&e#f")
    assert target == Target(is_secure=True, host="example.com", port=443, path="/a/b?c=d&e")
    assert (target.origin, target.url) == ("https://example.com", "https://example.com/a/b?c=d&e")
    assert Egress().target("http://bücher.example?x").url == "http://xn--bcher-kva.example/?x"
    assert Egress().target("http://[2606:4700:0::1111]").origin == "http://[2606:4700::1111]"
    assert Egress().target("https://example.com:80/").origin == "https://example.com:80"


def test_secrets_need_https_unless_the_operator_has_allowed_the_host() -> None:
    egress = Egress(["mcp.internal:80"])
    assert egress.target("https://example.com", carries_secrets=True).is_secure
    assert not egress.target("http://mcp.internal", carries_secrets=True).is_secure
    with pytest.raises(UrlRefused, match="because the request has secrets"):
        egress.target("http://example.com", carries_secrets=True)


def test_what_the_operator_allows_is_that_host_with_that_port() -> None:
    egress = Egress(["Mcp.Internal:8080", "127.1:9000", "[::1]:9000"])
    for url in ("http://mcp.internal:8080/", "http://127.0.0.1:9000/", "http://2130706433:9000/", "http://[::1]:9000"):
        target = egress.target(url)
        assert egress.admitted(target.host, target.port, ["10.0.0.1"]) == ["10.0.0.1"]
    for url in (
        "http://mcp.internal:8081/",
        "http://127.0.0.1/",
        "http://127.0.0.2:9000/",
        "http://a.mcp.internal:8080",
    ):
        with pytest.raises(UrlRefused):
            egress.target(url)
    assert not egress.admits("evil.example", 8080, "10.0.0.1"), "another name of an allowed address"


def test_an_address_that_is_not_admitted_looks_like_a_closed_port() -> None:
    for addresses in (["10.0.0.1"], ["no address"], []):
        with pytest.raises(ConnectionRefusedError) as refused:
            Egress().admitted("example.com", 443, addresses)
        assert refused.value.errno == errno.ECONNREFUSED
        assert str(refused.value) == str(refusal())


@pytest.mark.parametrize(
    "entry", ["", "mcp.internal", "mcp.internal:", ":80", "a:b:80", "::1:80", "a:0", "a:65536", "a:x", "a:٣", "a b:80"]
)
def test_an_exception_needs_a_host_and_a_port(entry: str) -> None:
    with pytest.raises(UrlRefused):
        allowed_endpoint(entry)


@given(st.text(max_size=60))
def test_any_text_is_a_target_or_is_refused(text: str) -> None:
    for url in (text, f"http://{text}"):
        try:
            target = Egress().target(url)
        except UrlRefused:
            continue
        assert Egress().target(target.url) == target
