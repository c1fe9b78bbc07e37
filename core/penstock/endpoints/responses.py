"""The routes of responses: create, compact, count, retrieve, delete, cancel, and list input items.

They know the reply of each route. The engine makes runs, the store has the rows, and the responders write the bytes.
"""

from __future__ import annotations

import msgspec

from penstock import ids
from penstock.endpoints.faulty import faulty_events, faulty_json
from penstock.endpoints.ignored import ignored_headers
from penstock.endpoints.pages import page_reply, unknown_after
from penstock.endpoints.request_context import RequestContext
from penstock.engine import Engine, Follower, count_input, stored_input
from penstock.errors import ApiError, invalid, no_background, not_found, stopping, upstream_failed
from penstock.http import JSON, SSE, Reply, json_reply
from penstock.json_codec import encode
from penstock.ports import ChainTooLong, Headers, ItemPage, Store, StoredResponse
from penstock.responders import FollowStream, SseStream, json_body, read_response
from penstock.wire import UNSET, CompactedResponse, CompactionItem, Deleted, InputTokens, Message

_encode = msgspec.json.Encoder().encode


class ResponseEndpoints:
    """`/responses` and everything under it."""

    def __init__(self, engine: Engine, *, done_marker: bool) -> None:
        self._engine = engine
        self._done_marker = done_marker

    async def create(self, request: RequestContext) -> Reply:
        """`POST /responses`: decode, resolve, plan and run."""
        prepared = await self._engine.prepare(
            await request.body(), request.owner, request.key, synthetic=request.synthetic
        )
        if prepared.plan.skeleton.background:
            row = await self._engine.submit(prepared, request.key)
            return self._queued(
                row, request, ignored_headers(prepared.plan), streams=bool(prepared.plan.turn.request.stream)
            )
        run = await self._engine.run(prepared, request.http.disconnected, request.deadline)
        headers = ignored_headers(run.plan)  # starting the run may have truncated the context
        if run.is_stream:
            return Reply(200, [*SSE, *headers], faulty_events(SseStream(run, done_marker=self._done_marker), run))
        await run.finish()
        return Reply(200, [JSON, *headers], faulty_json(json_body(run), run))

    async def compact(self, request: RequestContext) -> Reply:
        """`POST /responses/compact`: every user message unchanged, and an item that replaces all others."""
        prepared = await self._engine.prepare(await request.body(), request.owner, request.key, compacts=True)
        run = await self._engine.run(prepared, request.http.disconnected, request.deadline)
        response = await read_response(run)
        if run.error is not None:
            raise run.error
        compaction = next((item for item in response.output if isinstance(item, CompactionItem)), None)
        if compaction is None or response.usage is None:
            raise stopping() if self._engine.drain.is_begun else upstream_failed("The context was not compacted.")
        context = prepared.context
        messages = [
            item for item in (*context.earlier, *context.own) if isinstance(item, Message) and item.role == "user"
        ]
        output = [stored_input(item, ids.new_id).body for item in messages] + [encode(compaction)]
        compacted = CompactedResponse(
            id=response.id,
            created_at=response.created_at,
            output=[msgspec.Raw(item) for item in output],
            usage=response.usage,
        )
        return Reply(200, [JSON, *ignored_headers(prepared.plan)], encode(compacted))

    async def input_tokens(self, request: RequestContext) -> Reply:
        """`POST /responses/input_tokens`: the input tokens of a request, which is not run."""
        plan = await self._engine.plan(await request.body(), request.owner, request.key)
        count = await count_input(plan.route.upstream, plan.turn, self._engine.limits)
        tokens = InputTokens(input_tokens=count.tokens, estimated=count.is_estimated or UNSET)
        return Reply(200, [JSON, *ignored_headers(plan)], _encode(tokens))

    async def retrieve(self, request: RequestContext) -> Reply:
        """`GET /responses/{id}`: the Response, or its events from a given one on."""
        request.include()
        row = await self._row(request)
        if not request.flag("stream"):
            return json_reply(row.body)
        if not row.background:
            message = "Only a response that was created with 'background' can be streamed again."
            raise invalid(message, "stream")
        # spec: cursors
        after = request.number("starting_after")
        return self._follow(row, request, [], after=-1 if after is None else after)

    async def delete(self, request: RequestContext) -> Reply:
        """`DELETE /responses/{id}`."""
        store = self._store()
        if not await store.delete_response(request.owner, request.ids[0]):
            raise _unknown(request.ids[0])
        self._engine.turns.forget(request.ids[0])
        if self._engine.background is not None:
            await self._engine.background.stop(request.ids[0])
        return json_reply(_encode(Deleted(id=request.ids[0], object="response")))

    async def cancel(self, request: RequestContext) -> Reply:
        """`POST /responses/{id}/cancel`: idempotent. A response that has ended does not change."""
        row = await self._row(request)
        if not row.background:
            raise invalid("Only a response that was created with 'background' can be cancelled.", "response_id")
        if self._engine.background is None:
            raise no_background("response_id")
        cancelled = await self._engine.background.cancel(row)
        # spec: cancels-together
        if cancelled is None:
            raise _unknown(row.id)
        return json_reply(cancelled.body)

    async def input_items(self, request: RequestContext) -> Reply:
        """`GET /responses/{id}/input_items`: all items of the response's context, with those of earlier responses."""
        include = request.include()
        page = await self._input_page(request)
        if page is None:
            await self._row(request)
            raise unknown_after(request.after() or "")
        return page_reply(page, include)

    def _queued(self, row: StoredResponse, request: RequestContext, headers: Headers, *, streams: bool) -> Reply:
        return self._follow(row, request, headers, after=-1) if streams else Reply(200, [JSON, *headers], row.body)

    def _follow(self, row: StoredResponse, request: RequestContext, headers: Headers, *, after: int) -> Reply:
        follower = Follower(self._store(), row, after=after, heartbeat_s=self._engine.limits.heartbeat_s)
        stream = FollowStream(
            follower,
            done_marker=self._done_marker,
            disconnected=request.http.disconnected,
            deadline=request.deadline,
        )
        return Reply(200, [*SSE, *headers], self._engine.drain.watch(stream))

    async def _input_page(self, request: RequestContext) -> ItemPage | None:
        responses_max = self._engine.limits.chain_responses_max
        after, limit, order = request.after(), request.limit(), request.order()
        try:
            # spec: pages-cost-a-page
            return await self._store().page_input_items(
                request.owner, request.ids[0], responses_max=responses_max, after=after, limit=limit, order=order
            )
        except ChainTooLong:
            raise invalid(f"The response is at the end of a chain of over {responses_max} responses.") from None

    async def _row(self, request: RequestContext) -> StoredResponse:
        row = await self._store().response(request.owner, request.ids[0])
        if row is None:
            raise _unknown(request.ids[0])
        return row

    def _store(self) -> Store:
        return require_store(self._engine.store)


def require_store(store: Store | None) -> Store:
    """The store. Raises `ApiError` 404 where the server has none: no object can be found then."""
    if store is None:
        raise not_found("This server runs without a store: it stores nothing.", "no_store")
    return store


def _unknown(response_id: str) -> ApiError:
    return not_found(f"Response with id '{response_id}' not found.", param="response_id")
