"""The clients that `penstock init` can set up: one function each, from the server's settings to the client's.

It knows each client's file and format. It reads and writes no file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec

from penstock.settings import CLIENT_KEY_VARIABLE, Settings
from penstock_adapters.cli.startup_banner import HERE, example_model, http_url

_NO_KEY = "unused"
"""The key that clients send to a server without keys, if they must send one."""

Values: TypeAlias = dict[str, object]


class ClientFile(msgspec.Struct, frozen=True):
    """A configuration file of a client, and the values for it. The file's suffix is its format."""

    path: Path
    values: Values
    defaults: Values = {}
    """Values that are added only where the file has none."""


class Client(msgspec.Struct, frozen=True):
    """What a client needs: values in files, or lines for a shell, and how to start it."""

    files: Sequence[ClientFile] = ()
    lines: Sequence[str] = ()
    usage: Sequence[str] = ()


def codex(settings: Settings) -> Client:
    """Codex CLI 0.134 and later: the provider in `config.toml`, and a profile in a file of its own.

    Codex asks a provider for remote compaction only where its name is OpenAI.
    """
    provider: Values = {"name": "OpenAI", "base_url": _base_url(settings), "wire_api": "responses"}
    if settings.websocket:
        provider["supports_websockets"] = True
    if settings.has_keys:
        provider["env_key"] = CLIENT_KEY_VARIABLE
    home = Path(os.environ.get("CODEX_HOME") or Path.home() / ".codex")
    return Client(
        files=[
            ClientFile(home / "config.toml", {"model_providers": {"penstock": provider}}),
            ClientFile(home / "penstock.config.toml", {"model": example_model(settings), "model_provider": "penstock"}),
        ],
        usage=["Start it with: codex --profile penstock"],
    )


def opencode(settings: Settings) -> Client:
    """OpenCode: a provider of the Responses API, through the AI SDK's package for OpenAI."""
    model = example_model(settings)
    options = {"baseURL": _base_url(settings), "apiKey": _key(settings, f"{{env:{CLIENT_KEY_VARIABLE}}}")}
    provider = {"npm": "@ai-sdk/openai", "name": "Penstock", "options": options, "models": {model: {"name": model}}}
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    path = Path(os.environ.get("OPENCODE_CONFIG") or config / "opencode" / "opencode.json")
    return Client(
        files=[
            ClientFile(
                path,
                {"provider": {"penstock": provider}},
                defaults={"$schema": "https://opencode.ai/config.json"},
            )
        ],
        usage=[f"Start it with: opencode --model penstock/{model}"],
    )


def continue_dev(settings: Settings) -> Client:
    """Continue: a model of the OpenAI provider. It uses `/chat/completions`, which is relayed."""
    model = {
        "name": "Penstock",
        "provider": "openai",
        "model": example_model(settings),
        "apiBase": _base_url(settings),
        "apiKey": _key(settings, f"${{{{ secrets.{CLIENT_KEY_VARIABLE} }}}}"),
        "roles": ["chat", "edit", "apply"],
    }
    home = Path(os.environ.get("CONTINUE_GLOBAL_DIR") or Path.home() / ".continue")
    return Client(
        files=[
            ClientFile(
                home / "config.yaml",
                {"models": [model]},
                defaults={"name": "Local Config", "version": "1.0.0", "schema": "v1"},
            )
        ],
        usage=["Choose the model Penstock in Continue."],
    )


def litellm(settings: Settings) -> Client:
    """LiteLLM's proxy: a model that it calls by the Responses API, or by Chat Completions where a client does."""
    model = example_model(settings)
    parameters = {
        "model": f"openai/{model}",
        "api_base": _base_url(settings),
        "api_key": _key(settings, f"os.environ/{CLIENT_KEY_VARIABLE}"),
    }
    path = Path("litellm_config.yaml")
    return Client(
        files=[ClientFile(path, {"model_list": [{"model_name": model, "litellm_params": parameters}]})],
        usage=[f"Start it with: litellm --config {path}"],
    )


def environment(settings: Settings) -> Client:
    """Lines for a shell: the variables that the `openai` SDKs and the Agents SDKs read."""
    key = _key(settings, f'"${CLIENT_KEY_VARIABLE}"')
    return Client(lines=[f"export OPENAI_BASE_URL={_base_url(settings)}", f"export OPENAI_API_KEY={key}"])


CLIENTS: dict[str, Callable[[Settings], Client]] = {
    "codex": codex,
    "opencode": opencode,
    "continue": continue_dev,
    "litellm": litellm,
    "env": environment,
}
"""Each client by its name on the command line."""


def _base_url(settings: Settings) -> str:
    is_secure = settings.tls_cert is not None
    return f"{http_url(HERE.get(settings.host, settings.host), settings.port, is_secure=is_secure)}/v1"


def _key(settings: Settings, variable: str) -> str:
    return variable if settings.has_keys else _NO_KEY
