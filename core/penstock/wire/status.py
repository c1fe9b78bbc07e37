"""The state of the server, as `GET /healthz` and `GET /readyz` tell it.

It knows the words; which one is true, the engine knows.
"""

from __future__ import annotations

from typing import Literal

from ._base import UNSET, UnsetType, Wire


class ServerStatus(Wire, kw_only=True):
    """Whether the server is alive, takes requests, or is about to stop."""

    status: Literal["ok", "ready", "unready", "draining"]
    reasons: list[str] | UnsetType = UNSET
    """Why it is unready."""
