"""The HTTP proxies of the environment: `HTTPS_PROXY`, `HTTP_PROXY` and `ALL_PROXY`, and the hosts of `NO_PROXY`.

It knows what curl and others have made of these variables. It connects to nothing.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from penstock.secrets import Secret
from penstock.settings import check_proxy, is_loopback

_log = logging.getLogger("penstock.proxies")

_VARIABLES = {
    "http": ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"),
    "https": ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"),
}
"""The variables for the scheme of an upstream. The first that is set counts."""
_NO_PROXY = ("no_proxy", "NO_PROXY")
_PORTS = {"http": 80, "https": 443}
_SEPARATORS = re.compile(r"[,\s]+")
_WITH_PORT = re.compile(r"\[(?P<address>[^\]]+)\](:(?P<port_of_address>\d+))?|(?P<host>[^:]+):(?P<port>\d+)")


class EnvironmentProxy(msgspec.Struct, frozen=True):
    """A proxy, and the variable that names it."""

    variable: str
    url: Secret


def environment_proxy(url: str, environment: Mapping[str, str] = os.environ) -> EnvironmentProxy | None:
    """The proxy on the way to this URL, or None. Raises `SettingsError` for a value that is no URL of a proxy.

    This machine is reached without a proxy, as is every host of `NO_PROXY`. A proxy of another protocol than HTTP is
    ignored, with a warning.
    """
    parts = urlsplit(url)
    variable = _first_set(_VARIABLES.get(parts.scheme, ()), environment)
    host = parts.hostname or ""
    if not variable or is_loopback(host):
        return None
    # spec: environment-proxies
    if _is_exempt(host, parts.port or _PORTS[parts.scheme], environment.get(_first_set(_NO_PROXY, environment), "")):
        return None
    value = environment[variable].strip()
    proxy = Secret(value if "://" in value else f"http://{value}")
    scheme = proxy.reveal().partition("://")[0].lower()
    if scheme not in _PORTS:
        _log.warning("%s is ignored: a proxy is reached by http:// or https://, not by %s://", variable, scheme)
        return None
    check_proxy(proxy, url, variable)
    return EnvironmentProxy(variable, proxy)


def _first_set(names: tuple[str, ...], environment: Mapping[str, str]) -> str:
    return next((name for name in names if environment.get(name, "").strip()), "")


def _is_exempt(host: str, port: int, patterns: str) -> bool:
    """Whether `NO_PROXY` names the host: by its name, a domain above it, its address, or a network; `*` is all."""
    return any(_matches(host, port, pattern) for pattern in _SEPARATORS.split(patterns.lower()) if pattern)


def _matches(host: str, port: int, pattern: str) -> bool:
    if pattern == "*":
        return True
    found = _WITH_PORT.fullmatch(pattern)
    if found is not None:
        pattern = found["address"] or found["host"]
        wanted = found["port_of_address"] or found["port"]
        if wanted and int(wanted) != port:
            return False
    return _is_in_network(host, pattern) if _is_address(host) else _is_in_domain(host, pattern)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_in_network(address: str, pattern: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(pattern, strict=False)
    except ValueError:  # the pattern is a name
        return False


def _is_in_domain(host: str, pattern: str) -> bool:
    domain = pattern.lstrip("*").strip(".")
    return bool(domain) and f".{host.rstrip('.')}".endswith(f".{domain}")
