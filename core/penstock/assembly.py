"""The assembly: it makes the service that the settings describe. Only this module knows all drivers by name.

It creates drivers and never uses them. Those that need more than the standard library come from the adapters
(`drivers`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Literal
from urllib.parse import urlsplit

from penstock.access import Access, named_key
from penstock.dialects.chat_completions import ChatCompletions, Options
from penstock.drivers import NO_DRIVERS, Drivers, OpenStore
from penstock.egress import Egress
from penstock.endpoints.admin import Admin
from penstock.engine import HostedTools, InliningUpstream, Policies, RemoteUpstream, Route, Routes
from penstock.engine.upstreams.attempt_log import without_secrets
from penstock.errors import quoted, suggestion
from penstock.fetching import Fetcher
from penstock.limits import Limits
from penstock.origins import Origins
from penstock.ports import (
    BackgroundRunner,
    Connect,
    Destination,
    Dialect,
    HostedTool,
    Marks,
    Sealer,
    SearchEngine,
    Store,
)
from penstock.service import Service
from penstock.settings import (
    Settings,
    SettingsError,
    UpstreamSettings,
    is_loopback,
    own_servers,
    read_seal_keys,
)
from penstock.stores.timed import timed
from penstock.telemetry.metrics import Metrics


def _sqlite(url: str) -> Store:
    try:
        from penstock.stores.sqlite import SqliteStore
    except ModuleNotFoundError:  # the zip of a function, or a Python without SQLite
        raise SettingsError("store", "this package is without SQLite: choose another store") from None

    rest = url.removeprefix("sqlite://")
    forms = "sqlite:///relative/file or sqlite:////absolute/file"
    if rest and not rest.startswith("/"):
        raise SettingsError("store", f"sqlite:// is followed by a slash: {forms}; did you mean sqlite:///{rest}?")
    if rest in ("", "/"):
        raise SettingsError("store", f"sqlite:// needs a path: {forms}")
    return SqliteStore(rest.removeprefix("/"))


def _memory(url: str) -> Store:
    try:
        from penstock.stores.memory import MemoryStore
    except ImportError:  # the zip of a function
        raise SettingsError("store", "this package is without a store in memory: choose another store") from None

    return MemoryStore()


Location = Literal["server", "app", "function"]
"""Where the service is: in a server of its own, in an app of others, or in a function of a platform."""


STORES: dict[str, OpenStore] = {"memory": _memory, "sqlite": _sqlite, "none": lambda url: None}
"""The stores of the core, by the scheme of their URL."""


def build(settings: Settings, drivers: Drivers = NO_DRIVERS, *, location: Location = "server") -> Service:
    """The service that the settings describe. Nothing is connected to or opened before the first request.

    The settings have the address of a server only. Others can reach a function: without keys or `allow_anonymous`
    no request has access to it.
    """
    origins = Origins(settings.allowed_origins)
    routes = build_routes(settings, drivers)
    access = _access(settings, origins, is_exposed=location == "function")
    metrics = _metrics(settings, routes) if settings.metrics else None
    store = open_store(settings.store or "memory://", drivers.stores)
    return Service(
        routes,
        access=access,
        limits=settings.limits,
        policies=Policies(
            unknown_parameters=settings.unknown_parameters,
            absent_tools=settings.absent_tools,
            background=_runs_background(settings, location, drivers.runner),
            runner=drivers.runner,
            tools=_hosted_tools(settings, store, drivers),
        ),
        store=timed(store, metrics) if store and metrics else store,
        sealer=_sealer(settings, drivers),
        prompts=drivers.open_prompts(settings.prompts) if settings.prompts else None,
        decompress=drivers.decompress,
        done_marker=settings.done_marker,
        websocket=settings.websocket,
        ready_needs_upstream=settings.ready_needs_upstream,
        origins=origins,
        metrics=metrics,
        siblings=drivers.siblings,
        admin=_admin(settings, routes, access, location),
        root_path=settings.root_path,
    )


def _runs_background(settings: Settings, location: Location, runner: BackgroundRunner | None) -> bool:
    """Whether there are background responses: a function has none without a runner. Raises `SettingsError`."""
    if settings.background_runner and settings.background and runner is None:
        raise SettingsError("background_runner", "only a function of AWS Lambda has one: elsewhere leave it out")
    return settings.background and (location != "function" or runner is not None)


def _sealer(settings: Settings, drivers: Drivers) -> Sealer | None:
    """The sealer of the settings' keys, where there is a driver."""
    make = drivers.make_sealer
    return make(read_seal_keys(settings.seal_keys, "seal_keys")) if make else None


def _hosted_tools(settings: Settings, store: Store | None, drivers: Drivers) -> HostedTools:
    """The hosted tools that the settings turn on."""
    families: list[HostedTool] = []
    if settings.search:
        families.append(_web_search(settings, drivers))
    if settings.mcp == "on":
        families.append(_mcp(settings, store, drivers))
    limits = settings.limits
    return HostedTools(families, runs_max=limits.tool_runs_max, owner_runs_max=limits.tool_runs_per_key_max)


def _web_search(settings: Settings, drivers: Drivers) -> HostedTool:
    # spec: lean-imports
    from penstock.tools.web_search import WebSearch
    from penstock.tools.web_search.pages import Pages

    limits, egress = settings.limits, Egress(settings.egress.allow)
    reader = Pages(Fetcher(drivers.connect, egress, limits), drivers.make_extractor(limits), limits)
    return WebSearch(search_engine(settings, drivers.connect), reader, egress, opens_any=settings.search_opens == "any")


def search_engine(settings: Settings, connect: Connect) -> SearchEngine:
    """The search engine that the settings name."""
    from penstock.tools.web_search.engine_client import EngineClient
    from penstock.tools.web_search.engines import read_engine

    engine = read_engine(settings.search or "")
    key = settings.search_key.reveal() if settings.search_key else ""
    transport = connect(Destination(name=engine.name, url=engine.url.rstrip("/")), settings.limits)
    return EngineClient(engine, key, transport, settings.limits)


def _mcp(settings: Settings, store: Store | None, drivers: Drivers) -> HostedTool:
    """The tools of MCP servers."""
    from penstock.tools.mcp.family import McpTools

    egress = Egress(settings.egress.allow)
    return McpTools(
        drivers.connect_mcp(settings.limits, egress),
        settings.limits,
        egress=egress,
        own=own_servers(settings),
        marks=_marks(store),
        images=settings.mcp_images,
    )


def _marks(store: object) -> Marks | None:
    """The store as the one of marks, where its engine has them."""
    return store if isinstance(store, Marks) else None


def _admin(settings: Settings, routes: Routes, access: Access, location: Location) -> Admin | None:
    """The route of the administrator, for the synthetic model, where the settings allow it."""
    is_private = (bool(settings.uds) or is_loopback(settings.host)) and location == "server"
    if not (settings.admin if settings.has_keys else is_private):
        return None
    local = next((route.upstream for route in routes.direct if route.is_local), None)
    if local is None:
        return None
    from penstock.engine.upstreams.synthetic.upstream import SyntheticUpstream

    return Admin(local.live, access.check_change) if isinstance(local, SyntheticUpstream) else None


def _metrics(settings: Settings, routes: Routes) -> Metrics:
    local = [route.name for route in routes.direct if route.is_local]
    return Metrics(
        models=list(routes.named_models()),
        local_upstreams=local,
        names_max=settings.limits.metric_names_max,
        has_vllm_names=bool(local) if settings.vllm_metrics is None else settings.vllm_metrics,
    )


def _access(settings: Settings, origins: Origins, *, is_exposed: bool) -> Access:
    """The access control, with the keys of `api_keys` and `keys`."""
    named = [
        named_key(key.name, key.digest, expires_at=key.expires.timestamp() if key.expires else None)
        for key in settings.keys
    ]
    return Access(
        settings.api_keys,
        named=named,
        allowed_hosts=settings.allowed_hosts,
        any_host=settings.allow_anonymous,
        is_exposed=is_exposed,
        origins=origins,
    )


def open_store(url: str, stores: Mapping[str, OpenStore] = NO_DRIVERS.stores) -> Store | None:
    """The store at a URL, by its scheme. None for `none://`. Raises `SettingsError` for a wrong URL."""
    scheme, separator, _ = url.partition("://")
    known = STORES | dict(stores)
    if scheme not in known or not separator:
        name = scheme.partition(":")[0] + (separator or ":")  # without a scheme, the rest may be a password
        schemes = [f"{scheme}://" for scheme in sorted(known)]
        # spec: listed-choices
        problem = f"no store for {quoted(name)}; there are {', '.join(schemes)}{suggestion(name, schemes)}"
        raise SettingsError("store", problem)
    try:
        urlsplit(url)  # an error of the store would contain the URL and its password
    except ValueError:
        raise SettingsError("store", "not a URL: its host cannot be read") from None
    try:
        return known[scheme](url)
    except ValueError as error:
        raise SettingsError("store", str(error)) from None


def build_routes(settings: Settings, drivers: Drivers) -> Routes:
    """A route for each upstream. Without upstreams, the route of the synthetic model."""
    if not settings.upstreams:
        # spec: lean-imports
        from penstock.local_model import synthetic_routes

        return synthetic_routes(settings, drivers.read_file, drivers.siblings)
    routes = [_route(upstream, settings, drivers.connect) for upstream in settings.upstreams]
    return Routes(routes, settings.model, limits=settings.limits)


def _route(upstream: UpstreamSettings, settings: Settings, connect: Connect) -> Route:
    limits = settings.limits
    remote = RemoteUpstream(
        _DIALECTS[upstream.dialect](upstream.options, limits, _origin(upstream)),
        connect(_destination(upstream), limits),
        limits,
        name=upstream.name,
        url=upstream.url,
        key=upstream.key,
        headers=upstream.headers.items(),
        context_tokens=upstream.context_tokens,
    )
    return Route(
        name=upstream.name,
        upstream=_inlining(remote, settings, connect) if upstream.fetch_urls else remote,
        url=without_secrets(upstream.url),
        has_key=upstream.key is not None,
        models=upstream.models,
        aliases=upstream.aliases,
        relays=upstream.dialect == "responses",
        stores_state=upstream.state == "upstream",
        priority=upstream.priority,
        weight=upstream.weight,
        takes_bearer=upstream.key is None and not settings.has_keys,  # a key of this server is not sent to upstreams
    )


def _inlining(upstream: RemoteUpstream, settings: Settings, connect: Connect) -> InliningUpstream:
    """The upstream behind the fetching of URLs."""
    fetcher = Fetcher(connect, Egress(settings.egress.allow), settings.limits)
    return InliningUpstream(upstream, fetcher, settings.limits)


def _destination(upstream: UpstreamSettings) -> Destination:
    return Destination(name=upstream.name, url=upstream.url, tls=upstream.tls, proxy=upstream.proxy)


def _origin(upstream: UpstreamSettings) -> str:
    """A hash of an upstream, which marks the fields that it needs back in later turns.

    Signatures are valid for every account of a provider. Encrypted reasoning is valid only for the account that made
    it.
    """
    names = [upstream.url] if upstream.dialect == "chat_completions" else [upstream.url, upstream.name]
    return hashlib.sha256(" ".join(names).encode()).hexdigest()[:_ORIGIN_CHARS]


_ORIGIN_CHARS = 12
"""The digits of that hash, which are enough to distinguish upstreams. The address is not stored."""


def _responses(options: Options, limits: Limits, origin: str) -> Dialect:
    from penstock.dialects.responses import ResponsesDialect

    return ResponsesDialect(options, limits, origin)


_DIALECTS: dict[str, Callable[[Options, Limits, str], Dialect]] = {
    "chat_completions": ChatCompletions,
    "responses": _responses,
}
