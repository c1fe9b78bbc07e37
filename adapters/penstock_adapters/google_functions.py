"""The adapter for Google Cloud Functions and Cloud Run: the app that a function of the Functions Framework returns.

It knows that a variable of Cloud Run contains how long a request may last.
"""

from __future__ import annotations

import os

from penstock.settings import SettingsError
from penstock_adapters.asgi import AsgiApp
from penstock_adapters.functions import create_function_app

_TIMEOUT = "CLOUD_RUN_TIMEOUT_SECONDS"


def create_app() -> AsgiApp:
    """The app of the settings of this function. Raises `SettingsError`."""
    return create_function_app(request_s=_timeout_s())


def _timeout_s() -> float | None:
    given = os.environ.get(_TIMEOUT, "")
    if given and not given.isdecimal():
        raise SettingsError(_TIMEOUT, f"not a number of seconds: '{given}'")
    return float(given) if given else None
