"""The state of the server, as `GET /healthz` and `GET /readyz` report it.

It knows the JSON only. The engine knows the state.
"""

from typing import Literal

from ._base import UNSET, UnsetType, Wire


class ServerStatus(Wire, kw_only=True):
    """Whether the server is alive, accepts requests, or is stopping."""

    status: Literal["ok", "ready", "unready", "draining"]
    reasons: list[str] | UnsetType = UNSET
    """The reason why the server is not ready."""


class ServerVersion(Wire, kw_only=True):
    """The version of this server."""

    version: str
