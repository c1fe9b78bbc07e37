"""All limits by name, with their defaults.

It knows the numbers and their units. All other modules read their limits from here.
"""

from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=1)]
Bytes = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]


class Limits(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The limits. Sizes are in bytes and times in seconds. Each limit is a setting of the same name."""

    connections_max: Count = 10_000
    """Connections of clients to one process at a time. More are refused with 503."""
    accept_batch_max: Count = 100
    """New connections that are accepted in one turn of the event loop, so that many of them do not delay the others."""
    keep_alive_s: Seconds = 75.0
    """How long a connection may be idle between two requests. Clients and load balancers usually close idle connections
    earlier, so that none of them sends a request into a connection that is being closed."""
    tls_handshake_s: Seconds = 10.0
    """How long the TLS handshake of a connection may take."""
    tls_check_s: Seconds = 60.0
    """How often the server checks whether the files of its certificate have changed."""
    request_head_s: Seconds = 20.0
    """How long the head of a request may take to arrive."""
    request_head_bytes_max: Bytes = 64 * 2**10
    """The whole head of a request. Also the trailers and chunk extensions of a chunked body together."""
    request_header_bytes_max: Bytes = 16 * 2**10
    """One header of a request, with its name."""
    request_headers_max: Count = 100
    """The number of headers of a request."""
    request_target_bytes_max: Bytes = 8 * 2**10
    """The path and the query of a request."""
    request_body_wait_s: Seconds = 30.0
    """How long a pause between two pieces of a body may be."""
    request_body_rate_min: Count = 500
    """How many bytes of a body must arrive in a second, on average over `request_body_grace_s`."""
    request_body_grace_s: Seconds = 30.0
    """How long a body may be slower than `request_body_rate_min`."""
    unread_body_bytes_max: Bytes = 64 * 2**10
    """How much of a body may arrive after its request is answered. Connections with more to come are closed."""
    reply_stall_s: Seconds = 300.0
    """How long a client may read next to nothing of a reply."""
    linger_s: Seconds = 5.0
    """How long a closed connection reads what still arrives, so that the client can read its last reply."""

    body_bytes_max: Bytes = 64 * 2**20
    """A request's body, after decompression."""
    json_values_max: Count = 500_000
    """The values in a request's body at every level, counted by its commas and opening brackets."""
    json_keys_max: Count = 10_000
    """The keys of one object in a request's body."""
    json_depth_max: Count = 256
    """The nesting levels of JSON that is passed on undecoded, such as a JSON schema or an unknown parameter."""
    input_items_max: Count = 20_000
    """The items of one request's `input`."""
    input_parts_max: Count = 5_000
    """The content parts of one item."""
    tools_max: Count = 512
    """The entries of `tools`, with those in namespaces and those in items of the context. Also those of a
    `tool_choice` of the type `allowed_tools`."""

    tool_calls_max: Count = 32
    """The calls of hosted tools that one response may make, with those that the request approves. A smaller
    `max_tool_calls` of the request counts."""
    tool_rounds_max: Count = 16
    """The turns of the model in one response after which hosted tools are not offered any more."""
    tool_calls_parallel_max: Count = 8
    """The calls of hosted tools of one response that run at a time."""
    tool_runs_max: Count = 100
    """The calls of hosted tools that one process runs at a time. Others wait."""
    tool_runs_per_key_max: Count = 50
    """Those of one API key, so that its slow tools do not delay the calls of others."""
    tool_call_s: Seconds = 60.0
    """How long one call of a hosted tool may take, with its wait."""
    search_s: Seconds = 10.0
    """How long a search engine may take for one query."""
    search_reply_bytes_max: Bytes = 4 * 2**20
    """The answer of a search engine to one query."""
    page_s: Seconds = 15.0
    """How long a page may take to arrive, with its redirects."""
    page_bytes_max: Bytes = 2 * 2**20
    """How much of a page is read, without its content coding."""
    page_redirects_max: Count = 5
    """The redirects of one page."""
    inlined_urls_max: Count = 32
    """The images and files of one request that are fetched from their URLs, for an upstream with `fetch_urls`."""
    inlined_bytes_max: Bytes = 20 * 2**20
    """One of them."""
    inlined_cache_bytes_max: Bytes = 64 * 2**20
    """What was fetched for the turns of one upstream lately, so that it is not fetched again for the next turn."""
    page_text_s: Seconds = 10.0
    """How long the text of a page may take to be found."""
    page_text_bytes_max: Bytes = 2**20
    """The text of a page."""
    page_text_memory_bytes_max: Bytes = 512 * 2**20
    """The memory of a process that finds the text of pages."""
    page_text_processes_max: Count = 2
    """Such processes at a time."""
    page_text_idle_s: Seconds = 60.0
    """How long such a process may be idle until it is ended."""
    tool_reply_bytes_max: Bytes = 64 * 2**10
    """What the model reads of one call of a hosted tool. The rest is cut off, with a note."""
    tool_images_bytes_max: Bytes = 16 * 2**20
    """The images that the model gets of all calls of hosted tools of one response, as data URLs. A note replaces
    others."""
    mcp_servers_max: Count = 32
    """The MCP servers of one request."""
    mcp_headers_max: Count = 64
    """The headers that a request has for one MCP server."""
    mcp_headers_bytes_max: Bytes = 32 * 2**10
    """These headers together, with their names."""
    mcp_list_s: Seconds = 20.0
    """How long an MCP server may take to list its tools, with the time to connect."""
    mcp_tools_max: Count = 1_000
    """The tools of one MCP server. Further ones are not read."""
    mcp_list_fresh_s: Seconds = 60.0
    """How long the list of an MCP server is used again, where the server does not state it. A tool whose call was
    approved is compared with a list that is not older."""
    mcp_list_fresh_max_s: Seconds = 3_600.0
    """How long such a list is used again at most, where the server states it."""
    mcp_list_cache_bytes_max: Bytes = 16 * 2**20
    """The cache of the lists of MCP servers, in one process."""
    mcp_body_bytes_max: Bytes = 8 * 2**20
    """One message of an MCP server, or all pages of its list. A call with a longer one fails. Many servers send a text
    twice: as content, and as structured content."""
    mcp_values_max: Count = 50_000
    """The JSON values of one message of an MCP server. A call with a message of more fails."""
    mcp_stream_bytes_max: Bytes = 16 * 2**20
    """The messages of one stream of an MCP server together. Then the stream ends."""
    mcp_output_chars_max: Count = 256 * 2**10
    """The output of an MCP call that its item shows. The rest is cut off, and the output states that."""
    mcp_sessions_max: Count = 64
    """The sessions with MCP servers of one process. The session that is idle for the longest time makes room."""
    mcp_sessions_per_key_max: Count = 32
    """Those of one API key."""
    mcp_session_idle_s: Seconds = 60.0
    """How long a session with an MCP server stays open without a call."""
    mcp_connect_s: Seconds = 10.0
    """How long connecting to an MCP server may take."""

    choices_max: Count = 128
    """The choices of one completion of the built-in model: its prompts times `n`."""
    embedding_inputs_max: Count = 2_048
    """The inputs of one request for embeddings of the built-in model."""
    embedding_dimensions_max: Count = 4_096
    """The numbers of one embedding of the built-in model."""
    tokenized_bytes_max: Bytes = 2**20
    """A text whose tokens the built-in model returns, in UTF-8."""

    request_cache_bytes_max: Bytes = 32 * 2**20
    """The cache of decoded instructions and tools, which clients send repeatedly.

    It is in memory only. It contains the secrets of tools, until they are evicted or the server ends."""

    upstream_event_bytes_max: Bytes = 16 * 2**20
    """One event of an upstream's stream, or its whole JSON reply."""
    upstream_error_bytes_max: Bytes = 64 * 2**10
    """How much of an upstream's error reply is read."""
    output_items_max: Count = 1_000
    """The items of one response's `output`."""
    output_bytes_max: Bytes = 64 * 2**20
    """The text, reasoning, arguments, annotations and logprobs of one response, in characters."""

    synthetic_tokens_max: Count = 1_000_000
    """The tokens that a request may ask the synthetic model for."""

    returned_bytes_max: Bytes = 4 * 2**20
    """The fields of one reply that its upstream needs back in later turns, such as signatures."""
    recovered_items_max: Count = 128
    """How many of the last items of a request are looked up in the store, for fields that clients do not get."""
    noted_models_max: Count = 1_000
    """How many names of models the notes on parameters that an upstream rejected are stored for."""

    sealed_chars_max: Count = 20 * 2**20
    """The length of one sealed text that clients store for the server. The number is OpenAI's."""

    chain_responses_max: Count = 10_000
    """The responses of a chain by `previous_response_id`."""
    chain_cache_bytes_max: Bytes = 8 * 2**20
    """The cache of turns of chains in one process, so that they are not read again for the next turn."""
    context_items_max: Count = 20_000
    """The items of a model's context, with those of the chain or conversation."""
    context_bytes_max: Bytes = 64 * 2**20
    """The size of a model's context as JSON, with the rest of the request."""
    retention_s: Seconds = 30 * 86_400.0
    """How long responses and conversations are stored."""
    writer_lock_s: Seconds = 30.0
    """How long a conversation waits for a writer that no longer prolongs its lock."""

    store_check_s: Seconds = 2.0
    """How long `/readyz` waits for the check of the store."""
    store_check_fresh_s: Seconds = 2.0
    """How long the result of a check of the store is used again."""

    background_runs_max: Count = 100
    """Background responses that one process runs at a time."""
    background_runs_per_key_max: Count = 80
    """Those of one API key, so that its long responses do not delay those of others."""
    background_queue_max: Count = 1_000
    """Background responses that wait in one process. More are refused with 429."""
    background_queue_per_key_max: Count = 800
    """Those of one API key."""
    lease_s: Seconds = 15.0
    """How long a background response waits for a process that no longer prolongs its lease."""
    cancel_wait_s: Seconds = 5.0
    """How long a cancellation waits for other cancellations of the same response. Then it is answered with 503."""
    event_batch_bytes_max: Bytes = 256 * 2**10
    """Events of a background response that wait to be written. While a batch is full, the upstream is not read."""

    sockets_max: Count = 1_000
    """WebSocket connections of one process at a time. More are refused with 429."""
    socket_age_s: Seconds = 3_600.0
    """How long a WebSocket connection may last. Responses that run then may end, and no more begin."""
    socket_idle_s: Seconds = 900.0
    """How long a WebSocket connection may be without a message in either direction."""
    socket_ping_s: Seconds = 20.0
    """How often a WebSocket client gets a ping."""
    socket_pong_s: Seconds = 120.0
    """How long the pong of a client may take. A busy client may not read for a while."""
    socket_close_s: Seconds = 5.0
    """How long the close frame of a WebSocket connection may take to be sent."""
    socket_streams_max: Count = 32
    """The number of different `stream_id`s of one WebSocket connection."""
    socket_runs_max: Count = 16
    """Responses of one WebSocket connection that run at a time. Others wait."""
    socket_queue_max: Count = 64
    """Requests that wait on one WebSocket connection, of `body_bytes_max` together. More are refused with 429."""
    socket_recent_max: Count = 64
    """The last responses of one WebSocket connection that are in its cache, though they are not stored."""
    socket_recent_bytes_max: Bytes = 64 * 2**20
    """The size of that cache as JSON. Each response counts with its whole context."""
    sockets_recent_bytes_max: Bytes = 256 * 2**20
    """The caches of all connections of a process together. Beyond it, the largest cache drops its oldest response."""

    metric_names_max: Count = 64
    """The names of models in the metrics, and those of ignored parameters. What has another name is counted as
    `_other`."""

    sibling_wait_s: Seconds = 1.0
    """How long a worker waits for the answers of the other workers, for the metrics of all."""
    sibling_bytes_max: Bytes = 16 * 2**20
    """A message between two workers."""

    connect_s: Seconds = 10.0
    """How long connecting to an upstream may take."""
    idle_s: Seconds = 120.0
    """How long a streaming upstream may send nothing, also before the head of its reply."""
    total_s: Seconds = 3_600.0
    """How long a whole response may take, with retries."""
    request_s: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """How long the host in front lets a request last, such as a function or a proxy with a time-out. Shortly before, a
    stream ends as `incomplete`, and any other request is answered with 504. 0 is no limit but that which the host
    itself sets for each request, as functions do."""
    head_wait_s: Seconds = 5.0
    """How long a stream waits for the upstream's status before it begins. Until then, an error is an HTTP status."""
    heartbeat_s: Seconds = 15.0
    """How long a stream to a client may send nothing, until it sends a comment as heartbeat."""

    count_wait_s: Seconds = 10.0
    """How long an upstream may take to count tokens, or to list the sizes of its models' contexts."""

    catalog_wait_s: Seconds = 3.0
    """How long an upstream may take to list its models, at the start and for `/readyz`."""
    catalog_fresh_s: Seconds = 5.0
    """How long that list of models is used before the upstream is called again."""
    models_wait_s: Seconds = 10.0
    """How long an upstream may take to list its models, for a client."""

    retries_max: Annotated[int, msgspec.Meta(ge=0)] = 2
    """Further attempts at an upstream that has sent nothing yet."""
    attempts_max: Count = 8
    """Attempts at all upstreams of a model together, for one request."""
    stream_head_s: Seconds = 30.0
    """How long an upstream may take to begin a stream, where another upstream could be called instead."""
    whole_head_s: Seconds = 600.0
    """How long an upstream may take to begin a reply that is no stream, which it begins when it is complete."""
    breaker_failures: Count = 5
    """Failures in a row after which an upstream is not called for a while."""
    breaker_rest_s: Seconds = 5.0
    """How long it is not called. Then one request tests whether it works again."""
    retry_backoff_s: Seconds = 0.25
    """The wait before the first further attempt. It doubles each time, with jitter."""
    upstream_connections_max: Count = 5_000
    """Connections to one upstream at a time."""
    upstream_connection_wait_s: Seconds = 3.0
    """How long a request waits for a free connection to an upstream. Then it is refused with 503. It is less than
    `head_wait_s`, so that a stream has not begun by then."""
    upstream_idle_connections_max: Count = 1_000
    """Idle connections to one upstream, for later requests."""
    upstream_keep_alive_s: Seconds = 15.0
    """How long a connection to an upstream may be idle until it is closed."""
    upstream_buffer_bytes_max: Bytes = 256 * 2**10
    """How much of an upstream's reply may be buffered. While the buffer is full, the upstream is not read."""
    upstream_framing_bytes_max: Bytes = 64 * 2**10
    """The head of an upstream's reply, a line between its chunks, or its trailers."""
    upstream_headers_max: Count = 200
    """The number of headers of an upstream's reply, with its trailers."""
