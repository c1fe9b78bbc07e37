"""The adapter for Azure Functions: the app, and the response through which the HTTP-streaming extension calls it.

It knows what of `host.json` matters to the app: the prefix of all routes, and how long a function may run. An
application setting may replace each value of that file.
Source: "host.json reference for Azure Functions 2.x and later" of Azure's documentation.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from penstock.settings import SettingsError
from penstock_adapters.asgi import AsgiApp
from penstock_adapters.functions import create_function_app

_PREFIX = "api"
"""The prefix of all routes where `host.json` has none."""
_REPLACED = "AzureFunctionsJobHost__"
_TIME = re.compile(r"(?:(\d{1,4})\.)?(\d{1,2}):(\d{2}):(\d{2})")
"""A time span as .NET writes it: days, hours, minutes and seconds."""


class _Http(msgspec.Struct, rename="camel"):
    route_prefix: str = _PREFIX


class _Extensions(msgspec.Struct):
    http: _Http = msgspec.field(default_factory=_Http)


class _HostFile(msgspec.Struct, rename="camel"):
    """The values of `host.json` that are read."""

    extensions: _Extensions = msgspec.field(default_factory=_Extensions)
    function_timeout: str | None = None


class AppResponse(Response):
    """What a function returns so that the app answers its request itself, piece by piece."""

    def __init__(self, app: AsgiApp) -> None:
        super().__init__()
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request of the function."""
        await self._app(scope, receive, send)


def create_app(folder: Path) -> AsgiApp:
    """The app of the settings of this function app, whose `host.json` is in the folder. Raises `SettingsError`."""
    host = _read(folder / "host.json")
    prefix = os.environ.get(f"{_REPLACED}extensions__http__routePrefix", host.extensions.http.route_prefix)
    prefix = prefix.strip("/")
    timeout = os.environ.get(f"{_REPLACED}functionTimeout", host.function_timeout)
    return create_function_app(root_path=f"/{prefix}" if prefix else "", request_s=_seconds(timeout))


def _read(path: Path) -> _HostFile:
    try:
        return msgspec.json.decode(path.read_text("utf-8-sig"), type=_HostFile)
    except FileNotFoundError:
        return _HostFile()
    except (OSError, ValueError) as error:
        raise SettingsError(str(path), f"cannot be read: {error}") from None


def _seconds(timeout: str | None) -> float | None:
    """A time span in seconds. None where there is no limit, which is `-1`."""
    if timeout in (None, "-1"):
        return None
    found = _TIME.fullmatch(timeout)
    if found is None:
        raise SettingsError("functionTimeout", f"not a time as hh:mm:ss: '{timeout}'")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
