"""The service: the table of routes, and the way from a request to a reply.

It is the whole API as one async function, `Service.handle`, which every adapter calls. It knows HTTP but no server. The
engine makes responses.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from functools import partial
from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from penstock import ids
from penstock.access import Access, bearer
from penstock.endpoints.about import About
from penstock.endpoints.admin import Admin
from penstock.endpoints.conversations import Conversations
from penstock.endpoints.health import ALIVE, Health
from penstock.endpoints.method_replies import allowed_methods, method_not_allowed, upgrade_required
from penstock.endpoints.metrics import MetricsEndpoint, add_known_series
from penstock.endpoints.models import Models
from penstock.endpoints.openapi import OpenApi
from penstock.endpoints.passthrough import RELAYED, PassthroughEndpoints
from penstock.endpoints.paths import below_root, known_paths, path_pattern, plain, route_name
from penstock.endpoints.request_context import RequestContext
from penstock.endpoints.responses import ResponseEndpoints
from penstock.endpoints.sockets import Sockets
from penstock.engine import SYNTHETIC_HEADER, Engine, Policies, Routes, Run, UpstreamReport, perform
from penstock.engine.offload import offload
from penstock.engine.request.request_body import without_bom
from penstock.engine.running.deadlines import ClientLeft
from penstock.engine.running.request_deadline import request_deadline
from penstock.errors import ApiError, internal_error, not_found, quoted, untraced
from penstock.http import (
    Decompress,
    RecordedStream,
    Reply,
    Request,
    check_json_type,
    error_reply,
    identified,
    no_encodings,
    request_id,
    without_body,
)
from penstock.json_codec import encode
from penstock.limits import Limits
from penstock.origins import NO_ORIGINS, Origins
from penstock.ports import NoSiblings, Prompts, Sealer, Siblings, Store
from penstock.responders import read_response
from penstock.telemetry import CLIENT_LEFT, AccessRecord, Recorder, RecordSink, log_access, read_trace
from penstock.telemetry.metrics import Metrics
from penstock.websocket import Channel
from penstock.wire import NULL, UNSET, CreateResponse, Event, Response

_log = logging.getLogger("penstock.service")
_KEYS = {field.name: field.encode_name for field in msgspec.structs.fields(CreateResponse)}
"""The parameters of a request: the key in JSON of each field."""
_NOT_SET = (None, NULL, UNSET)

_EXPANSION = 20
"""How many times larger a body typically is after decompression."""
_OPEN = ("/", "/health", "/healthz", "/livez", "/ping", "/readyz", "/version", "/openapi.json")
"""Paths that need no key."""
_NEEDS_STORE = ("/responses/*", "/conversations")
"""The prefixes of the patterns of paths that need the store."""
_BY_MODEL = ("/responses", "/responses/compact", "/responses/input_tokens")
"""Paths of responses whose bodies name a model."""
_LIMITS = Limits()
_POLICIES = Policies()
_ALONE = NoSiblings()
_CLIENT_LEFT = Reply(CLIENT_LEFT, [], b"")
"""The reply for the log, where the client has left. It is never sent."""
_SWITCHED = Reply(101, [], b"")
"""The reply for the log, after a WebSocket connection. It is never sent."""

Endpoint: TypeAlias = Callable[[RequestContext], Awaitable[Reply]]
Table: TypeAlias = dict[str, dict[str, Endpoint]]


class Service:
    """The API over some upstreams, with or without a store. It has no state of a request."""

    def __init__(
        self,
        routes: Routes,
        *,
        access: Access,
        limits: Limits = _LIMITS,
        policies: Policies = _POLICIES,
        store: Store | None = None,
        sealer: Sealer | None = None,
        prompts: Prompts | None = None,
        decompress: Decompress = no_encodings,
        done_marker: bool = True,
        websocket: bool = True,
        origins: Origins = NO_ORIGINS,
        ready_needs_upstream: bool = True,
        sinks: Sequence[RecordSink] = (log_access,),
        metrics: Metrics | None = None,
        siblings: Siblings = _ALONE,
        admin: Admin | None = None,
        root_path: str = "",
    ) -> None:
        self.limits = limits
        self.siblings = siblings
        self._root_path = root_path
        self._recorder = Recorder(*sinks, *([metrics.record] if metrics else []), measures=metrics is not None)
        self._engine = Engine(routes, policies, limits, store, sealer, prompts, self._recorder)
        self._access = access
        self._decompress = decompress
        self._origins = origins
        self._has_origins = bool(origins)
        self._sockets = Sockets(self._engine) if websocket and routes.stateful_route is None else None
        self._table = _table(
            ResponseEndpoints(self._engine, done_marker=done_marker),
            Conversations(self._engine),
            Models(routes, limits),
            PassthroughEndpoints(self._engine),
            Health(self._engine, needs_upstream=ready_needs_upstream),
            OpenApi(websocket=self._sockets is not None),
            About(),
            MetricsEndpoint(metrics, self._engine, self._sockets, siblings),
        )
        if admin is not None:
            self._table["/admin/synthetic"] = {"GET": admin.read, "POST": admin.write}
        self._route_names = {pattern: route_name(pattern) for pattern in self._table}
        if routes.stateful_route is not None:
            self._table |= _relayed(self._table, PassthroughEndpoints(self._engine))
        self._known_paths = known_paths(self._table)
        if metrics is not None:
            add_known_series(metrics, routes, self._route_names.values())

    async def handle(self, request: Request) -> Reply:
        """Answer a request. It raises nothing but `CancelledError`: an error is a reply too."""
        record = self._begin(request)
        try:
            reply = await self._dispatch(request, record)
        except asyncio.CancelledError:
            self._recorder.end(record, CLIENT_LEFT)
            raise
        except Exception as error:
            reply = _reply_to(error, record)
        reply = identified(reply, record.request_id)
        if self._has_origins:
            reply.headers += self._origins.headers(request.headers)
        # spec: head
        if request.method == "HEAD":
            reply = await without_body(reply)
            record.is_cut = False
        return self._recorded(record, reply)

    async def connect(self, request: Request, channel: Channel) -> Reply | None:
        """Serve a WebSocket connection to its end, or return the reply that refuses its handshake.

        `request` is the handshake.
        """
        record = self._begin(request)
        try:
            reply = await self._connect(request, channel, record)
        except asyncio.CancelledError:
            self._recorder.end(record, CLIENT_LEFT)
            raise
        except Exception as error:
            reply = _reply_to(error, record)
        reply = identified(reply, record.request_id)
        self._recorder.end(record, reply.status)
        return None if reply.status == _SWITCHED.status else reply

    async def perform(self, owner: str, response_id: str, deadline_s: float | None = None) -> bool:
        """Run a stored background response for a `BackgroundRunner`. False where it must be asked for again."""
        return await perform(self._engine.background, owner, response_id, request_deadline(deadline_s))

    async def respond(self, request: CreateResponse) -> Response:
        """The Response to a request, without HTTP. Raises `ApiError`. A later failure is in the Response's `status`."""
        with self._called():
            return await read_response(await self._run(request, stream=False))

    async def stream(self, request: CreateResponse) -> AsyncGenerator[Event]:
        """The events of the response to a request, as they are made, without HTTP. Raises `ApiError`."""
        with self._called():
            async with aclosing((await self._run(request, stream=True)).events()) as batches:
                async for events in batches:
                    for event in events:
                        yield event

    async def check_connections(self) -> list[UpstreamReport]:
        """Open the store, and list the models of the upstreams. The log names those that do not answer."""
        models = asyncio.ensure_future(self._engine.catalog.ask_all())
        with suppress(ApiError):
            await self._engine.open_store()
        return await models

    def drain(self, within_s: float) -> None:
        """Begin to stop: `/readyz` answers 503, and all requests end within `within_s` seconds."""
        self._engine.drain.begin(within_s)
        if self._sockets is not None:
            self._sockets.drain()

    async def aclose(self) -> None:
        """Close the upstreams and the store. The next request opens them again, in any event loop."""
        await self._engine.aclose()

    async def _run(self, request: CreateResponse, *, stream: bool) -> Run:
        await self._engine.start()
        return await self._engine.run(await self._engine.prepare(_body(request, stream=stream)))

    @contextmanager
    def _called(self) -> Iterator[None]:
        """Record a call of the library, from its beginning to its end."""
        record = self._recorder.begin("LIBRARY", "/responses", ids.new_id("req_"))
        status = 200
        try:
            yield
        except ApiError as error:
            record.failed(error)
            status = error.status
            raise
        finally:
            self._recorder.end(record, status)

    def _begin(self, request: Request) -> AccessRecord:
        """Begin the record of a request. It has the path as sent; from here on the path is the one below the root."""
        record_id = request_id(request.headers)
        trace = read_trace(request.headers, record_id)
        record = self._recorder.begin(request.method, request.path, record_id, trace)
        if self._root_path:
            request.path, request.root_path = below_root(request.path, self._root_path), self._root_path
        return record

    def _recorded(self, record: AccessRecord, reply: Reply) -> Reply:
        """End the record of the reply, now, or when its stream has ended."""
        if reply.body is None or isinstance(reply.body, bytes):
            self._recorder.end(record, reply.status)
            return reply
        stream = RecordedStream(reply.body, partial(self._recorder.end, record, reply.status))
        return Reply(reply.status, reply.headers, stream)

    async def _connect(self, request: Request, channel: Channel, record: AccessRecord) -> Reply:
        if self._sockets is None:
            return upgrade_required()
        if plain(request.path) != "/responses":
            raise not_found(f"No WebSocket is served at {request.path}.", "unknown_url")
        record.route = self._route_names["/responses"]
        admit = partial(self._access.check, request.headers)
        record.key_name = self._access.name_of(admit())
        self._sockets.check()
        headers = identified(_SWITCHED, record.request_id).headers
        synthetic = request.headers.get(SYNTHETIC_HEADER, "")
        await self._sockets.serve(channel, headers, admit, bearer(request.headers), synthetic)
        return _SWITCHED

    async def _dispatch(self, request: Request, record: AccessRecord) -> Reply:
        pattern, path_ids = self._known_paths.get(request.path) or path_pattern(plain(request.path), self._table)
        endpoints = self._table.get(pattern)
        record.route = self._route_names.get(pattern, "")
        if request.method == "OPTIONS" and endpoints is not None:
            return self._options(request, allowed_methods(endpoints))
        # spec: key-first
        owner = "" if pattern in _OPEN else self._access.check(request.headers)
        record.key_name = self._access.name_of(owner)
        # spec: websocket
        if pattern == "/responses" and _is_handshake(request):
            return upgrade_required()
        if endpoints is None:
            raise not_found(f"Unknown request URL: {request.method} {request.path}.", "unknown_url")
        # spec: ids-in-paths
        if path_ids and not all(map(ids.may_be_id, path_ids)) and pattern != "/models/*":
            raise not_found(f"Nothing has the id {quoted(path_ids[-1])}.")
        if request.method == "HEAD":
            request = replace(request, method="GET")
        endpoint = endpoints.get(request.method)
        if endpoint is None:
            return method_not_allowed(request, allowed_methods(endpoints))
        deadline = request_deadline(request.deadline_s, self.limits.request_s)
        context = RequestContext(
            http=request,
            owner=owner,
            key=bearer(request.headers),
            ids=path_ids,
            limits=self.limits,
            body=partial(self._json_body, request),
            deadline=deadline,
        )
        with self._engine.drain.answering(deadline):
            if pattern.startswith(_NEEDS_STORE) or not self._engine.is_started:
                await self._open(pattern)
            return await endpoint(context)

    async def _open(self, pattern: str) -> None:
        """Open what a request of this route needs. Raises `ApiError`."""
        await self._engine.start()
        if pattern.startswith(_NEEDS_STORE):
            await self._engine.open_store()

    def _options(self, request: Request, allowed: str) -> Reply:
        """The methods of a path, and the answer to a preflight, which browsers send without a key."""
        return Reply(204, [("allow", allowed), *self._origins.preflight(request.headers, allowed)], None)

    async def _json_body(self, request: Request) -> bytes:
        """Read and decompress the body, if its headers allow it.

        Any page can post `text/plain` to any server without a preflight, so only JSON is accepted. Raises `ApiError`.
        """
        check_json_type(request.headers.get("content-type", ""))
        bytes_max = self.limits.body_bytes_max
        body = request.whole(bytes_max) if request.receive is None else await request.read(bytes_max)
        given = request.headers.get("content-encoding")
        encoding = given.strip().lower() if given else ""
        if encoding in ("", "identity"):
            return without_bom(body)
        return without_bom(await offload(_EXPANSION * len(body), self._decompress, body, encoding, bytes_max))


def _body(request: CreateResponse, *, stream: bool) -> bytes:
    """The JSON of a request, as a client sends it: without the parameters that are not set."""
    fields = {key: getattr(request, name) for name, key in _KEYS.items()} | {"stream": stream}
    return encode({key: value for key, value in fields.items() if value not in _NOT_SET})


def _table(
    responses: ResponseEndpoints,
    conversations: Conversations,
    models: Models,
    passthrough: PassthroughEndpoints,
    health: Health,
    openapi: OpenApi,
    about: About,
    metrics: MetricsEndpoint,
) -> Table:
    """All routes: the pattern of a path, in which `*` is an id, and its methods."""
    return {
        "/responses": {"POST": responses.create},
        "/responses/compact": {"POST": responses.compact},
        "/responses/input_tokens": {"POST": responses.input_tokens},
        "/responses/*": {"GET": responses.retrieve, "DELETE": responses.delete},
        "/responses/*/cancel": {"POST": responses.cancel},
        "/responses/*/input_items": {"GET": responses.input_items},
        "/conversations": {"POST": conversations.create},
        "/conversations/*": {
            "GET": conversations.retrieve,
            "POST": conversations.update,
            "DELETE": conversations.delete,
        },
        "/conversations/*/items": {"GET": conversations.items, "POST": conversations.add_items},
        "/conversations/*/items/*": {"GET": conversations.item, "DELETE": conversations.delete_item},
        "/models": {"GET": models.list_all},
        "/models/*": {"GET": models.retrieve},
        **{path: {"POST": passthrough.to(path)} for path in RELAYED},
        "/": {"GET": about.server},
        "/version": {"GET": about.version},
        **{path: {"GET": health.alive} for path in ALIVE},
        "/readyz": {"GET": health.ready},
        "/metrics": {"GET": metrics.text},
        "/openapi.json": {"GET": openapi.document},
    }


def _relayed(table: Table, passthrough: PassthroughEndpoints) -> Table:
    """The routes of objects that the upstream stores, which pass all requests through."""
    stored: Table = {}
    for path, methods in table.items():
        if path in _BY_MODEL:
            stored[path] = {"POST": passthrough.to(path)}
        elif path.startswith(("/responses", "/conversations")):
            stored[path] = dict.fromkeys(methods, passthrough.pass_stored)
    return stored


def _reply_to(error: Exception, record: AccessRecord) -> Reply:
    """The reply to a request that failed. The record gets the error."""
    if isinstance(error, ClientLeft):
        untraced(error)
        return _CLIENT_LEFT
    if not isinstance(error, ApiError):
        _log.error("%s %s failed by a fault of this server", record.method, record.path, exc_info=error)
        untraced(error)
        error = internal_error()
    record.failed(untraced(error))
    return error_reply(error)


def _is_handshake(request: Request) -> bool:
    """Whether the request asks for a WebSocket connection."""
    upgrade = request.headers.get("upgrade")
    return upgrade is not None and "websocket" in upgrade.lower()
