"""Penstock: the OpenAI Responses API in front of any model.

It has the public names only. Each is loaded at its first use, so that `import penstock` is cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from penstock.version import VERSION

if TYPE_CHECKING:
    from penstock.assembly import build as build
    from penstock.drivers import Drivers as Drivers
    from penstock.errors import ApiError as ApiError
    from penstock.http import Reply as Reply
    from penstock.http import Request as Request
    from penstock.limits import Limits as Limits
    from penstock.secrets import Secret as Secret
    from penstock.service import Service as Service
    from penstock.settings import Settings as Settings
    from penstock.settings import UpstreamSettings as UpstreamSettings
    from penstock.wire import CreateResponse as CreateResponse
    from penstock.wire import Event as Event
    from penstock.wire import Response as Response

__version__ = VERSION

_MODULES = {
    "ApiError": "penstock.errors",
    "CreateResponse": "penstock.wire",
    "Drivers": "penstock.drivers",
    "Event": "penstock.wire",
    "Limits": "penstock.limits",
    "Reply": "penstock.http",
    "Request": "penstock.http",
    "Response": "penstock.wire",
    "Secret": "penstock.secrets",
    "Service": "penstock.service",
    "Settings": "penstock.settings",
    "UpstreamSettings": "penstock.settings",
    "build": "penstock.assembly",
}

__all__ = [*_MODULES]  # noqa: PLE0604 - the keys are names


def __getattr__(name: str) -> Any:
    """Load a public name from its module."""
    if name not in _MODULES:
        raise AttributeError(f"module 'penstock' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
