"""The startup banner: the models and the address of a server, and a request to copy.

It knows the settings, and prints no secret of them.
"""

from __future__ import annotations

import json
import shlex
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from penstock.engine import UpstreamReport
from penstock.settings import Settings, UpstreamSettings, without_credentials
from penstock.telemetry import escaped

Listed: TypeAlias = Mapping[str, Sequence[str]]
"""The models that upstreams list, by the upstream's name."""

_NOTHING: Listed = {}
_NAMES_MAX = 10
"""How many models of an upstream are named."""

HERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""The address by which this machine reaches a server that listens on all addresses."""


def listening(listener: socket.socket, *, is_secure: bool) -> str:
    """The line `listening on http://…` with the real port, or `listening on unix:…`."""
    if listener.family == socket.AF_UNIX:
        return f"listening on unix:{listener.getsockname()}\n"
    host, port = listener.getsockname()[:2]
    return f"listening on {http_url(host, port, is_secure=is_secure)}\n"


def startup_banner(settings: Settings, listener: socket.socket, reports: Sequence[UpstreamReport] = ()) -> str:
    """The models as far as the upstreams have listed them, the store, and a request to copy."""
    listed = {report.route.name: report.models for report in reports}
    lines = [
        *(f"models: {line}" for line in _models(settings, listed)),
        *(f"store: {line}" for line in _store(settings)),
        f"try: {shlex.join(_curl(settings, listed, listener))}",
    ]
    return "".join(f"{line}\n" for line in lines)


def http_url(host: str, port: int, *, is_secure: bool) -> str:
    """The URL of a server at this address."""
    return f"http{'s' * is_secure}://{f'[{host}]' if ':' in host else host}:{port}"


def _models(settings: Settings, listed: Listed) -> Iterator[str]:
    if not settings.upstreams:
        yield "synthetic (built in)"
    for upstream in settings.upstreams:
        names = _names(upstream, listed)
        more = f" and {len(names) - _NAMES_MAX} more" if len(names) > _NAMES_MAX else ""
        yield f"{', '.join(names[:_NAMES_MAX])}{more} at {upstream.url} ({upstream.name})"


def _store(settings: Settings) -> Iterator[str]:
    """Where responses are stored; for a file its absolute path."""
    url = settings.store
    if url and url.startswith("sqlite:///"):
        yield f"sqlite:///{Path(url.removeprefix('sqlite:///')).absolute()}"
    elif url:
        yield without_credentials(url)


def _names(upstream: UpstreamSettings, listed: Listed) -> list[str]:
    """The models of an upstream: patterns where it does not list the models that match."""
    models = listed.get(upstream.name)
    configured = [name for name in upstream.models if not models or _is_exact(name)]
    return [escaped(name) for name in dict.fromkeys([*configured, *upstream.aliases, *(models or ())])]


def _curl(settings: Settings, listed: Listed, listener: socket.socket) -> list[str]:
    is_secure = settings.tls_cert is not None
    address = ["--insecure"] if is_secure else []  # the certificate is for the name that clients use
    if listener.family == socket.AF_UNIX:
        address += ["--unix-socket", listener.getsockname(), f"http{'s' * is_secure}://localhost/v1/responses"]
    else:
        host, port = listener.getsockname()[:2]
        address += [f"{http_url(HERE.get(host, host), port, is_secure=is_secure)}/v1/responses"]
    key = ["-H", "authorization: Bearer YOUR_API_KEY"] if settings.has_keys else []
    body = json.dumps({"model": example_model(settings, listed), "input": "Say hello."})
    return ["curl", *address, "-H", "content-type: application/json", *key, "-d", body]


def example_model(settings: Settings, listed: Listed = _NOTHING) -> str:
    """The default model, or else a model whose exact name is known."""
    if settings.model or not settings.upstreams:
        return settings.model or "synthetic"
    names = [name for upstream in settings.upstreams for name in (*upstream.aliases, *upstream.models)]
    names += [name for models in listed.values() for name in models]
    return next(filter(_is_exact, names), "YOUR_MODEL")


def _is_exact(name: str) -> bool:
    return not set(name) & set("*?[")
