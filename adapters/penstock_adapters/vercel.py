"""The Vercel adapter: the app that Vercel's Python runtime serves.

It knows that a function's path begins with `/api`, and where the runtime has the deadline of a request.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime

from penstock_adapters.asgi import AsgiApp
from penstock_adapters.functions import create_function_app

_ROOT_PATH = "/api"
_DEADLINES = "vercel_runtime.deadline"


def create_app() -> AsgiApp:
    """The app of the settings of this function. Raises `SettingsError`."""
    return create_function_app(root_path=_ROOT_PATH, deadline=_deadline_s)


def _deadline_s() -> float | None:
    """When Vercel ends the current request. None outside of its runtime, which alone knows the time."""
    runtime = sys.modules.get(_DEADLINES)
    deadline: datetime | None = runtime.get_deadline() if runtime else None
    if deadline is None:
        return None
    return time.monotonic() + (deadline - datetime.now(UTC)).total_seconds()
