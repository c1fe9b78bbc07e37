"""The greeting: what a server says when it is up: its models, its address, and a request to paste.

It knows the settings and tells no secret of them.
"""

from __future__ import annotations

import json
import shlex
import socket
from collections.abc import Iterator

from penstock.settings import Settings

HERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""By which address this machine reaches a server that listens on all."""


def greeting(settings: Settings, listener: socket.socket) -> str:
    """Some lines, one of which is `listening on http://…` with the real port."""
    host, port = listener.getsockname()[:2]
    lines = [
        *(f"models: {line}" for line in _models(settings)),
        f"listening on {http_url(host, port)}",
        f"try: {shlex.join(_curl(settings, http_url(HERE.get(host, host), port)))}",
    ]
    return "".join(f"{line}\n" for line in lines)


def http_url(host: str, port: int) -> str:
    """The address of a server of ours."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _models(settings: Settings) -> Iterator[str]:
    if not settings.upstreams:
        yield "synthetic (built in)"
    for upstream in settings.upstreams:
        names = ", ".join([*upstream.models, *upstream.aliases])
        yield f"{names} at {upstream.url} ({upstream.name})"


def _curl(settings: Settings, url: str) -> list[str]:
    key = ["-H", "authorization: Bearer YOUR_API_KEY"] if settings.has_keys else []
    body = json.dumps({"model": example_model(settings), "input": "Say hello."})
    return ["curl", f"{url}/v1/responses", "-H", "content-type: application/json", *key, "-d", body]


def example_model(settings: Settings) -> str:
    """The default model, or else one whose name is known exactly."""
    if settings.model or not settings.upstreams:
        return settings.model or "synthetic"
    names = [name for upstream in settings.upstreams for name in (*upstream.aliases, *upstream.models)]
    return next((name for name in names if not set(name) & set("*?[")), "YOUR_MODEL")
