"""Setting up clients: `penstock init codex` prints what a client's own configuration needs in order to come here.

It knows the clients' formats, one function each, and where this server listens by its settings; it writes no file.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from penstock.settings import Settings, as_toml

from .greeting import HERE, example_model, http_url

KEY_VARIABLE = "PENSTOCK_KEY"
"""The variable in which the client finds its key."""


def codex(settings: Settings) -> str:
    """The provider's block for `~/.codex/config.toml`, as TOML."""
    url = http_url(HERE.get(settings.host, settings.host), settings.port)
    provider: dict[str, str | bool] = {"name": "Penstock", "base_url": f"{url}/v1", "wire_api": "responses"}
    if settings.websocket:
        provider["supports_websockets"] = True
    if settings.has_keys:
        provider["env_key"] = KEY_VARIABLE
    return as_toml(
        {
            "model": example_model(settings),
            "model_provider": "penstock",
            "model_providers": {"penstock": provider},
        }
    )


CLIENTS: dict[str, tuple[str, Callable[[Settings], str]]] = {"codex": ("~/.codex/config.toml", codex)}
"""Each client with the file that the text is for, and what makes the text."""


def init(client: str, settings: Settings) -> int:
    """Print the configuration of a client: the text on stdout, where to put it on stderr."""
    path, make_text = CLIENTS[client]
    sys.stderr.write(f"# for {path}\n")
    sys.stdout.write(make_text(settings))
    if settings.has_keys:
        sys.stderr.write(f"# and the client's API key in the variable {KEY_VARIABLE}\n")
    return 0
