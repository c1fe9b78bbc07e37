"""All settings: name, meaning, type, range and default.

A field is a key of `penstock.toml`, and, except in tables, also a variable: `drain_s` is `PENSTOCK_DRAIN_S`, and the
limit `idle_s`, in the file's table `limits`, is `PENSTOCK_LIMITS_IDLE_S`.
"""

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
SocketMode = Annotated[str, msgspec.Meta(pattern=r"^0?[0-7]{3}$")]
Workers = Annotated[int, msgspec.Meta(ge=1, le=1_024)]


class SettingsError(Exception):
    """A mistake in the settings, in one line: the setting, its source, and how to correct it."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(" ".join(f"{where}: {problem}".split()))
        self.where = where
        self.problem = problem


class UpstreamSettings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One upstream: its address, its key and its models."""

    name: Name
    """The name in logs and metrics."""
    url: Name
    """The base URL, such as `https://api.example.com/v1`, without a slash at its end."""
    key: Secret | None = None
    """The key, sent as bearer token. Without one, the client's token is passed on."""
    key_env: Name | None = None
    """The environment variable that contains the key, so that no file has to contain it."""
    models: list[Name] = msgspec.field(default_factory=lambda: ["*"])
    """The models that it serves: exact names, or patterns with `*`, `?` and `[…]`."""
    aliases: dict[Name, Name] = {}
    """Further names that clients may use, each with the upstream's name of the model."""
    priority: int | None = None
    """Of several upstreams that serve a model, those with a lower priority are called first, and those with the same
    priority share the requests. Upstreams without a priority are called last, in their order."""
    weight: Weight = 1.0
    """The share of requests among upstreams of the same priority."""
    headers: dict[Name, Secret] = {}
    """Headers of every request to it. The values are treated as secrets."""
    tls: Tls = Tls()
    """How its certificate is checked, and the client certificate."""
    proxy: Secret | None = None
    """The URL of an HTTP proxy, which may contain a user and a password."""
    fetch_urls: bool = False
    """Whether images and files that a request names by URL are fetched here and sent as data, for an upstream that
    fetches nothing. Only public addresses are called, and those in `egress.allow`."""
    dialect: Literal["chat_completions", "responses"] = "chat_completions"
    """The API that it has. With `responses`, tools, items and events are relayed unchanged."""
    state: Literal["local", "upstream"] = "local"
    """Where responses and conversations are stored: here, or at the only upstream, whose dialect is `responses`."""
    context_tokens: Tokens | dict[Name, Tokens] | None = None
    """The size of its models' contexts, for `truncation: auto`: one size, or sizes by name or pattern. Without it, the
    sizes in its list of models are used."""
    options: Options = Options()
    """What differs from OpenAI's API at this upstream."""


class KeySettings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """An API key with a name. It contains the hash of the key only."""

    name: Name
    """The owner. Two keys with the same name have the same rows, so that one can replace the other."""
    hash: Name
    """`sha256:` and the key's SHA-256 in hexadecimal digits, as `penstock keys new` prints it."""
    expires: datetime | None = None
    """The time from which on it is refused. A date means its beginning. The time zone is UTC unless it is stated."""

    @property
    def digest(self) -> bytes:
        """The hash as bytes. Raises `ValueError` for a wrong hash."""
        return bytes.fromhex(self.hash.removeprefix("sha256:"))


class McpServerSettings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """An MCP server of the operator: a URL, or a program."""

    url: Secret | None = None
    """The URL, which may be on a private network. It is treated as a secret."""
    headers: dict[Name, Secret] = {}
    """Headers of every request to it. The values are treated as secrets."""
    command: Name | None = None
    """The program, which is started for each API key that uses it, and is reached by its standard input and output."""
    args: list[str] = []
    """The arguments of the program."""
    env: dict[Name, Secret] = {}
    """Variables of the program, besides `PATH`, `HOME` and the like. The values are treated as secrets."""


class SyntheticSettings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The built-in synthetic model."""

    profiles: dict[Name, Name] = {}
    """Options by name: `slow = "tokens=9&itl_ms=1"` is used as the model `synthetic?profile=slow`."""
    quantiles: dict[Name, Name] = {}
    """Files with measured values by name, one number on each line: `gpu = "gaps.txt"` is used as
    `itl_ms=quantiles(gpu)`."""


class EgressSettings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What this server may call for a client or a model, besides public addresses."""

    allow: list[Name] = []
    """Hosts with ports, such as `mcp.internal:8080` or `[fd00::1]:443`, that tools may call though they are private or
    have another port than 80 and 443. Requests with secrets need no https there."""


class Settings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """All settings. The defaults serve the synthetic model to this machine only."""

    host: Name = "127.0.0.1"
    """The address to listen on. An address that other machines can reach needs API keys."""
    port: Port = 8080
    """The port to listen on. 0 is any free port."""
    uds: Name | None = None
    """The path of a Unix socket to listen on, in place of `host` and `port`."""
    uds_mode: SocketMode = "600"
    """The permissions of that socket, in octal digits: who may write to it may use the server."""
    tls_cert: Name | None = None
    """The file with the server's certificate and those of its authorities, in PEM. With it the server serves HTTPS."""
    tls_key: Name | None = None
    """The file with the key of that certificate, in PEM and without a password, unless `tls_cert` contains it."""
    root_path: str = ""
    """The path of this server behind a reverse proxy, such as `/llm`. Requests may come with it and without it, since
    some proxies remove it, and `/openapi.json` contains it."""
    workers: Workers = 1
    """The number of processes that share the port."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The lowest level that is logged. `debug` logs each turn as it is sent, with lengths in place of texts."""
    log_format: LogFormat = "text"
    """The format of log lines: text for people, or `json`, one object a line, for machines."""
    drain_s: Seconds = 10.0
    """How long running requests may continue when the server stops."""

    metrics: bool = True
    """Whether `/metrics` counts what the server does, for Prometheus."""
    vllm_metrics: bool | None = None
    """Whether `/metrics` has vLLM's names too, for dashboards and gateways that know those of an engine. Without it,
    they are there where the synthetic model answers."""

    model: Name | None = None
    """The model of requests that name none."""
    upstreams: list[UpstreamSettings] = []
    """The upstreams. Without any, the built-in synthetic model answers."""
    synthetic: SyntheticSettings = SyntheticSettings()
    """The profiles of the synthetic model, and its measured values."""

    store: Name | None = None
    """Where responses and conversations are stored: `memory://`, `sqlite:///path`, `redis://…`, `postgresql://…`,
    `dynamodb://TABLE`, or `none://`. The default of the server is a SQLite file in the user's state directory. The
    default of an app that is mounted into another one is memory."""

    background: bool = True
    """Whether this server runs background responses: its own, and those of other servers that have stopped. Otherwise
    `background` is refused, and no expired response is removed from the store."""
    background_runner: Name | None = None
    """What has background responses run in a function, where no process outlives a request: `lambda://` for the
    function itself, or the URL of a queue of SQS whose messages it gets. Without it a function refuses `background`."""

    prompts: Name | None = None
    """The folder of prompt templates, `<id>/<version>.toml`."""

    admin: bool = False
    """Whether `/admin` can be used with an API key. A server without keys that only this machine can reach has it
    always."""
    api_keys: list[Secret] = []
    """The keys that clients send as bearer token. With neither these nor `keys`, no key is needed."""
    keys: list[KeySettings] = []
    """Further keys of clients, by name and hash."""
    allow_anonymous: bool = False
    """Whether other machines need no API key."""
    allowed_hosts: list[Name] = []
    """Hosts that `Host` and `Origin` may name, beside the local ones, while there are no API keys."""
    allowed_origins: list[Name] = []
    """Origins whose pages may read replies in a browser (CORS), such as `https://chat.example.com`. `*` allows all."""

    invoke_mode: Literal["response_stream", "buffered"] = "response_stream"
    """How the replies of an AWS Lambda function are sent. `buffered` is for a Function URL of the mode `BUFFERED`, and
    for a REST API whose integration does not stream."""

    seal_keys: list[Secret] = []
    """The keys that seal the reasoning and summaries that clients store for the server. The first key seals, and all of
    them open. Replicas need the same keys. The default of the server is a key in the user's state directory. The
    default of an app that is mounted into another one is a new key for each process."""

    unknown_parameters: Literal["ignore", "reject", "forward"] = "ignore"
    """What happens to unknown parameters of a request."""
    absent_tools: Literal["ignore", "reject"] = "ignore"
    """What happens to hosted tools that are not available."""
    done_marker: bool = True
    """Whether a stream ends with `data: [DONE]`."""
    websocket: bool = True
    """Whether `/v1/responses` accepts WebSocket connections. Otherwise they get status 426."""
    ready_needs_upstream: bool = True
    """Whether `/readyz` is 503 while no upstream answers. Turn it off where stored responses should stay available."""
    search: Name | None = None
    """The search engine of the tool `web_search`: `searxng:http://127.0.0.1:8888` with the URL of your own SearXNG, or
    `brave:`, `tavily:` or `exa:` with a key in `search_key`. Without an engine, the tool is not available."""
    search_key: Secret | None = None
    """The key of the search engine."""
    search_opens: Literal["seen", "any"] = "seen"
    """Which pages a model may open: those whose URLs stand in the conversation, in results or in pages that were read,
    or any. With `any`, a planted instruction could make it send what it knows in the query of a URL."""
    mcp: Literal["off", "on"] = "off"
    """Whether models may call the tools of MCP servers (`type: mcp`). It needs the extra `penstock[mcp]`."""
    mcp_servers: dict[Name, McpServerSettings] = {}
    """MCP servers by label, which requests use by their `server_label` alone."""
    mcp_connectors: dict[Name, Secret] = {}
    """The URL of each `connector_id` that requests may use."""
    mcp_tunnels: dict[Name, Secret] = {}
    """The URL of each `tunnel_id` that requests may use."""
    mcp_images: bool = True
    """Whether models get images of MCP tools as images. Turn it off for models without vision."""
    egress: EgressSettings = EgressSettings()
    """What tools may call besides public addresses."""
    limits: Limits = Limits()
    """All limits, by name."""

    @property
    def has_keys(self) -> bool:
        """Whether clients need a key."""
        return bool(self.api_keys or self.keys)
