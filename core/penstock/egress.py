"""Egress: which addresses and URLs this server may call for a client or a model.

A client, a model, a page or a redirect names such a URL, and may name one of the operator's own network. So only
public addresses are called, and those that the operator has allowed. A name is judged by the addresses that a
connection really uses: `Egress.target` judges a URL before, and `Egress.admitted` its addresses at connect time.
Everything here is pure.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

import msgspec

from penstock.patterns import lazy_pattern

IpAddress: TypeAlias = IPv4Address | IPv6Address

URL_CHARS_MAX = 8_192
"""The length of a URL that is called."""
_HOST_CHARS_MAX = 253
_PORTS = {"http": 80, "https": 443}
"""The schemes that are called, each with its port. Other ports have to be allowed."""
_PORT_MAX = 65_535
_IPV4_PARTS_MAX = 4
_OCTET_BITS = 8
_OCTAL, _DECIMAL = 8, 10
_HOST = lazy_pattern(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_NUMBER = lazy_pattern(r"[0-9]+|0x[0-9a-f]*")
"""The last part of a host that is an IPv4 address in any notation."""
_UNSAFE = lazy_pattern(r"[\x00-\x20\x7f-\xa0\\]")
"""Characters that parsers of URLs read differently."""
_LOOPBACK_NAME = "localhost"
"""It and the names below it are this machine (RFC 6761)."""

_SPECIAL_V4 = [
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared address space
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's service for the machine itself
        "169.254.0.0/16",  # link-local, with the metadata of clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
]
"""The IPv4 networks that are not public (the registry of special addresses of IANA, and multicast)."""
_GLOBAL_V6 = IPv6Network("2000::/3")
"""The only part of IPv6 with public addresses."""
_SPECIAL_V6 = [
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments, with Teredo, benchmarks and ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which contains an IPv4 address
        "3fff::/20",  # documentation
    )
]
"""The networks in that part that are not public."""
_NAT64 = IPv6Network("64:ff9b::/96")
"""The addresses under which hosts without IPv4 see IPv4 addresses (RFC 6052)."""
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)
"""The middle of addresses that end with the IPv4 address of a tunnel (RFC 5214)."""
_V4_BITS = 32
_V4_MASK = 0xFFFF_FFFF


class UrlRefused(Exception):
    """A URL that is not called. The message continues a sentence that begins with the URL, and does not contain it."""


class Target(msgspec.Struct, frozen=True):
    """A URL that may be called, in its parts."""

    is_secure: bool
    host: str
    """A name in ASCII and lower case, or an IP address in its usual form, without brackets."""
    port: int
    path: str
    """The path with its query. It begins with a slash."""

    @property
    def origin(self) -> str:
        """The URL without its path, which a transport connects to."""
        scheme = "https" if self.is_secure else "http"
        return f"{scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        """The host, with its port where that is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        is_usual = self.port == _PORTS["https" if self.is_secure else "http"]
        return host if is_usual else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole URL, without a fragment."""
        return f"{self.origin}{self.path}"


class Egress:
    """The judgement. `allow` has the operator's exceptions: `host:port` each, with a name or an IP address."""

    def __init__(self, allow: Iterable[str] = ()) -> None:
        self._allowed = frozenset(allowed_endpoint(entry) for entry in allow)

    def target(self, url: str, *, carries_secrets: bool = False) -> Target:
        """The parts of a URL. A URL with an IP address is judged here, one with a name when it is connected.

        With `carries_secrets` the request has keys or tokens, and needs https. Raises `UrlRefused`.
        """
        parts = _split(url)
        host = canonical_host(parts.hostname or "")
        port = parts.port or _PORTS[parts.scheme]
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        target = Target(parts.scheme == "https", host, port, path)
        if (host, port) not in self._allowed:
            _check(target, carries_secrets)
        return target

    def admits(self, host: str, port: int, address: str) -> bool:
        """Whether a connection to this host may use this address."""
        if (host, port) in self._allowed:
            return True
        try:
            return is_public(ip_address(address))
        except ValueError:
            return False

    def admitted(self, host: str, port: int, addresses: Iterable[str]) -> list[str]:
        """Those of a host's addresses that a connection may use. Raises `ConnectionRefusedError` if there are none.

        The error is that of a closed port, so that no caller learns which addresses there are.
        """
        found = [address for address in addresses if self.admits(host, port, address)]
        if not found:
            raise refusal()
        return found


def refusal() -> ConnectionRefusedError:
    """The error of an address that is not called: the one of a closed port."""
    return ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))


def is_public(address: IpAddress) -> bool:
    """Whether an address is on the public Internet. An address that contains another one is judged by that."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL_V4)
    inner = _inner(address)
    if inner is not None:
        return is_public(inner)
    if address not in _GLOBAL_V6 or address.scope_id:
        return False
    if int(address) >> _V4_BITS & _V4_MASK in _ISATAP:
        return False
    return not any(address in network for network in _SPECIAL_V6)


def canonical_host(host: str) -> str:
    """A host as connections use it: in lower case and ASCII, and an IP address of any notation in its usual one.

    Raises `UrlRefused` for a text that is no host.
    """
    if ":" in host:
        return _ipv6(host)
    try:
        name = (host if host.isascii() else host.encode("idna").decode()).lower().removesuffix(".")
    except UnicodeError:
        raise UrlRefused("has no valid host") from None
    if len(name) > _HOST_CHARS_MAX or not _HOST.fullmatch(name):
        raise UrlRefused("has no valid host")
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        return str(_ipv4(name))
    return name


def allowed_endpoint(entry: str) -> tuple[str, int]:
    """The host and port of an exception, `host:port`. Raises `UrlRefused`."""
    host, _, port = entry.rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    if not host or (":" in host and not is_bracketed):
        raise UrlRefused("is not host:port")
    if not (port.isascii() and port.isdecimal() and 0 < int(port) <= _PORT_MAX):
        raise UrlRefused(f"does not end with a port from 1 to {_PORT_MAX}")
    return canonical_host(host[1:-1] if is_bracketed else host), int(port)


def _split(url: str) -> SplitResult:
    """The parts of a URL of a scheme that is called."""
    if len(url) > URL_CHARS_MAX:
        raise UrlRefused(f"is longer than {URL_CHARS_MAX} characters")
    if _UNSAFE.search(url):
        raise UrlRefused("has a space, a backslash or a control character")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UrlRefused("cannot be read: its host or port is wrong") from None
    if parts.scheme not in _PORTS:
        raise UrlRefused("does not begin with http:// or https://")
    if "@" in parts.netloc:
        raise UrlRefused("has a user or a password")
    if port == 0:
        raise UrlRefused("has the port 0")
    if "[" in parts.netloc and ":" not in (parts.hostname or ""):
        raise UrlRefused("has no valid host")
    return parts


def _check(target: Target, carries_secrets: bool) -> None:
    """Check a target that the operator has not allowed by name."""
    if target.port not in _PORTS.values():
        raise UrlRefused("has another port than 80 and 443, and the operator has not allowed it")
    if carries_secrets and not target.is_secure:
        raise UrlRefused("has to begin with https://, because the request has secrets")
    if _is_this_machine(target.host) or not _may_be_public(target.host):
        raise UrlRefused("has no public address, and the operator has not allowed it")


def _is_this_machine(host: str) -> bool:
    return f".{host}".endswith(f".{_LOOPBACK_NAME}")


def _may_be_public(host: str) -> bool:
    """Whether a host is a name, whose addresses are judged later, or a public address."""
    try:
        return is_public(ip_address(host))
    except ValueError:
        return True


def _inner(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for."""
    if address in _NAT64:
        return IPv4Address(int(address) & _V4_MASK)
    return address.ipv4_mapped


def _ipv6(host: str) -> str:
    try:
        address = IPv6Address(host)
    except ValueError:
        raise UrlRefused("has no valid host") from None
    if address.scope_id:
        raise UrlRefused("has an address with a zone")
    return str(address)


def _ipv4(host: str) -> IPv4Address:
    """The address of one to four numbers: decimal, octal after a 0, hexadecimal after 0x. The last fills the rest."""
    parts = host.split(".")
    try:
        if len(parts) > _IPV4_PARTS_MAX:
            raise ValueError
        *first, last = [_number(part) for part in parts]
        if any(number >> _OCTET_BITS for number in first) or last >> _OCTET_BITS * (_IPV4_PARTS_MAX - len(first)):
            raise ValueError
    except ValueError:
        raise UrlRefused("has no valid host") from None
    high = 0
    for number in first:
        high = high << _OCTET_BITS | number
    return IPv4Address(high << _OCTET_BITS * (_IPV4_PARTS_MAX - len(first)) | last)


def _number(part: str) -> int:
    if not part.isalnum():
        raise ValueError(part)
    if part.startswith("0x"):
        return int(part[2:] or "0", 16)
    return int(part, _OCTAL if part.startswith("0") else _DECIMAL)
