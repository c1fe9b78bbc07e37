"""The routes of responses: create, retrieve, delete, cancel, and the items that a response was made from.

They know what is answered when; runs are the engine's, rows the store's, bytes the readers'.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import msgspec

from penstock import ids
from penstock.endpoints.pages import page_reply, unknown_after
from penstock.endpoints.request_context import Call
from penstock.engine import Engine, Follower, Plan, count_input, stored_input
from penstock.errors import ApiError, invalid, not_found, stopping, upstream_failed
from penstock.http import JSON, SSE, Reply, json_reply
from penstock.json_codec import encode
from penstock.ports import ChainTooLong, Headers, ItemPage, Store, StoredResponse
from penstock.responders import FollowStream, SseStream, read_json, read_response
from penstock.wire import UNSET, CompactedResponse, CompactionItem, Deleted, InputTokens, Message

_encode = msgspec.json.Encoder().encode

_NAMES_MAX = 32
_NAME_CHARS_MAX = 64


class ResponseEndpoints:
    """`/responses` and everything under it."""

    def __init__(self, engine: Engine, *, done_marker: bool) -> None:
        self._engine = engine
        self._done_marker = done_marker

    async def create(self, call: Call) -> Reply:
        """`POST /responses`: decode, resolve, plan and run."""
        prepared = await self._engine.prepare(await call.body(), call.owner, call.key)
        if prepared.plan.skeleton.background:
            row = await self._engine.submit(prepared, call.key)
            return self._queued(row, call, told(prepared.plan), streams=bool(prepared.plan.turn.request.stream))
        run = await self._engine.run(prepared, call.request.disconnected)
        headers = told(run.plan)  # opening it may have truncated it
        if run.plan.stream:
            return Reply(200, [*SSE, *headers], SseStream(run, done_marker=self._done_marker))
        return Reply(200, [JSON, *headers], await read_json(run))

    async def compact(self, call: Call) -> Reply:
        """`POST /responses/compact`: every user message as it was, and an item that stands for all the rest."""
        prepared = await self._engine.prepare(await call.body(), call.owner, call.key, compacts=True)
        run = await self._engine.run(prepared, call.request.disconnected)
        response = await read_response(run)
        if run.error is not None:
            raise run.error
        compaction = next((item for item in response.output if isinstance(item, CompactionItem)), None)
        if compaction is None or response.usage is None:
            raise stopping() if self._engine.drain.is_begun else upstream_failed("The context was not compacted.")
        context = prepared.context
        said = [item for item in (*context.earlier, *context.own) if isinstance(item, Message) and item.role == "user"]
        output = [stored_input(item, ids.new_id).body for item in said] + [encode(compaction)]
        compacted = CompactedResponse(
            id=response.id,
            created_at=response.created_at,
            output=[msgspec.Raw(item) for item in output],
            usage=response.usage,
        )
        return Reply(200, [JSON, *told(prepared.plan)], encode(compacted))

    async def input_tokens(self, call: Call) -> Reply:
        """`POST /responses/input_tokens`: what the input of a request would cost, which is not run."""
        plan = await self._engine.plan(await call.body(), call.owner, call.key)
        count = await count_input(plan.route.upstream, plan.turn, self._engine.limits)
        tokens = InputTokens(input_tokens=count.tokens, estimated=count.is_estimated or UNSET)
        return Reply(200, [JSON, *told(plan)], _encode(tokens))

    async def retrieve(self, call: Call) -> Reply:
        """`GET /responses/{id}`: the Response, or its events from any one on, just as its request asked for it."""
        call.include()
        row = await self._row(call)
        if not call.flag("stream"):
            return json_reply(row.body)
        if not row.background:
            message = "Only a response that was created with 'background' can be streamed again."
            raise invalid(message, "stream")
        # spec: cursors
        after = call.number("starting_after")
        return self._follow(row, call, [], after=-1 if after is None else after)

    async def delete(self, call: Call) -> Reply:
        """`DELETE /responses/{id}`."""
        store = self._store()
        if not await store.delete_response(call.owner, call.ids[0]):
            raise _unknown(call.ids[0])
        self._engine.turns.forget(call.ids[0])
        if self._engine.background is not None:
            await self._engine.background.stop(call.ids[0])
        return json_reply(_encode(Deleted(id=call.ids[0], object="response")))

    async def cancel(self, call: Call) -> Reply:
        """`POST /responses/{id}/cancel`: idempotent; what has ended keeps its status."""
        row = await self._row(call)
        if not row.background or self._engine.background is None:
            raise invalid("Only a response that was created with 'background' can be cancelled.", "response_id")
        cancelled = await self._engine.background.cancel(row)
        # spec: cancels-together
        if cancelled is None:
            raise _unknown(row.id)
        return json_reply(cancelled.body)

    async def input_items(self, call: Call) -> Reply:
        """`GET /responses/{id}/input_items`: everything that the response was made from, those before it included."""
        include = call.include()
        page = await self._input_page(call)
        if page is None:
            await self._row(call)
            raise unknown_after(call.after() or "")
        return page_reply(page, include)

    def _queued(self, row: StoredResponse, call: Call, headers: Headers, *, streams: bool) -> Reply:
        return self._follow(row, call, headers, after=-1) if streams else Reply(200, [JSON, *headers], row.body)

    def _follow(self, row: StoredResponse, call: Call, headers: Headers, *, after: int) -> Reply:
        follower = Follower(self._store(), row, after=after, heartbeat_s=self._engine.limits.heartbeat_s)
        stream = FollowStream(follower, done_marker=self._done_marker, disconnected=call.request.disconnected)
        return Reply(200, [*SSE, *headers], self._engine.drain.watch(stream))

    async def _input_page(self, call: Call) -> ItemPage | None:
        most = self._engine.limits.chain_responses_max
        after, limit, order = call.after(), call.limit(), call.order()
        try:
            # spec: pages-cost-a-page
            return await self._store().page_input_items(
                call.owner, call.ids[0], responses_max=most, after=after, limit=limit, order=order
            )
        except ChainTooLong:
            raise invalid(f"The response stands at the end of a chain of over {most} responses.") from None

    async def _row(self, call: Call) -> StoredResponse:
        row = await self._store().response(call.owner, call.ids[0])
        if row is None:
            raise _unknown(call.ids[0])
        return row

    def _store(self) -> Store:
        return needed(self._engine.store)


def needed(store: Store | None) -> Store:
    """The store. Raises `ApiError` 404 where there is none: then nothing is ever found."""
    if store is None:
        raise not_found("This server runs without a store: nothing is kept.", "no_store")
    return store


def _unknown(response_id: str) -> ApiError:
    return not_found(f"Response with id '{response_id}' not found.", param="response_id")


def told(plan: Plan) -> Headers:
    """What the client asked for and does not get, and which content was read as another type than its own."""
    # spec: chat-parts
    named = (("x-penstock-ignored", plan.ignored), ("x-penstock-mapped", plan.mapped))
    return [(header, _names(names)) for header, names in named if names]


def _names(names: Sequence[str]) -> str:
    """A header's list of names. They are the client's own, so each is made fit for a header."""
    fit = [quote(name[:_NAME_CHARS_MAX], safe="[]=") for name in names[:_NAMES_MAX]]
    return ", ".join(fit if len(names) <= _NAMES_MAX else [*fit, "..."])
