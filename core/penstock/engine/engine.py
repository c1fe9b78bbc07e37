"""The engine: from the bytes of a request to a run that has begun.

It calls the steps of the path in their order, and knows no HTTP.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial

import msgspec
from msgspec.structs import replace

from penstock import ids
from penstock.errors import invalid, no_background, upstream_failed
from penstock.limits import Limits
from penstock.ports import Prompts, RequestRejected, Sealer, Store, StoredResponse
from penstock.secrets import Secret
from penstock.telemetry import Recorder, current
from penstock.wire import CreateResponse, ItemReference

from .background.dispatched import DispatchedBackground
from .background.runner import Background, BackgroundSaver
from .context.chain_cache import ChainCache
from .context.fitting import fit
from .context.prompts import apply_prompt
from .context.resolve import Context, conversation_of, resolve, stand_alone, unknown_conversation
from .context.sealing import Seal, is_sealed
from .loops import LoopLock
from .offload import LARGE_BYTES, offload
from .planning.no_generate import without_generation
from .planning.plan import Plan
from .planning.plan_cache import PlanCache
from .planning.policies import Policies
from .planning.redaction import RequestSecret, secrets_of
from .request.decode import Decoded, decode, decode_compaction
from .request.request_cache import RequestCache
from .running.connection_cache import ConnectionCache, ConnectionCaches, ConnectionSaver
from .running.drain import Drain
from .running.persistence import ConversationWriter, ResponseSaver, TurnSaver, begun_turn
from .running.request_deadline import RequestDeadline
from .running.run import Run
from .store_check import StoreCheck
from .store_clock import StoreClock
from .upstreams.catalog import Catalog
from .upstreams.routes import Routes
from .upstreams.synthetic.header import HEADER as SYNTHETIC_HEADER

_NO_READERS = Recorder()
_log = logging.getLogger("penstock.engine")


class Prepared(msgspec.Struct):
    """A request that is decoded, resolved and planned, with the lock on its conversation if it has one."""

    body: bytes
    owner: str
    context: Context
    plan: Plan
    writer: ConversationWriter | None
    recent: ConnectionCache | None = None
    """The connection's cache, for a response that is not stored."""
    secrets: Sequence[RequestSecret] = ()
    """Secrets that a background request must not be stored with in clear text."""

    def ignoring(self, name: str) -> Prepared:
        """The same, with one more parameter that is ignored."""
        return replace(self, plan=replace(self.plan, ignored=[*self.plan.ignored, name]))

    async def release(self) -> None:
        """Unlock the conversation."""
        if self.writer is not None:
            await self.writer.unlock()


class Engine:
    """Everything that requests need: upstreams, a store or none, and the background responses."""

    def __init__(
        self,
        routes: Routes,
        policies: Policies,
        limits: Limits,
        store: Store | None = None,
        sealer: Sealer | None = None,
        prompts: Prompts | None = None,
        recorder: Recorder = _NO_READERS,
    ) -> None:
        self.routes = routes
        self.catalog = Catalog(routes, limits, time.monotonic)
        self.recorder = recorder
        self.limits = limits
        self.recents = ConnectionCaches(limits)
        self.turns = ChainCache(limits.chain_cache_bytes_max)
        self._read_request = partial(decode, limits=limits, cached=RequestCache(limits))
        self.store = store
        self._store_clock = None if store is None else StoreClock(store)
        self.background = self._background(policies)
        self._tools = policies.tools
        self._plans = PlanCache(routes, policies, limits)
        self._sealer = sealer
        self._prompts = prompts
        self._changing = LoopLock()
        self.is_started = False
        """Whether the work on background responses has begun."""
        self._is_store_open = False
        self.store_check = StoreCheck(store, self.open_store, limits, time.monotonic)
        self.drain = Drain()

    def _background(self, policies: Policies) -> Background | None:
        """The background responses. None where there are none."""
        if self.store is None or self._store_clock is None or not policies.background:
            return None
        parts = (self.store, self.limits, self._resume, self._store_clock, self.recorder)
        if policies.runner is None:
            return Background(*parts, ready=self._ready)
        return DispatchedBackground(*parts, runner=policies.runner, ready=self._ready)

    async def start(self) -> None:
        """Start the work on background responses: at the first request, and at the first after `aclose`.

        It does not wait for the store: a store that is not available is opened as soon as it is.
        """
        if self.is_started:
            return
        async with self._changing:
            if self.background is not None and not self.background.is_started:
                self.background.start()
            self.is_started = True

    async def open_store(self) -> None:
        """Open the store, if there is one. Raises `ApiError` while it is not available."""
        if self._is_store_open or self.store is None:
            return
        async with self._changing:
            if not self._is_store_open:
                await self.store.migrate()
                if self._store_clock is not None:
                    await self._store_clock.ask()
                self._is_store_open = True

    async def _open_store_for(self, request: CreateResponse, *, is_stored: bool) -> None:
        """Open the store for a request that is stored or refers to stored items. Raises `ApiError`.

        All other requests work without the store.
        """
        if self._is_store_open or self.store is None:
            return
        refers = request.previous_response_id or request.conversation
        items = request.input if isinstance(request.input, list) else ()
        # spec: failing-stores
        if is_stored or refers or any(isinstance(item, ItemReference) for item in items):
            await self.open_store()

    async def _ready(self) -> None:
        """Before each round of background work: open the store and read its clock. Raises `ApiError`."""
        await self.open_store()
        if self._store_clock is not None:
            await self._store_clock.ask()

    async def prepare(
        self,
        body: bytes,
        owner: str = "",
        key: Secret | None = None,
        *,
        response_id: str | None = None,
        recent: ConnectionCache | None = None,
        generate: bool = True,
        compacts: bool = False,
        synthetic: str = "",
    ) -> Prepared:
        """Decode, resolve and plan. Raises `ApiError`.

        `recent` is the cache of the caller's connection; without `generate` the model is not called. With `compacts`
        the body is that of a compaction. `synthetic` has options of the synthetic model, from the request's header.
        """
        decoded = await self._decode_compaction(body) if compacts else await self._decode(body, owner)
        request = decoded.request
        if not self._is_store_open and self.store is not None:
            await self._open_store_for(request, is_stored=request.store is not False)
        response_id = response_id or ids.new_id("resp_")
        writer = None if request.conversation is None else await self._lock(request, owner, response_id)
        try:
            context, plan = await self._plan(decoded, owner, key, response_id, recent, compacts=compacts)
            if synthetic:
                plan.turn.synthetic = synthetic
                _check_header(plan)
        except BaseException:
            if writer is not None:
                await writer.unlock()
            raise
        plan = plan if generate else without_generation(plan)
        secrets = secrets_of(request, decoded.unknown) if request.background else ()
        return Prepared(body, owner, context, plan, writer, recent, secrets)

    async def plan(self, body: bytes, owner: str = "", key: Secret | None = None) -> Plan:
        """The plan of a request that will not run; nothing is locked. Raises `ApiError`."""
        # OpenAI's schema allows a null model for `input_tokens` only.
        decoded = await self._decode(body, owner, model_may_be_null=True)
        await self._open_store_for(decoded.request, is_stored=False)
        _, plan = await self._plan(decoded, owner, key, ids.new_id("resp_"))
        return plan

    async def run(
        self,
        prepared: Prepared,
        disconnected: Callable[[], Awaitable[None]] | None = None,
        deadline: RequestDeadline | None = None,
    ) -> Run:
        """A run that a client waits for, accepted by its upstream. Raises `ApiError`."""
        if prepared.plan.hosted is not None:
            try:
                await prepared.plan.hosted.prepare()
            except BaseException:
                await prepared.release()
                raise
        run = self.drain.watch(
            Run(
                prepared.plan,
                self.limits,
                new_id=ids.new_id,
                now_s=ids.now_s,
                disconnected=disconnected,
                saver=self._saver(prepared),
                deadline=deadline,
            )
        )
        try:
            await run.open()
        except RequestRejected as refusal:
            raise await self.catalog.explain(refusal) from None
        return run

    async def submit(self, prepared: Prepared, key: Secret | None = None) -> StoredResponse:
        """Store a background response and begin to work on it. Raises `ApiError`."""
        assert self.background is not None
        skeleton = prepared.plan.skeleton
        context = prepared.context
        row = await offload(context.size, begun_turn, skeleton, prepared.owner, context, self.limits, ids.new_id)
        try:
            row.request = self._stored_request(prepared)
            self.background.check_room(row.owner)  # before `prepare`: a request that is refused uses no approval
            if prepared.plan.hosted is not None:
                await prepared.plan.hosted.prepare()
            await self.background.submit(row, key)
        except BaseException:
            await prepared.release()
            raise
        if prepared.writer is not None:
            prepared.writer.stop_renewing()
        record = current()
        record.response_id, record.response_status = row.id, row.status
        return row

    async def aclose(self) -> None:
        """Stop the background work, and close upstreams and store. All of them open again on their next use."""
        async with self._changing, AsyncExitStack() as closing:  # closed in reverse order, all despite errors
            # spec: starts-again
            self.is_started = False
            self.drain = Drain()
            self._is_store_open = False
            if self.store is not None:
                closing.push_async_callback(self.store.aclose)
            closing.push_async_callback(self._tools.aclose)
            for route in self.routes.all:
                closing.push_async_callback(route.upstream.aclose)
            if self.background is not None:
                closing.push_async_callback(self.background.aclose)

    def _stored_request(self, prepared: Prepared) -> bytes:
        """The body as it is stored: sealed if it contains secrets. Raises `ApiError` 400 if there is no sealer."""
        # spec: stored-secrets
        if not prepared.secrets:
            return prepared.body
        seal = self._seal(prepared.owner)
        if seal is None:
            param = prepared.secrets[0].param
            message = (
                f"A background request is stored until it runs, and '{param}' is a secret, which this server can "
                "store only sealed: sealing needs the extra 'penstock[server]'."
            )
            raise invalid(message, param, "unsupported_parameter")
        return seal.request(prepared.plan.skeleton.id, prepared.body)

    def _opened_request(self, row: StoredResponse) -> bytes:
        """The body of a stored request. Raises `ApiError` if it is sealed and cannot be opened."""
        if not is_sealed(row.request):
            return row.request
        seal = self._seal(row.owner)
        body = seal.open_request(row.id, row.request) if seal else None
        if body is None:
            _log.error(
                "response %s cannot run: its request was sealed with a key that is not in seal_keys here", row.id
            )
            message = "The request of this response was sealed with a key that this server does not have."
            raise upstream_failed(message, status=500, retriable=False)
        return body

    def _seal(self, owner: str) -> Seal | None:
        return None if self._sealer is None else Seal(self._sealer, owner, self.limits.sealed_chars_max)

    async def _decode(self, body: bytes, owner: str, *, model_may_be_null: bool = False) -> Decoded:
        """The request, with its prompt template filled in. Raises `ApiError`."""
        size, read = len(body), self._read_request
        if size < LARGE_BYTES:
            decoded = read(body, owner=owner, model_may_be_null=model_may_be_null)
        else:
            decoded = await offload(size, read, body, owner=owner, model_may_be_null=model_may_be_null)
        prompt = decoded.request.prompt
        return decoded if prompt is None else await apply_prompt(decoded, prompt, self._prompts, self.limits)

    async def _decode_compaction(self, body: bytes) -> Decoded:
        return await offload(len(body), decode_compaction, body, self.limits)

    async def _plan(
        self,
        decoded: Decoded,
        owner: str,
        key: Secret | None,
        response_id: str,
        recent: ConnectionCache | None = None,
        *,
        compacts: bool = False,
    ) -> tuple[Context, Plan]:
        """Resolve, plan and, with `truncation: "auto"`, fit into the model's context. Raises `ApiError`."""
        if decoded.request.model is None and self.routes.default_model is None:
            decoded = await self._with_model(decoded, key)
        request = decoded.request
        # spec: no-background
        if request.background and self.background is None and self.store is not None:
            raise no_background("background")
        record = current()
        record.model = request.model or ""
        recall = recent.recall if recent else None
        context = stand_alone(decoded, self.limits, compacts=compacts) or await resolve(
            decoded, self.store, owner, self.limits, recall=recall, turns=self.turns, compacts=compacts
        )
        plan = self._plans.plan(
            decoded,
            context,
            bearer=key,
            client=owner,
            response_id=response_id,
            created_at=ids.now_s(),
            is_stored=self.store is not None and request.store is not False,
            seal=None if self._sealer is None else self._seal(owner),
        )
        if request.truncation == "auto" and plan.compacting is None:  # a compacted context is not truncated
            plan = await fit(plan, self.limits)
        record.model, record.ignored = plan.skeleton.model, plan.ignored
        return context, plan

    async def _with_model(self, decoded: Decoded, key: Secret | None) -> Decoded:
        """The request with the only model of the only upstream."""
        model = await self.catalog.default_model(key)
        return replace(decoded, request=replace(decoded.request, model=model))

    async def _lock(self, request: CreateResponse, owner: str, response_id: str) -> ConversationWriter | None:
        """The lock on the request's conversation, which must belong to the owner. Raises `ApiError`.

        A response that is not stored needs no lock: it only reads the conversation.
        """
        conversation_id = conversation_of(request)
        if self.store is None or conversation_id is None or request.store is False:
            return None
        if await self.store.conversation(owner, conversation_id) is None:
            raise unknown_conversation(conversation_id)
        writer = ConversationWriter(
            self.store, conversation_id, response_id, self.limits, self._store_clock or ids.clock_s
        )
        await writer.lock()
        return writer

    def _saver(self, prepared: Prepared) -> ResponseSaver | None:
        # spec: store-false
        if self.store is None or not prepared.plan.skeleton.store:
            return ConnectionSaver(prepared.recent, prepared.context) if prepared.recent else None
        return TurnSaver(self.store, prepared.owner, prepared.context, self.limits, ids.new_id, writer=prepared.writer)

    async def _resume(self, row: StoredResponse, saver: BackgroundSaver, key: Secret | None) -> Run:
        """The run of a stored request, in this process. Raises `ApiError`."""
        prepared = await self.prepare(self._opened_request(row), row.owner, key, response_id=row.id)
        saver.writer = prepared.writer
        if prepared.plan.hosted is not None:
            await prepared.plan.hosted.prepare(again=True)
        run = Run(prepared.plan, self.limits, new_id=ids.new_id, now_s=ids.now_s, saver=saver, deadline=saver.deadline)
        await run.open()
        return run


def _check_header(plan: Plan) -> None:
    """Raise `ApiError` 400 where the options of the header would be lost: only the body of the request is stored."""
    if plan.turn.synthetic and plan.skeleton.background and plan.route.check_options:
        message = f"A background response has no '{SYNTHETIC_HEADER}': put the options into the name of the model."
        raise invalid(message, SYNTHETIC_HEADER, "unsupported_parameter")
