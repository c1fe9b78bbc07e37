"""The service: a request in, a reply out, and the table of routes between them.

It is the whole API as one async function, `Service.handle`, which every adapter calls. It knows HTTP's words but no
server; what a response is made of, the engine knows.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from functools import partial
from typing import NoReturn, TypeAlias

import msgspec
from msgspec.structs import replace

from penstock import ids
from penstock.access import Access, bearer
from penstock.endpoints.about import About
from penstock.endpoints.conversations import Conversations
from penstock.endpoints.health import Health
from penstock.endpoints.models import Models
from penstock.endpoints.openapi import OpenApi
from penstock.endpoints.passthrough import RELAYED, PassthroughEndpoints
from penstock.endpoints.request_context import RequestContext
from penstock.endpoints.responses import ResponseEndpoints
from penstock.endpoints.sockets import Sockets
from penstock.engine import Engine, Policies, Routes, Run, UpstreamReport
from penstock.engine.offload import offload
from penstock.engine.request.request_body import without_bom
from penstock.engine.running.deadlines import ClientLeft
from penstock.errors import ApiError, not_found, our_fault, quoted, untraced
from penstock.http import RecordedStream, Reply, Request, error_reply, identified, request_id, without_body
from penstock.json_codec import encode
from penstock.limits import Limits
from penstock.origins import NO_ORIGINS, Origins
from penstock.ports import Prompts, Sealer, Store
from penstock.responders import read_response
from penstock.secrets import Secret
from penstock.telemetry import CLIENT_LEFT, AccessRecord, Recorder, RecordSink, log_access
from penstock.websocket import Channel
from penstock.wire import NULL, CreateResponse, Event, Response

_log = logging.getLogger("penstock.service")
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

_EXPANSION = 20
"""How many times as long a compressed body may well be."""
_OPEN = ("/", "/health", "/healthz", "/readyz", "/openapi.json")
"""What is answered without a key."""
_OF_THE_STORE = ("/responses/*", "/conversations")
"""How the patterns of paths begin that are answered from the store."""
_BY_MODEL = ("/responses", "/responses/compact", "/responses/input_tokens")
"""Routes of responses whose bodies name a model."""
_LIMITS = Limits()
_POLICIES = Policies()
_CLIENT_LEFT = Reply(CLIENT_LEFT, [], b"")
"""It is sent to no one."""
_SWITCHED = Reply(101, [], b"")
"""For logs too: the handshake was taken long ago."""

Decompress: TypeAlias = Callable[[bytes, str, int], bytes]
"""`decompress(body, content_encoding, bytes_max)`; raises `ApiError`."""
Endpoint: TypeAlias = Callable[[RequestContext], Awaitable[Reply]]
Table: TypeAlias = dict[str, dict[str, Endpoint]]


def no_encodings(body: bytes, encoding: str, bytes_max: int) -> NoReturn:
    """Takes plain bodies alone."""
    raise ApiError(f"Bodies with content-encoding '{encoding}' are not supported here.", status=415)


class Service:
    """The API over some upstreams and a store, or none. It holds no state of a request."""

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
        readers: Sequence[RecordSink] = (log_access,),
    ) -> None:
        self.limits = limits
        self._recorder = Recorder(*readers)
        self._engine = Engine(routes, policies, limits, store, sealer, prompts, self._recorder)
        self._access = access
        self._decompress = decompress
        self._origins = origins
        self._sockets = Sockets(self._engine) if websocket and routes.stateful_route is None else None
        self._table = _table(
            ResponseEndpoints(self._engine, done_marker=done_marker),
            Conversations(self._engine),
            Models(routes, limits),
            PassthroughEndpoints(self._engine),
            Health(self._engine, needs_upstream=ready_needs_upstream),
            OpenApi(websocket=self._sockets is not None),
            About(),
        )
        if routes.stateful_route is not None:
            self._table |= _relayed(self._table, PassthroughEndpoints(self._engine))

    async def handle(self, request: Request) -> Reply:
        """Answer a request. Never raises but for cancellation: an error is a reply too."""
        record = self._begin(request)
        reply = await self._answered(record, self._dispatch(request, record))
        if self._origins:
            reply.headers += self._origins.headers(request.headers)
        # spec: head
        if request.method == "HEAD":
            reply = await without_body(reply)
            record.is_cut = False
        return self._recorded(record, reply)

    async def connect(self, request: Request, channel: Channel) -> Reply | None:
        """Serve a WebSocket connection to its end, or give the reply with which its handshake is refused.

        `request` is the handshake.
        """
        record = self._begin(request)
        reply = await self._answered(record, self._connect(request, channel, record))
        self._recorder.end(record, reply.status)
        return None if reply.status == _SWITCHED.status else reply

    async def respond(self, request: CreateResponse) -> Response:
        """The Response to a request, without any HTTP. Raises `ApiError`; a later failure is in its `status`."""
        with self._called():
            return await read_response(await self._run(request, stream=False))

    async def stream(self, request: CreateResponse) -> AsyncGenerator[Event]:
        """The events of the response to a request, as they come, without any HTTP. Raises `ApiError`."""
        with self._called():
            async with aclosing((await self._run(request, stream=True)).events()) as batches:
                async for events in batches:
                    for event in events:
                        yield event

    async def look_around(self) -> list[UpstreamReport]:
        """Open the store, and ask the upstreams what they serve. The log names what does not answer."""
        asked = asyncio.ensure_future(self._engine.catalog.ask_all())
        with suppress(ApiError):
            await self._engine.open_store()
        return await asked

    def drain(self, within_s: float) -> None:
        """Tell that the server will stop: `/readyz` says so, and after `within_s` seconds no request goes on."""
        self._engine.drain.begin(within_s)
        if self._sockets is not None:
            self._sockets.drain()

    async def aclose(self) -> None:
        """Release what the upstreams and the store hold. The next request opens it again, in any event loop."""
        await self._engine.aclose()

    async def _run(self, request: CreateResponse, *, stream: bool) -> Run:
        await self._engine.start()
        return await self._engine.run(await self._engine.prepare(_body(request, stream=stream)))

    @contextmanager
    def _called(self) -> Iterator[None]:
        """The record of a call by code, from its beginning to its end."""
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
        return self._recorder.begin(request.method, request.path, request_id(request.headers))

    def _recorded(self, record: AccessRecord, reply: Reply) -> Reply:
        """The reply, whose record is complete now or, of a stream, when it has ended."""
        if reply.body is None or isinstance(reply.body, bytes):
            self._recorder.end(record, reply.status)
            return reply
        stream = RecordedStream(reply.body, partial(self._recorder.end, record, reply.status))
        return Reply(reply.status, reply.headers, stream)

    async def _answered(self, record: AccessRecord, answer: Awaitable[Reply]) -> Reply:
        try:
            reply = await answer
        except ApiError as error:
            reply = _failed(record, untraced(error))
        except ClientLeft as left:
            untraced(left)
            reply = _CLIENT_LEFT
        except asyncio.CancelledError:
            self._recorder.end(record, CLIENT_LEFT)
            raise
        except Exception as error:
            _log.exception("%s %s failed by a fault of this server", record.method, record.path)
            untraced(error)
            reply = _failed(record, our_fault())
        return identified(reply, record.request_id)

    async def _connect(self, request: Request, channel: Channel, record: AccessRecord) -> Reply:
        if self._sockets is None:
            return _upgrade_required()
        if _plain(request.path) != "/responses":
            raise not_found(f"No WebSocket is served at {request.path}.", "unknown_url")
        admit = partial(self._access.check, request.headers)
        record.key_name = self._access.name_of(admit())
        self._sockets.check()
        await self._sockets.serve(channel, identified(_SWITCHED, record.request_id).headers, admit, _key(request))
        return _SWITCHED

    async def _dispatch(self, request: Request, record: AccessRecord) -> Reply:
        path = _plain(request.path)
        pattern, path_ids = _pattern(path, self._table)
        endpoints = self._table.get(pattern)
        if request.method == "OPTIONS" and endpoints is not None:
            return self._options(request, _allowed(endpoints))
        # spec: key-first
        owner = "" if path in _OPEN else self._access.check(request.headers)
        record.key_name = self._access.name_of(owner)
        # spec: websocket
        if path == "/responses" and "websocket" in request.headers.get("upgrade", "").lower():
            return _upgrade_required()
        if endpoints is None:
            raise not_found(f"Unknown request URL: {request.method} {request.path}.", "unknown_url")
        # spec: ids-in-paths
        if not all(map(ids.may_be_id, path_ids)) and pattern != "/models/*":
            raise not_found(f"Nothing has the id {quoted(path_ids[-1])}.")
        if request.method == "HEAD":
            request = replace(request, method="GET")
        endpoint = endpoints.get(request.method)
        if endpoint is None:
            return _method_not_allowed(request, _allowed(endpoints))
        context = RequestContext(
            http=request,
            owner=owner,
            key=_key(request),
            ids=path_ids,
            limits=self.limits,
            read_body=self._json_body,
        )
        with self._engine.drain.answering():
            await self._engine.start()
            if pattern.startswith(_OF_THE_STORE):
                await self._engine.open_store()
            return await endpoint(context)

    def _options(self, request: Request, allowed: str) -> Reply:
        """What may be asked of a path. A browser that asks before a request has no key to show yet."""
        return Reply(204, [("allow", allowed), *self._origins.preflight(request.headers, allowed)], None)

    async def _json_body(self, request: Request) -> bytes:
        """The body, read and decompressed, once its head is found good.

        A page can post `text/plain` anywhere without asking, so only JSON is taken.
        """
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            message = f"Unsupported content type: '{media_type}'. Send the body as 'application/json'."
            raise ApiError(message, status=415, code="unsupported_content_type")
        body = await request.read(self.limits.body_bytes_max)
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if encoding in ("", "identity"):
            return without_bom(body)
        bytes_max = self.limits.body_bytes_max
        return without_bom(await offload(_EXPANSION * len(body), self._decompress, body, encoding, bytes_max))


def _body(request: CreateResponse, *, stream: bool) -> bytes:
    """The body of the request that a client would send: what is not set is not in it."""
    fields = _decode_fields(encode(replace(request, stream=stream)))
    return encode({name: value for name, value in fields.items() if value != NULL})


def _table(
    responses: ResponseEndpoints,
    conversations: Conversations,
    models: Models,
    passthrough: PassthroughEndpoints,
    health: Health,
    openapi: OpenApi,
    about: About,
) -> Table:
    """Every route: the pattern of its path, in which `*` is an id, and its methods."""
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
        "/health": {"GET": health.alive},
        "/healthz": {"GET": health.alive},
        "/readyz": {"GET": health.ready},
        "/openapi.json": {"GET": openapi.document},
    }


def _relayed(table: Table, passthrough: PassthroughEndpoints) -> Table:
    """The routes of what an upstream keeps: to it, and back."""
    kept: Table = {}
    for path, methods in table.items():
        if path in _BY_MODEL:
            kept[path] = {"POST": passthrough.to(path)}
        elif path.startswith(("/responses", "/conversations")):
            kept[path] = dict.fromkeys(methods, passthrough.pass_stored)
    return kept


def _failed(record: AccessRecord, error: ApiError) -> Reply:
    """The reply to a request that failed, and a note of why."""
    record.failed(error)
    return error_reply(error)


def _plain(path: str) -> str:
    """The path as the table has it."""
    path = path.removeprefix("/v1") or "/"
    return path.rstrip("/") or ("/" if path == "/" else path)


def _key(request: Request) -> Secret | None:
    """The caller's own bearer."""
    key = bearer(request.headers)
    return Secret(key) if key else None


def _pattern(path: str, table: Table) -> tuple[str, list[str]]:
    """A path's pattern and the ids in it.

    A path of words alone is its own pattern. Else every second step is an id, and all that follows `/models/` is one.
    """
    if path in table and "*" not in path:
        return path, []
    if path.startswith("/models/"):
        return "/models/*", [path.removeprefix("/models/")]
    steps = path.split("/")
    path_ids = steps[2::2]
    steps[2::2] = ["*"] * len(path_ids)
    return "/".join(steps), path_ids


def _allowed(endpoints: dict[str, Endpoint]) -> str:
    """The methods of a path: `HEAD` is wherever `GET` is, `OPTIONS` everywhere."""
    return ", ".join([*endpoints, *(["HEAD"] if "GET" in endpoints else []), "OPTIONS"])


def _method_not_allowed(request: Request, allowed: str) -> Reply:
    message = f"Not allowed to {request.method} on {request.path}; allowed: {allowed}."
    reply = error_reply(ApiError(message, status=405, code="method_not_allowed"))
    reply.headers.append(("allow", allowed))
    return reply


def _upgrade_required() -> Reply:
    """The exact answer after which agents that try WebSocket first fall back to HTTP."""
    return error_reply(ApiError("WebSocket is not served here; use HTTP.", status=426, code="upgrade_required"))
