"""What may grow while the server runs is named here, with what bounds it: no client can fill a cache without end.

A new dictionary or set of an object, and a new cache of a function, wants a line in one of the lists.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from architecture.source import Module, everything
from requirements import shows

_CACHES = {"cache", "lru_cache", "cached_property"}
_CONTAINERS = {"dict", "set", "deque", "defaultdict", "OrderedDict", "WeakSet", "WeakValueDictionary", "Counter"}

WHILE_THE_SERVER_RUNS = {
    "penstock.engine.upstreams.inlining._Contents._known": "inlined_cache_bytes_max",
    "penstock.engine.planning.absent_tools._logged": "the settings of tools",
    "penstock.tools.web_search.result_cache.ResultCache._entries": "500 queries with the results of one answer each",
    "penstock_adapters.tls._of_pages": "one",
    "penstock.access._known_host_name": "256 hosts and origins of at most 300 characters",
    "penstock.dialects.responses.ResponsesDialect._unsealing": "noted_models_max names of at most 200 characters",
    "penstock.lenient._type_of": "the structs of the code",
    "penstock.dialects.chat_completions.refused_fields.RefusedFields._by_model": (
        "noted_models_max names of at most 200 characters"
    ),
    "penstock.dialects.chat_completions.unknown_values.UnknownValues._logged": "100 values of at most 100 characters",
    "penstock.engine.background.runner.Background._claims": "one of each response that runs or waits here",
    "penstock.engine.background.runner.Background._runs": "background_runs_max",
    "penstock.engine.background.runner.Background._tasks": "background_runs_max",
    "penstock.engine.background.queue.Queue._waiting": "background_queue_max",
    "penstock.engine.background.queue.Queue._waiting_of": "background_queue_max",
    "penstock.engine.background.queue.Queue._running_of": "background_runs_max",
    "penstock.engine.upstreams.connection_limit.ConnectionLimit._waiting": "the requests that wait for a connection",
    "penstock.engine.upstreams.catalog.Catalog._pending": "the upstreams in the configuration",
    "penstock.engine.upstreams.catalog.Catalog._reports": "1,000 models of each upstream, 200 characters of each",
    "penstock.engine.running.drain.Drain._unanswered": "the requests that have no reply yet",
    "penstock.engine.upstreams.breaker.Breaker._failures": "breaker_failures, and those of one more client",
    "penstock.engine.request.decode._plain": "one",
    "penstock.engine.request.decode._messages": "one",
    "penstock.engine.request.request_cache.RequestCache._by_prefix": "request_cache_bytes_max",
    "penstock.engine.request.request_cache.RequestCache._by_last_use": "request_cache_bytes_max",
    "penstock.engine.request.request_cache.RequestCache._seen": "1,000 names and hashes",
    "penstock.dialects.synthetic.batching.Batch._running": "the requests that run",
    "penstock.dialects.synthetic.batching.Batch._waiting": "the requests that wait",
    "penstock.dialects.synthetic.batching.PrefixCache._blocks": "cache_tokens of the option, one for 16 tokens",
    "penstock.dialects.synthetic.prose._answer": "128 of 1,050 tokens",
    "penstock.dialects.synthetic.prose._thoughts": "128 of 5,040 tokens",
    "penstock.engine.upstreams.synthetic.load.Engines._batches": "100, and those that have requests",
    "penstock.engine.upstreams.routes.Routes._exact": "the names in the configuration",
    "penstock.engine.upstreams.routes.Routes._listed": "the same names as in the catalog",
    "penstock.engine.upstreams.routes.Routes._route_of": "1,000 names of at most 200 characters",
    "penstock.engine.upstreams.context_windows.ContextSizes._learned": "1,000 names of at most 200 characters",
    "penstock.engine.upstreams.context_windows.ContextSizes._listed": "the upstream's last list of models",
    "penstock.engine.upstreams.synthetic.request_counts.RequestCounts._counts": "1,000 names with checked options",
    "penstock.engine.upstreams.synthetic.upstream.SyntheticUpstream._options_of": "1,000 texts of 2,000 characters",
    "penstock.engine.upstreams.synthetic.upstream.SyntheticUpstream._chat": "one",
    "penstock.engine.upstreams.synthetic.chat_routes._known": "the structs of the code",
    "penstock.engine.request.request_body._plain_decoder": "the structs of the code",
    "penstock.dialects.synthetic.options.grammar.table": "one",
    "penstock.engine.running.timer_wheel.TimerWheel._slots": "the runs that go on",
    "penstock.engine.running.timer_wheel.TimerWheel._due": "the runs that go on",
    "penstock.endpoints.sockets.Sockets._open": "sockets_max",
    "penstock.engine.offload._thread": "one",
    "penstock.engine.running.connection_cache.ConnectionCaches._open": "sockets_max",
    "penstock.engine.planning.plan_cache.PlanCache._made": "256 clients and models, 4 plans of 16 KiB each",
    "penstock.engine.context.chain_cache.ChainCache._turns": "chain_cache_bytes_max",
    "penstock.json_codec.decoder": "the structs of the code",
    "penstock.json_codec.Decoder._shape": "one of each decoder",
    "penstock.json_codec.Decoder._slow": "one of each decoder",
    "penstock.json_codec.Decoder._strict": "one of each decoder",
    "penstock.json_codec._Object.decoder": "one of each struct",
    "penstock.json_codec._Object.keys": "one of each struct",
    "penstock.json_codec._Shape.tagged": "the structs of the code",
    "penstock.telemetry.access_log._opening": "256 beginnings of lines, with at most 200 characters of each name",
    "penstock.telemetry.formats._template": "64 sets of the fields of an access line",
    "penstock.telemetry.metrics.recording.Metrics._tokens": "metric_names_max models, and _other",
    "penstock.ports.upstream.SharedRequest.encoded": "the upstreams of a model",
    "penstock.telemetry.metrics.values.Names._names": "metric_names_max names of at most 200 characters",
    "penstock.telemetry.outage.OutageLog._logged": "10 reasons of at most 500 characters",
    "penstock.sse._heads": "the event classes of the code",
    "penstock.tools.mcp.list_cache.ListCache._entries": "`mcp_list_cache_bytes_max`",
    "penstock.engine.hosted_tools.owner_slots.OwnerSlots._owners": "the calls that run or wait",
    "penstock.stores.memory.marks.MarkTable._expiry": "`marks_max`",
    "penstock.stores.memory.tables.Table._holders": "the items of the entries",
    "penstock.stores.memory.tables.Table.entries": "10,000 entries and 256 MiB",
    "penstock.stores.sqlite.event_waiters.EventWaiters._waiters": "the waiting tasks",
    "penstock_adapters.aiohttp.AiohttpTransport._url": "128 URLs of at most 500 characters",
    "penstock_adapters.cli.accepting.Acceptor._beginning": "accept_batch_max of each turn of the event loop",
    "penstock_adapters.cli.http1.exchange._default_lines": "one",
    "penstock_adapters.cli.http1.deadlines.Deadlines._timed": "connections_max",
    "penstock_adapters.cli.worker_processes.WorkerProcesses._indexes": "the workers",
    "penstock_adapters.cli.siblings.UnixSiblings._answers": "the paths in the code",
    "penstock_adapters.name_lookup._threads": "one pool of 8 threads",
    "penstock_adapters.content_codings._has_library": "the codings of the code",
    "penstock_adapters.aws_lambda._function": "one function",
    "penstock_adapters.aws_lambda.runtime.Runtime._waiting": "the polls, at most 2,048",
    "penstock_adapters.cryptography.AeadSealer._ciphers": "the keys in the configuration",
    "penstock_adapters.cryptography.AeadSealer._keys": "the configured keys, or one",
    "penstock_adapters.cryptography.AeadSealer._first_id": "one text",
    "penstock_adapters.aws.signature._key": "8 days and scopes",
    "penstock_adapters.dynamodb.DynamoStore._expiries": "REMEMBERED_MAX",
    "penstock_adapters.dynamodb.trails.Trails._trails": "REMEMBERED_MAX",
    "penstock_adapters.http_client.pool.Pool._busy": "upstream_connections_max",
    "penstock_adapters.http_client.pool.Pool._idle": "upstream_idle_connections_max",
    "penstock_adapters.http_client.requests.RequestWriter._template": "128 paths of at most 500 characters",
    "penstock_adapters.postgres.notifications.Notifications._readers": "those who wait",
    "penstock_adapters.postgres.notifications.Notifications._pending": "PENDING_MAX",
    "penstock_adapters.prompts.PromptFolder._known": "1,000 files",
    "penstock_adapters.mcp_sdk.session_opener._client_info": "one",
    "penstock_adapters.mcp_sdk.session_opener.tls_context": "one",
    "penstock_adapters.mcp_sdk.sessions.SessionPool._sessions": "`mcp_sessions_max`",
    "penstock_adapters.mcp_sdk.sessions.SessionPool._timers": "the sessions",
    "penstock_adapters.mcp_sdk.sessions.SessionPool._ends": "the sessions that end, for some seconds",
    "penstock_adapters.redis.pipeline.Pipeline._connections": "the connections",
    "penstock_adapters.redis.pipeline.Pipeline._waiting": "the calls that go on",
    "penstock_adapters.redis.scripts.script": "the scripts of the package",
    "penstock_adapters.redis.pubsub.PubSub._subscriptions": "those who wait, and who did a moment ago",
}
"""What lives as long as the process, and what bounds it."""

WHILE_A_REQUEST_RUNS = {
    "penstock.engine.hosted_tools.functions.HostedFunctions",
    "penstock.engine.hosted_tools.turn_calls.TurnCalls",
    "penstock.transcript.hosted_items.HostedEvents",
    "penstock.tools.web_search.session.WebSession",
    "penstock.transcript.item_writers.EventItems",
    "penstock.tools.mcp.approvals._Later",
    "penstock.tools.mcp.session.McpSession",
    "penstock.tool_calls.pairing._Pairing",
    "penstock_adapters.dynamodb.blobs.Split",
    "penstock.dialects.synthetic.document.Document",
    "penstock.dialects.chat_completions.extras.ExtrasReader",
    "penstock.dialects.chat_completions.calls.CallReader",
    "penstock.dialects.chat_completions.messages.MessageReader",
    "penstock.dialects.synthetic.prompt_view._PromptReader",
    "penstock.dialects.synthetic.pattern.Patterns",
    "penstock.dialects.synthetic.schema_normalize.PlainSchemas",
    "penstock.endpoints.stream_queues.StreamQueues",
    "penstock.endpoints.passthrough.RelayedStream",
    "penstock.engine.upstreams.synthetic.single_deltas.SingleDeltas",
    "penstock.engine.running.persistence.Ending",
    "penstock.engine.context.chain_cache.KnownTurns",
    "penstock.engine.running.connection_cache.ConnectionCache",
    "penstock.engine.planning.declared_tools.DeclaredTools",
    "penstock.engine.upstreams.synthetic.chat_replies.ChunkedReply",
    "penstock.engine.context.truncation._Grouping",
    "penstock.transcript.reducer.Reducer",
    "penstock_adapters.cloudflare.fetch_transport.FetchReply",
}
"""Classes whose objects end with their request, or with their connection; limits bound what those may hold."""


@shows("bounded-caches")
def test_whatever_may_grow_is_named_with_its_bound() -> None:
    found = {name for module in everything() for name in _growing(module)}
    lasting = {name for name in found if name.rpartition(".")[0] not in WHILE_A_REQUEST_RUNS}
    passing = {name.rpartition(".")[0] for name in found - lasting}
    assert not lasting - WHILE_THE_SERVER_RUNS.keys(), "name it in one of the lists"
    assert not WHILE_THE_SERVER_RUNS.keys() - lasting
    assert passing == WHILE_A_REQUEST_RUNS


def _growing(module: Module) -> Iterator[str]:
    for name, node in module.definitions():
        if isinstance(node, ast.ClassDef):
            yield from (f"{name}.{attribute}" for attribute in _attributes(node))
        elif any(_name(decorator) in _CACHES for decorator in node.decorator_list):
            yield name
    for target, value in _assigned(module.tree.body):
        if isinstance(target, ast.Name) and re.match("_?[a-z]", target.id) and _may_grow(value):
            yield f"{module.name}.{target.id}"


def _attributes(node: ast.ClassDef) -> Iterator[str]:
    """The attributes that begin as an empty container, or as a cache."""
    for method in node.body:
        if isinstance(method, ast.FunctionDef) and method.name == "__init__":
            for target, value in _assigned(ast.walk(method)):
                if isinstance(target, ast.Attribute) and _may_grow(value):
                    yield target.attr


def _assigned(nodes: Iterator[ast.AST] | list[ast.stmt]) -> Iterator[tuple[ast.expr, ast.expr | None]]:
    for node in nodes:
        if isinstance(node, ast.Assign):
            yield from ((target, node.value) for target in node.targets)
        elif isinstance(node, ast.AnnAssign):
            yield node.target, node.value


def _may_grow(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Dict):
        return not value.keys
    return isinstance(value, ast.Call) and _name(value.func) in _CACHES | _CONTAINERS


def _name(node: ast.expr) -> str:
    """What is called in the end: `lru_cache` of `lru_cache(9)(f)`."""
    while isinstance(node, ast.Call):
        node = node.func
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")
