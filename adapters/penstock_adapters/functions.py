"""Functions of platforms that call an ASGI app: the app of their settings.

It knows what is different in a function: others can reach it, its instances share no memory, and nothing runs after a
reply. It does not know any platform.
"""

from __future__ import annotations

from msgspec.structs import replace

from penstock.settings import Settings
from penstock.telemetry import configure_logging
from penstock_adapters.asgi import AsgiApp, Deadline
from penstock_adapters.drivers import create_asgi_app
from penstock_adapters.environment import read_settings


def create_function_app(
    *, root_path: str = "", deadline: Deadline | None = None, request_s: float | None = None
) -> AsgiApp:
    """The app of `PENSTOCK_…` variables and `penstock.toml`. Nothing is opened before a request.

    Without keys and `allow_anonymous` it answers 401. `root_path` is what the host has before its paths, and
    `request_s` how long it lets a request last, where the settings do not have them. Raises `SettingsError`.
    """
    settings = _function_settings(read_settings(), root_path, request_s)
    configure_logging(settings.log_level, settings.log_format)
    return AsgiApp(create_asgi_app(settings, location="function").service, deadline)


def _function_settings(settings: Settings, root_path: str, request_s: float | None) -> Settings:
    """The settings, with nothing that outlives a request."""
    limits = settings.limits
    if request_s and not limits.request_s:
        limits = replace(limits, request_s=request_s)
    return replace(
        settings,
        limits=limits,
        root_path=settings.root_path or root_path,
        store=settings.store or "none://",
        background=False,
    )
