"""Checks of settings that types cannot express: URLs, headers, hosts and access.

Pure: nothing is resolved or called. Every error names the source of its value.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from functools import partial
from urllib.parse import SplitResult, unquote, urlsplit

from penstock.egress import UrlRefused, allowed_endpoint
from penstock.patterns import lazy_pattern
from penstock.ports import FRAMING_HEADERS, Tls
from penstock.secrets import Secret

from .structs import Settings, SettingsError, SyntheticSettings

_OPTION_NAME = lazy_pattern(r"[A-Za-z0-9_.-]+")
_TOKEN = lazy_pattern(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HOST = lazy_pattern(r"[^/:\s\[\]A-Z]+|[0-9a-f:.]+")
"""A host name, or an IPv4 or IPv6 address without brackets."""
_ORIGIN = lazy_pattern(r"[a-z][a-z0-9+.-]*://([^/:\s\[\]A-Z?#@,]+|\[[0-9a-f:.]+\])(:\d{1,5})?")
"""A scheme, a host and an optional port. Browser extensions and desktop apps have other schemes than http."""
_UNIX = "http+unix://"
"""The prefix of the URL of an upstream behind a Unix socket."""
_SOCKET_PATH_BYTES_MAX = 103
"""The length that every system allows: 108 bytes on Linux and 104 on others, with a zero byte at the end."""
_ROOT_PATH = lazy_pattern(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*")
"""Steps of unreserved characters (RFC 3986, section 2.3), so that each path has one form."""
_ENDPOINTS = ("/chat/completions", "/completions", "/models", "/responses")


def checked_url(url: str, where: str) -> str:
    """The base URL of an upstream, without a slash at its end. No error contains it: it may contain a password."""
    problem = _url_problem(
        url, partial(_parts_problem, "name the variable with the key by --upstream-key-env or `key_env`")
    )
    if problem:
        raise SettingsError(where, problem)
    return url.rstrip("/")


def checked_root_path(path: str, where: str) -> str:
    """The root path without a slash at its end."""
    root_path = path.rstrip("/")
    if not _ROOT_PATH.fullmatch(root_path):
        raise SettingsError(
            where,
            f"{path!r} is not a root path: it begins with a slash, as /llm, and has letters, digits and ._~- only",
        )
    return root_path


def check_proxy(proxy: Secret, url: str, where: str) -> None:
    """Check the URL of a proxy, which is reached by HTTP. No error contains it."""
    if url.startswith(_UNIX):
        raise SettingsError(where, "the upstream's URL names a Unix socket, which no proxy can reach")
    problem = _url_problem(proxy.reveal(), _host_problem)
    if problem:
        raise SettingsError(where, problem)


def check_tls(tls: Tls, url: str, where: str) -> None:
    """Check that the options of TLS fit the URL and each other."""
    if tls != Tls() and not url.startswith("https:"):
        raise SettingsError(where, "the upstream's URL does not begin with https://, so there are no certificates")
    if tls.key_file and not tls.cert_file:
        raise SettingsError(f"{where}.key_file", "the `cert_file` of this key is missing")
    if tls.ca_file and tls.insecure:
        raise SettingsError(f"{where}.insecure", "give either this or `ca_file`: with this, no certificate is checked")


def _url_problem(url: str, check: Callable[[SplitResult], str | None]) -> str | None:
    if not url.isprintable() or " " in url or "\\" in url:
        return "a URL has no spaces, backslashes or control characters"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "not a URL: its host or port cannot be read"
    return check(parts)


def _host_problem(parts: SplitResult) -> str | None:
    if parts.scheme not in ("http", "https"):
        return "a URL begins with http:// or https://"
    return None if parts.hostname else "the URL has no host"


def _socket_problem(parts: SplitResult) -> str | None:
    """Check the path of a Unix socket, which has the place of the host."""
    path = unquote(parts.netloc)
    if not path.startswith("/"):
        return f"after {_UNIX} comes the socket's path, with %2F for each slash: {_UNIX}%2Frun%2Fllama.sock/v1"
    if len(path.encode()) > _SOCKET_PATH_BYTES_MAX:
        return f"the path of a Unix socket has at most {_SOCKET_PATH_BYTES_MAX} bytes"
    return None


def _parts_problem(key_advice: str, parts: SplitResult) -> str | None:
    if problem := (_socket_problem if parts.scheme == "http+unix" else _host_problem)(parts):
        return problem
    if "@" in parts.netloc:
        return f"no user and password in the URL: {key_advice}"
    if parts.query or parts.fragment:
        return "a base URL ends with its path: no ? and no #"
    for endpoint in _ENDPOINTS:
        if parts.path.rstrip("/").endswith(endpoint):
            return f"give the base URL, without {endpoint}"
    return None


def check_header_names(names: Iterable[str], where: str) -> None:
    """Check that these are names of headers (RFC 9110, section 5.1), and of none that only transports send."""
    for name in names:
        if not _TOKEN.fullmatch(name):
            raise SettingsError(where, f"{name!r} cannot be the name of a header")
        if name.lower() in FRAMING_HEADERS:
            raise SettingsError(where, f"{name} is about the end of a request or its connection, and cannot be set")


def check_synthetic(settings: SyntheticSettings, where: str) -> None:
    """Check the names of profiles and quantiles, and the options of each profile. Files of quantiles are read later."""
    _check_option_names(settings.profiles, f"{where}.profiles")
    _check_option_names(settings.quantiles, f"{where}.quantiles")
    if settings.profiles:
        _check_profiles(settings, where)


def _check_option_names(names: Iterable[str], where: str) -> None:
    """Check that options and headers can have these names."""
    for name in names:
        if not _OPTION_NAME.fullmatch(name):
            raise SettingsError(where, f"{name!r} is not a name of letters, digits, '.', '_' and '-'")


def _check_profiles(settings: SyntheticSettings, where: str) -> None:
    from penstock.dialects.synthetic.options import Mistake, QuantileTable
    from penstock.dialects.synthetic.options.grammar import read_options

    tables = {name: QuantileTable(name, (0.0, 0.0)) for name in settings.quantiles}
    for name, text in settings.profiles.items():
        try:
            read_options(text, tables=tables)
        except Mistake as mistake:
            raise SettingsError(f"{where}.profiles.{name}", f"{mistake.message} (offset {mistake.offset})") from None


def check_host_names(hosts: Iterable[str], where: str) -> None:
    """Check that these are names of hosts in lower case, without a scheme and a port."""
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise SettingsError(
                where, f"{host!r} is not a host: give the name alone in lower case, such as chat.example.com"
            )


def check_origins(origins: Iterable[str], where: str) -> None:
    """Check that these are origins as browsers send them, or `*` for all origins."""
    for origin in origins:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            example = "give scheme and host in lower case without a path, such as https://chat.example.com, or *"
            raise SettingsError(where, f"{origin!r} is not an origin: {example}")


def check_search(search: str, key: Secret | None, where: str) -> None:
    """Check the name and the URL of the search engine, and that its key is there."""
    try:
        from penstock.tools.web_search.engines import read_engine
    except ImportError:  # the zip of a function
        raise SettingsError(where, "this package is without web search") from None

    try:
        engine = read_engine(search)
    except ValueError as error:
        raise SettingsError(where, str(error)) from None
    if problem := _url_problem(engine.url, partial(_parts_problem, "set PENSTOCK_SEARCH_KEY")):
        raise SettingsError(where, problem)
    if engine.format.needs_key and key is None:
        raise SettingsError(where, f"{engine.name} needs a key: set PENSTOCK_SEARCH_KEY")


def check_egress(allow: Iterable[str], where: str) -> None:
    """Check that these are hosts with ports."""
    for entry in allow:
        try:
            allowed_endpoint(entry)
        except UrlRefused as refused:
            raise SettingsError(where, f"{entry!r} {refused}: give both, such as mcp.internal:8080") from None


def check_certificate(settings: Settings, where: str) -> None:
    """Check that a key of the server has its certificate. The files are read at the start."""
    if settings.tls_key and not settings.tls_cert:
        raise SettingsError(where, "the `tls_cert` of this key is missing")


def check_exposure(settings: Settings, where: str) -> None:
    """Check that a server that other machines can reach needs keys, or has `allow_anonymous`."""
    if settings.has_keys or settings.uds or is_loopback(settings.host):
        return
    if settings.admin:
        raise SettingsError("admin", "other machines can reach this server: /admin needs API keys here")
    if settings.allow_anonymous:
        return
    raise SettingsError(
        where,
        f"other machines can reach {settings.host}, and there are no API keys: set PENSTOCK_API_KEYS "
        "(or api_keys or keys in penstock.toml), or allow access without a key with --allow-anonymous",
    )


def check_state(settings: Settings, where: str) -> None:
    """Check that an upstream that stores the state is the only upstream, and can distinguish the callers."""
    if all(upstream.state == "local" for upstream in settings.upstreams):
        return
    [first, *others] = settings.upstreams
    owners = {key.reveal() for key in settings.api_keys} | {key.name for key in settings.keys}
    problem = None
    if others:
        problem = "an upstream that stores the state must be the only one"
    elif first.dialect != "responses":
        problem = 'set dialect = "responses" too: upstreams of other dialects store no state'
    elif len(owners) > 1:
        problem = "the upstream cannot distinguish your keys: set one key, or none"
    if problem:
        raise SettingsError(where, f'state = "upstream": {problem}')


def check_workers(settings: Settings, where: str) -> None:
    """Check that several processes share a store, and not a memory each."""
    if settings.workers > 1 and (settings.store or "").startswith("memory:"):
        raise SettingsError(
            where,
            f"{settings.workers} workers cannot share memory://: choose sqlite:///path, redis:// or postgresql://, "
            "or none://, or one worker",
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the host. A name other than localhost may be any address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
