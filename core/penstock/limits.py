"""Every bound by name, with its default.

It knows the numbers and their units; whoever is bounded reads them from here and never has a number of its own.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=1)]
Bytes = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]


class Limits(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What one request may cost. Sizes in bytes, times in seconds; each is a setting of the same name."""

    connections_max: Count = 10_000
    """Connections of clients to one process at a time; one more is refused with 503."""
    accept_batch_max: Count = 100
    """New connections that are taken in one turn of the event loop, so that many of them do not hold up the others."""
    keep_alive_s: Seconds = 75.0
    """How long a connection may rest between two requests: longer than clients and load balancers do not use one, so
    that none of them sends into one that is being closed."""
    request_head_s: Seconds = 20.0
    """How long the head of a request may take to come."""
    request_head_bytes_max: Bytes = 64 * 2**10
    """The head of a request as a whole; of a body in chunks, its trailers and chunk extensions together."""
    request_header_bytes_max: Bytes = 16 * 2**10
    """One header of a request, its name and its value."""
    request_headers_max: Count = 100
    """The headers of a request."""
    request_target_bytes_max: Bytes = 8 * 2**10
    """The path and the query of a request."""
    request_body_wait_s: Seconds = 30.0
    """How long a body may take between two pieces of it."""
    request_body_rate_min: Count = 500
    """How many bytes of a body have to come in a second, on average of the time that `request_body_grace_s` names."""
    request_body_grace_s: Seconds = 30.0
    """How long a body may be slower than that."""
    unread_body_bytes_max: Bytes = 64 * 2**10
    """How much of a body may still come once its request is answered; a connection with more to come is closed."""
    reply_stall_s: Seconds = 300.0
    """How long a client may take hardly anything of a reply that waits for it."""
    linger_s: Seconds = 5.0
    """How long a closed connection takes what still comes, so that the client gets to read its last reply."""

    body_bytes_max: Bytes = 64 * 2**20
    """A request's body, after decompression."""
    json_values_max: Count = 500_000
    """The values in a request's body at every level, counted by its commas and opening brackets."""
    json_keys_max: Count = 10_000
    """The keys of one object in a request's body."""
    json_depth_max: Count = 256
    """The levels of what is passed on undecoded: a JSON schema, an unknown parameter."""
    input_items_max: Count = 20_000
    """The items of one request's `input`."""
    input_parts_max: Count = 5_000
    """The content parts of one item."""
    tools_max: Count = 512
    """The entries of `tools`, those within namespaces and those that items of the context bring included."""

    request_cache_bytes_max: Bytes = 32 * 2**20
    """The cache of instructions and tools that clients send again and again.

    It is in memory alone. Tools are in it with their secrets, until they are evicted or the server ends."""

    upstream_event_bytes_max: Bytes = 16 * 2**20
    """One event of an upstream's stream, or its whole JSON reply."""
    upstream_error_bytes_max: Bytes = 64 * 2**10
    """How much of an upstream's error page is read."""
    output_items_max: Count = 1_000
    """The items of one response's `output`."""
    output_bytes_max: Bytes = 64 * 2**20
    """The text, thoughts and arguments of one response, its annotations and logprobs too, in characters."""

    returned_bytes_max: Bytes = 4 * 2**20
    """The fields of one reply that its upstream wants back in later turns: signatures and the like."""
    recovered_items_max: Count = 128
    """The last items of a request of which the store is asked for what clients do not see of them."""
    noted_models_max: Count = 1_000
    """The names of models of which is noted what their upstream refused; then it is found out anew."""

    sealed_chars_max: Count = 20 * 2**20
    """One sealed text that a client keeps for us; a longer one is neither made nor opened. The number is OpenAI's."""

    chain_responses_max: Count = 10_000
    """The responses of a chain by `previous_response_id`."""
    chain_cache_bytes_max: Bytes = 8 * 2**20
    """The turns of chains that one process holds in memory, so that they are not read again for the next turn."""
    context_items_max: Count = 20_000
    """The items that a model is shown, those of the chain or conversation included."""
    context_bytes_max: Bytes = 64 * 2**20
    """The same as JSON, with the rest of the request."""
    retention_s: Seconds = 30 * 86_400.0
    """How long stored responses and conversations are kept."""
    writer_lock_s: Seconds = 30.0
    """How long a conversation waits for a writer that no longer tells that it lives."""

    store_check_s: Seconds = 2.0
    """How long `/readyz` waits for the store to show that it works."""
    store_check_fresh_s: Seconds = 2.0
    """How long the answer of such a check holds, whoever asks."""

    background_runs_max: Count = 100
    """Background responses that one process works on at a time."""
    background_queue_max: Count = 1_000
    """Background responses that wait in one process; one more is refused with 429."""
    lease_s: Seconds = 15.0
    """How long a background response waits for a process that no longer tells that it lives."""
    cancel_wait_s: Seconds = 5.0
    """How long a cancellation waits for others of the same response; then it is answered with 503."""
    event_batch_bytes_max: Bytes = 256 * 2**10
    """Events of a background response that wait to be written; a full batch holds back the upstream."""

    sockets_max: Count = 1_000
    """WebSocket connections of one process at a time; one more is refused with 429."""
    socket_age_s: Seconds = 3_600.0
    """How long a WebSocket connection may last; what runs then may end, and nothing more begins."""
    socket_idle_s: Seconds = 900.0
    """How long a WebSocket connection may go without a message either way."""
    socket_ping_s: Seconds = 20.0
    """How often a WebSocket client is asked whether it is there."""
    socket_pong_s: Seconds = 120.0
    """How long it may take to say so; one that is busy may not read for a while."""
    socket_close_s: Seconds = 5.0
    """How long the end of a WebSocket connection waits to be taken."""
    socket_streams_max: Count = 32
    """Distinct `stream_id`s of one WebSocket connection."""
    socket_runs_max: Count = 16
    """Responses of one WebSocket connection that are made at a time; others wait."""
    socket_queue_max: Count = 64
    """Requests that wait on one WebSocket connection, of `body_bytes_max` together; one more is refused with 429."""
    socket_recent_max: Count = 64
    """The last responses of one WebSocket connection that are remembered though they were not to be stored."""
    socket_recent_bytes_max: Bytes = 64 * 2**20
    """What they may hold, as JSON, each with all that it stands on."""
    sockets_recent_bytes_max: Bytes = 256 * 2**20
    """The same on all connections of a process; where it is more, the connection that holds most forgets its oldest."""

    connect_s: Seconds = 10.0
    """Connecting to an upstream."""
    idle_s: Seconds = 120.0
    """How long a streaming upstream may say nothing, its reply's head included."""
    total_s: Seconds = 3_600.0
    """A whole response, retries included."""
    head_wait_s: Seconds = 5.0
    """How long a stream waits for the upstream's status before it begins: until then an error is an HTTP status."""
    heartbeat_s: Seconds = 15.0
    """How long a stream to a client is silent before a comment keeps it alive."""

    count_wait_s: Seconds = 10.0
    """How long an upstream may take to count tokens, or to tell the size of its models' contexts."""

    catalog_wait_s: Seconds = 3.0
    """How long an upstream may take to list its models, at the start and for `/readyz`."""
    catalog_fresh_s: Seconds = 5.0
    """How long what it said then is taken for true; it is asked again after that."""
    models_wait_s: Seconds = 10.0
    """How long an upstream may take to list its models to a client."""

    retries_max: Annotated[int, msgspec.Meta(ge=0)] = 2
    """Further attempts at an upstream before its first byte."""
    attempts_max: Count = 8
    """Attempts at all upstreams of a model together, for one request."""
    stream_head_s: Seconds = 30.0
    """How long an upstream may take to begin a stream, where another one could be asked instead."""
    whole_head_s: Seconds = 600.0
    """The same for a reply that is no stream, which begins only when it is complete."""
    breaker_failures: Count = 5
    """Failures in a row after which an upstream is left alone for a while."""
    breaker_rest_s: Seconds = 5.0
    """How long it is left alone; then one request finds out whether it is back."""
    retry_backoff_s: Seconds = 0.25
    """The wait before the first further attempt; it doubles, with jitter."""
    upstream_connections_max: Count = 5_000
    """Connections to one upstream at a time."""
    upstream_connection_wait_s: Seconds = 3.0
    """How long a request waits where none of them is free; then it is refused with 503. Less than `head_wait_s`, so
    that a stream has not begun by then."""
    upstream_idle_connections_max: Count = 1_000
    """Connections to one upstream that are kept for later requests."""
    upstream_keep_alive_s: Seconds = 15.0
    """How long one is kept that no request uses."""
    upstream_buffer_bytes_max: Bytes = 256 * 2**10
    """How much of an upstream's reply may wait to be read; then nothing more is taken from the upstream for a while."""
    upstream_framing_bytes_max: Bytes = 64 * 2**10
    """The head of an upstream's reply, and whatever else is not its body: a line between chunks, or the trailers."""
    upstream_headers_max: Count = 200
    """The headers of an upstream's reply, its trailers included."""
