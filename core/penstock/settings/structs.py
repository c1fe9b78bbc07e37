"""The settings by name: what each one is, its type, its range and its default.

It knows shapes only. A field is a key of `penstock.toml`, and but for the tables' also a variable: `drain_s` is
`PENSTOCK_DRAIN_S`, and the limit `idle_s`, in the file's table `limits`, is `PENSTOCK_LIMITS_IDLE_S`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from penstock.dialects.chat_completions import Options
from penstock.limits import Limits, Seconds
from penstock.ports import Tls
from penstock.secrets import Secret
from penstock.telemetry import LogFormat

Name = Annotated[str, msgspec.Meta(min_length=1)]
Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
Tokens = Annotated[int, msgspec.Meta(ge=1)]
Weight = Annotated[float, msgspec.Meta(gt=0)]
Workers = Annotated[int, msgspec.Meta(ge=1, le=1_024)]


class SettingsError(Exception):
    """A mistake in the settings, in one line: which setting, where it came from, and how to mend it."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(" ".join(f"{where}: {problem}".split()))
        self.where = where
        self.problem = problem


class UpstreamSettings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One place where models are: where it is, how to be let in, and which names it serves."""

    name: Name
    """How it is called in logs and metrics."""
    url: Name
    """The base URL, such as `https://api.example.com/v1`; no slash at its end."""
    key: Secret | None = None
    """Sent as bearer. Without one, the client's own is passed on."""
    key_env: Name | None = None
    """The variable that holds the key, so that no file need hold it."""
    models: list[Name] = msgspec.field(default_factory=lambda: ["*"])
    """The names that it serves: exact, or patterns with `*`, `?` and `[…]`."""
    aliases: dict[Name, Name] = {}
    """Further names that clients may use, each with the upstream's own name for it."""
    priority: int | None = None
    """Of several upstreams that serve a model, lower ones are asked first and equal ones share; those without one are
    asked last, in their order."""
    weight: Weight = 1.0
    """The share among upstreams of the same priority."""
    headers: dict[Name, Secret] = {}
    """Sent with every request to it; the values are kept as secrets."""
    tls: Tls = Tls()
    """How its certificate is checked, and which one it is shown."""
    proxy: Secret | None = None
    """The URL of an HTTP proxy on the way to it, which may have a user and a password."""
    dialect: Literal["chat_completions", "responses"] = "chat_completions"
    """The language that it speaks. Of `responses`, tools, items and events are relayed as they are."""
    state: Literal["local", "upstream"] = "local"
    """Who keeps responses and conversations: this server, or one that speaks `responses` and is the only upstream."""
    context_tokens: Tokens | dict[Name, Tokens] | None = None
    """The size of its models' contexts, for `truncation: auto`: one for all, or by name or pattern. Without it, what
    its list of models tells."""
    options: Options = Options()
    """What is particular about how it speaks it."""


class KeySettings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """An API key that has a name. The key itself is nowhere."""

    name: Name
    """Whose it is. Two keys of one name have the same rows, so that one can take the other's place."""
    hash: Name
    """`sha256:` and the key's SHA-256 in hexadecimal digits, as `penstock keys new` tells it."""
    expires: datetime | None = None
    """From when on it lets nobody in. In the file a date is its first moment; both are UTC where they say nothing."""

    @property
    def digest(self) -> bytes:
        """The hash as bytes. Raises `ValueError` for one that is none."""
        return bytes.fromhex(self.hash.removeprefix("sha256:"))


class Settings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Everything that can be set. As it stands: the synthetic model, for this machine only."""

    host: Name = "127.0.0.1"
    """The address to listen on. One that other machines can reach wants API keys."""
    port: Port = 8080
    """0 takes any free port."""
    workers: Workers = 1
    """Processes that share the port."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is logged; `debug` shows each turn as it is sent, with lengths in the place of texts."""
    log_format: LogFormat = "text"
    """Lines for people, or `json`: one object a line, for machines."""
    drain_s: Seconds = 10.0
    """How long open streams may go on after the server was asked to stop."""

    model: Name | None = None
    """The model of a request that names none."""
    upstreams: list[UpstreamSettings] = []
    """With none, the built-in synthetic model answers."""

    store: Name | None = None
    """Where responses and conversations are kept: `memory://`, `sqlite:///path`, `redis://…`, `postgresql://…`, or
    `none://`. The server's own default is a SQLite file in the user's state directory; an app that is mounted into
    another one has memory."""

    prompts: Name | None = None
    """The folder of prompt templates, `<id>/<version>.toml`."""

    api_keys: list[Secret] = []
    """What clients may show as bearer, in short. With neither these nor `keys`, nobody is asked for one."""
    keys: list[KeySettings] = []
    """The same by name and hash."""
    allow_anonymous: bool = False
    """Whether other machines may be let in without an API key."""
    allowed_hosts: list[Name] = []
    """Hosts beside the local ones that `Host` and `Origin` may name while there are no API keys."""
    allowed_origins: list[Name] = []
    """Pages that may read replies in a browser (CORS), by scheme, host and port, such as `https://chat.example.com`;
    `*` allows all pages."""

    seal_keys: list[Secret] = []
    """What seals the thoughts and summaries that clients keep for us: the first key seals, all of them open. Replicas
    need the same ones. The server's own default is kept in the user's state directory; an app that is mounted into
    another one makes one up, which goes with its process."""

    unknown_parameters: Literal["ignore", "reject", "forward"] = "ignore"
    """What happens to request fields that nobody here knows."""
    absent_tools: Literal["ignore", "reject"] = "ignore"
    """What happens to hosted tools that are not configured."""
    done_marker: bool = True
    """Whether a stream ends with `data: [DONE]`."""
    websocket: bool = True
    """Whether `/v1/responses` takes WebSocket connections; otherwise it answers them with 426."""
    ready_needs_upstream: bool = True
    """Whether `/readyz` is 503 while no upstream answers: no new response could be made then. Where stored ones are
    to be had all the same, turn it off."""
    limits: Limits = Limits()
    """Every bound by name."""

    @property
    def has_keys(self) -> bool:
        """Whether clients are asked for a key, of either form."""
        return bool(self.api_keys or self.keys)
