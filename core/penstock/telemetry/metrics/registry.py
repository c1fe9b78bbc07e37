"""The registry of metrics: a row for each. The values, `/metrics`, the documents and the dashboard are made from it.

It knows names, labels, units and buckets. The `penstock_*` names are stable: they change only with the major version.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Kind: TypeAlias = Literal["counter", "gauge", "histogram"]

OTHER = "_other"
"""The value of a label beyond its bound."""
MODEL = "model"
"""The label of models: a configured name, or one of the first names that an upstream has answered for."""

_FIRST_TOKEN_S = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75),
    *(1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0, 160.0),
)
"""OpenTelemetry's buckets, and vLLM's beyond them."""
_INTER_TOKEN_S = (
    *(0.0001, 0.001, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.075),
    *(0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0),
)
_RESPONSE_S = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
    *(20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0),
)
_STORE_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_LAG_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metric(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One metric."""

    name: str
    """The name under which `/metrics` has it."""
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    unit: str = ""
    buckets: tuple[float, ...] = ()
    """The upper bounds of a histogram's buckets, but for the last one, which has none."""
    otel: str = ""
    """The name in OpenTelemetry's semantic conventions, where they have the same."""
    vllm: str = ""
    """The name that vLLM has for the same, if any."""
    is_synthetic: bool = False
    """Whether only the synthetic model has such a value."""


REQUESTS = Metric(
    name="penstock_requests_total",
    kind="counter",
    help="Requests whose reply has ended, by route and status. 499: the client left first.",
    labels=("route", "status"),
)
RESPONSES = Metric(
    name="penstock_responses_total",
    kind="counter",
    help="Responses, chat replies too, by how they ended, and why. cancelled: the client left, or cancelled it.",
    labels=(MODEL, "status", "reason"),
    vllm="vllm:request_success_total",
)
INPUT_TOKENS = Metric(
    name="penstock_input_tokens_total",
    kind="counter",
    help="Input tokens of responses that have ended.",
    labels=(MODEL,),
    unit="tokens",
    otel="gen_ai.client.token.usage (gen_ai.token.type=input)",
    vllm="vllm:prompt_tokens_total",
)
OUTPUT_TOKENS = Metric(
    name="penstock_output_tokens_total",
    kind="counter",
    help="Output tokens of responses that have ended, with those of reasoning.",
    labels=(MODEL,),
    unit="tokens",
    otel="gen_ai.client.token.usage (gen_ai.token.type=output)",
    vllm="vllm:generation_tokens_total",
)
CACHED_TOKENS = Metric(
    name="penstock_cached_tokens_total",
    kind="counter",
    help="Input tokens that the upstream had in its prefix cache, as it reports them.",
    labels=(MODEL,),
    unit="tokens",
)
REASONING_TOKENS = Metric(
    name="penstock_reasoning_tokens_total",
    kind="counter",
    help="Output tokens of reasoning, as the upstream reports them.",
    labels=(MODEL,),
    unit="tokens",
)
FIRST_TOKEN = Metric(
    name="penstock_time_to_first_token_seconds",
    kind="histogram",
    help="Of streams: from the request to the first event of the model's answer.",
    labels=(MODEL,),
    unit="seconds",
    buckets=_FIRST_TOKEN_S,
    otel="gen_ai.server.time_to_first_token",
    vllm="vllm:time_to_first_token_seconds",
)
INTER_TOKEN = Metric(
    name="penstock_inter_token_seconds",
    kind="histogram",
    help="Of streams that have ended: the time between two tokens of the synthetic model, and between two reads of "
    "other upstreams, each of which may bring several tokens.",
    labels=(MODEL,),
    unit="seconds",
    buckets=_INTER_TOKEN_S,
    otel="gen_ai.server.time_per_output_token",
    vllm="vllm:inter_token_latency_seconds",
)
RESPONSE_DURATION = Metric(
    name="penstock_response_duration_seconds",
    kind="histogram",
    help="From the request to the end of its response; of background responses, from the start of the run.",
    labels=(MODEL,),
    unit="seconds",
    buckets=_RESPONSE_S,
    otel="gen_ai.server.request.duration",
    vllm="vllm:e2e_request_latency_seconds",
)
RUNNING = Metric(
    name="penstock_requests_running",
    kind="gauge",
    help="Responses and chat replies that are being made now.",
    labels=(MODEL,),
    vllm="vllm:num_requests_running",
)
QUEUED = Metric(
    name="penstock_requests_queued",
    kind="gauge",
    help="Requests that wait for their turn: in the background, on WebSocket connections, and at the synthetic model. "
    "Where several models are served, the first two are counted as _other.",
    labels=(MODEL,),
    vllm="vllm:num_requests_waiting",
)
STREAMS_WITHOUT_TERMINAL = Metric(
    name="penstock_streams_without_terminal_total",
    kind="counter",
    help="Streams that ended without a terminal event while their client was there. Always 0: anything else is a bug.",
)
UPSTREAM_ERRORS = Metric(
    name="penstock_upstream_errors_total",
    kind="counter",
    help="Failed calls of upstreams, by whose fault it is: the request of the client, the upstream, or this server's "
    "configuration and limits.",
    labels=("blame",),
)
UPSTREAM_RETRIES = Metric(
    name="penstock_upstream_retries_total",
    kind="counter",
    help="Further calls of upstreams for a request, after the first one failed.",
)
BREAKER_OPEN = Metric(
    name="penstock_breaker_open",
    kind="gauge",
    help="1 while an upstream gets no requests, since it has failed too often, else 0.",
    labels=("upstream",),
)
BREAKER_TRIPS = Metric(
    name="penstock_breaker_trips_total",
    kind="counter",
    help="How often an upstream began to get no requests.",
    labels=("upstream",),
)
IGNORED_PARAMETERS = Metric(
    name="penstock_ignored_parameters_total",
    kind="counter",
    help="Parameters and hosted tools of requests that were ignored, by name.",
    labels=("parameter",),
)
TOOL_CALLS = Metric(
    name="penstock_tool_call_seconds",
    kind="histogram",
    help="How long the calls of hosted tools take, by the type of their item and its last status.",
    labels=("item", "status"),
    unit="seconds",
    buckets=_RESPONSE_S,
)
STORE = Metric(
    name="penstock_store_seconds",
    kind="histogram",
    help="How long the store takes to read and to write, calls that fail too.",
    labels=("operation",),
    unit="seconds",
    buckets=_STORE_S,
)
LEASES_TAKEN_OVER = Metric(
    name="penstock_leases_taken_over_total",
    kind="counter",
    help="Background responses that this process took over from one that had stopped.",
)
WEBSOCKETS = Metric(
    name="penstock_websocket_connections",
    kind="gauge",
    help="WebSocket connections that are open now.",
)
STREAM_LAG = Metric(
    name="penstock_stream_lag_seconds",
    kind="histogram",
    help="How late the tokens of the synthetic model are, where a speed is asked for.",
    unit="seconds",
    buckets=_LAG_S,
)
KV_USAGE = Metric(
    name="penstock_kv_cache_usage",
    kind="gauge",
    help="The share of the synthetic model's KV cache that is in use, from 0 to 1, where a size is asked for.",
    labels=(MODEL,),
    vllm="vllm:kv_cache_usage_perc",
    is_synthetic=True,
)
PREEMPTIONS = Metric(
    name="penstock_preemptions_total",
    kind="counter",
    help="Requests that lost their room in the synthetic model's KV cache, and had to wait again.",
    labels=(MODEL,),
    vllm="vllm:num_preemptions_total",
    is_synthetic=True,
)
PREFIX_CACHE_QUERIES = Metric(
    name="penstock_prefix_cache_queries_total",
    kind="counter",
    help="Tokens that were searched for in the synthetic model's prefix cache.",
    labels=(MODEL,),
    vllm="vllm:prefix_cache_queries_total",
    is_synthetic=True,
)
PREFIX_CACHE_HITS = Metric(
    name="penstock_prefix_cache_hits_total",
    kind="counter",
    help="Tokens that were found in the synthetic model's prefix cache.",
    labels=(MODEL,),
    vllm="vllm:prefix_cache_hits_total",
    is_synthetic=True,
)
SCRAPE_ERRORS = Metric(
    name="penstock_scrape_errors_total",
    kind="counter",
    help="Workers that did not answer in time when this worker was asked for the metrics of all.",
)
BUILD = Metric(
    name="penstock_build_info",
    kind="gauge",
    help="1, with the version of Penstock.",
    labels=("version",),
)

REGISTRY: tuple[Metric, ...] = (
    REQUESTS,
    RESPONSES,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    CACHED_TOKENS,
    REASONING_TOKENS,
    FIRST_TOKEN,
    INTER_TOKEN,
    RESPONSE_DURATION,
    RUNNING,
    QUEUED,
    STREAMS_WITHOUT_TERMINAL,
    UPSTREAM_ERRORS,
    UPSTREAM_RETRIES,
    BREAKER_OPEN,
    BREAKER_TRIPS,
    IGNORED_PARAMETERS,
    TOOL_CALLS,
    STORE,
    LEASES_TAKEN_OVER,
    WEBSOCKETS,
    STREAM_LAG,
    KV_USAGE,
    PREEMPTIONS,
    PREFIX_CACHE_QUERIES,
    PREFIX_CACHE_HITS,
    SCRAPE_ERRORS,
    BUILD,
)
"""Every metric, in the order of `/metrics`."""
