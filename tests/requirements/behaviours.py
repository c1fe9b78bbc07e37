"""The table of behaviours, as data: what this server does where OpenAI's documents leave room.

docs/behaviour.md is written from it (`make golden`), and a test shows every row (`@shows("…")`).
`test_behaviours.py` and `test_manifest.py` see to both.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from penstock.dialects.synthetic.tokens import FILE_TOKENS, IMAGE_TOKENS
from penstock.limits import Limits
from penstock.settings import Settings

LIMITS = Limits()


class Behaviour(NamedTuple):
    """One row: the ids are for `@shows` alone, both texts are Markdown without a `|`."""

    id: str
    what: str
    does: str


def table(behaviours: Iterable[Behaviour]) -> str:
    """The rows as the page has them."""
    rows = [f"| {row.what} | {row.does} |" for row in behaviours]
    return "\n".join(["| what | behaviour |", "| --- | --- |", *rows, ""])


BEHAVIOURS = (
    Behaviour(
        "one-path",
        "`stream: false`",
        "the upstream is asked without a stream too; the JSON body is byte for byte the Response that the events of "
        "a stream would have made",
    ),
    Behaviour(
        "early-errors",
        "an upstream error before the first byte",
        "an HTTP status (400, 404, 429 with `retry-after`, 502, 503, 504); afterwards `response.failed`",
    ),
    Behaviour(
        "slow-heads",
        f"an upstream that takes over {LIMITS.head_wait_s:g} s to answer at all",
        "the stream begins without it, with heartbeats; its error is then `response.failed`",
    ),
    Behaviour(
        "retries",
        "5xx and broken connections",
        "before the first byte only: the next upstream of the model at once, then the same ones again, "
        f"{LIMITS.retries_max} times, with jittered backoff",
    ),
    Behaviour(
        "upstream-full",
        "an upstream to which all connections are in use",
        f"503 with `retry-after` after {LIMITS.upstream_connection_wait_s:g} s, as a status also for a stream; the log "
        "has it once, and once that there are free ones again",
    ),
    Behaviour(
        "breakers",
        f"an upstream that fails {LIMITS.breaker_failures} requests in a row",
        f"left alone for {LIMITS.breaker_rest_s:g} s; 503 with `retry-after` where there is no other. A request "
        "counts once, however often it is tried, and the same one again does not count where it may be to blame "
        "(5xx, a cut, no answer in time); failures of one API key's requests alone shut out no other key's",
    ),
    Behaviour(
        "relays",
        "`/chat/completions`, `/completions`, `/embeddings`, `/rerank`, `/tokenize`, `/detokenize`",
        "relayed to the upstream of the body's `model`, an alias replaced in place; of headers, `accept`, "
        "`content-type` and "
        "the key go there, `content-type`, `retry-after`, `x-ratelimit-*` and `openai-*` come back; what an "
        "upstream answers about "
        "the server's own key does not. The built-in model answers all but `/rerank` itself",
    ),
    Behaviour(
        "cut-relays",
        "a relayed reply that is cut",
        "cut here too",
    ),
    Behaviour(
        "cut-upstreams",
        "an upstream that ends without `finish_reason` and without `[DONE]`",
        "`response.failed`: it was cut. One of the two is enough to end well",
    ),
    Behaviour(
        "empty-answers",
        "an upstream that sends nothing",
        "without any message (no bytes, `[DONE]` alone, no choices): 502, or `response.failed`; a message without "
        "text that ends with `stop`: `completed` with an empty `output`",
    ),
    Behaviour(
        "finish-reasons",
        "finish reasons by other names",
        "those of well-known providers count as what they mean: `incomplete` for a limit or a filter, `failed` for "
        "an error; `options.finish_reasons` adds to them; an unknown one is `completed`, and logged once",
    ),
    Behaviour(
        "inline-thoughts",
        "`<think>` and `</think>` in the text of a chat upstream that has no reasoning parser",
        "with `options.inline_think` a reasoning item, else text; where the model's template begins the thought, so "
        'that only `</think>` comes, `inline_think = "opened"` streams it as reasoning from the first token on',
    ),
    Behaviour(
        "answered-sources",
        "`citations` and `search_results` beside an answer of a chat upstream",
        "`url_citation` annotations without a place in the text, where the answer has no annotations of its own",
    ),
    Behaviour(
        "answered-media",
        "images and speech in the answer of a chat upstream",
        "an image is an `image_generation_call`, or a link in the text where only its address came; speech is its "
        "transcript as text, and in a stream `response.audio.*` events with the sound; where nothing of an answer "
        "can be shown, a text names its parts",
    ),
    Behaviour(
        "refused-fields-left-out",
        "a field that a chat upstream refuses, and that changes nothing of what is asked",
        "the turn is sent again without it, and later turns for the model too; the log has it once, "
        "and `x-penstock-ignored` names what a client sent of it. These are "
        "`prompt_cache_key`, `prompt_cache_retention`, `safety_identifier`, `user`, `stream_options`, "
        "`parallel_tool_calls: true` and the thoughts of earlier turns; a limit of output tokens is sent by its other "
        "name. Any other refused field is a 400",
    ),
    Behaviour(
        "too-long-amid",
        "an input that is too long, reported in any words, also amid a stream",
        "`context_length_exceeded`, in `response.failed` too, so that agents compact",
    ),
    Behaviour(
        "estimated-usage",
        "usage that the upstream does not report, or not in numbers",
        f"estimated (four bytes a token, an image {IMAGE_TOKENS}, a file or a sound {FILE_TOKENS:,}) from what "
        "the model reads and writes: texts, thoughts (`reasoning_tokens`), names and arguments of calls, outputs "
        'and tools, but no ids, logprobs, annotations or sealed texts. Marked `"estimated": true`',
    ),
    Behaviour(
        "input-tokens",
        "`POST /responses/input_tokens`",
        "counts what a request would send, chains, conversations, references and prompts included, without "
        "running it: by the upstream's `tokenizer`; without one, or where more than text is to be counted, by "
        "the same estimate, marked the same",
    ),
    Behaviour(
        "truncation-auto",
        '`truncation: "auto"`',
        "the oldest items go until the rest and `max_output_tokens` fit: an assistant's turn as a whole, with "
        "its thoughts, its calls and their outputs. Instructions, system and developer messages, compactions, "
        "the last user message and the last item stay. All stays in the store. Where the size is unknown "
        "of the context (`context_tokens`, or the upstream's list of models): named in `x-penstock-ignored`",
    ),
    Behaviour(
        "truncation-disabled",
        '`truncation: "disabled"`',
        "an input that the upstream finds too long is 400 `context_length_exceeded`",
    ),
    Behaviour(
        "tool-call-limit",
        "`max_tool_calls`",
        "bounds all calls of hosted tools of a response, as `limits.tool_calls_max` does. A call beyond it opens no"
        " item and is not run; the model reads that the limit is reached, and answers. The response is `completed`",
    ),
    Behaviour(
        "hosted-turns",
        "a model's turn with calls of hosted tools",
        "the calls run at once, or one after the other with `parallel_tool_calls: false`; then the model goes on. Calls"
        " of the client's functions in the same turn end the response after them. `usage` is the sum of all turns",
    ),
    Behaviour(
        "hosted-choice",
        "`tool_choice` that demands a hosted tool",
        "counts for the first turn; then the model may answer. `allowed_tools` filters the functions of all turns",
    ),
    Behaviour(
        "hosted-failures",
        "a hosted tool that fails, or takes longer than `limits.tool_call_s`",
        "its item fails, the model reads why, and the response goes on",
    ),
    Behaviour(
        "thoughts",
        "reasoning of the upstream",
        "a `reasoning` item with `reasoning_text`; also as its summary, live, when `reasoning.summary` is asked",
    ),
    Behaviour(
        "mixed-calls",
        "parallel calls whose pieces come mixed",
        "several items are open at once; a call whose arguments are whole ends when the next begins",
    ),
    Behaviour(
        "empty-arguments",
        "a call without arguments, or with `null`",
        "`{}`; an object in a JSON text or in a block of Markdown is that object, and an empty object before another "
        'one is left out. In later turns a model reads arguments that are no object as `{"invalid_json": …}`',
    ),
    Behaviour(
        "custom-input",
        "`custom` tools",
        "offered as a function of one string; the input streams out of its JSON while it is being written",
    ),
    Behaviour(
        "client-tools",
        "`local_shell`, `shell`, `apply_patch`, `computer`, `computer_use_preview`",
        "offered as functions; the client gets the tool's own items and events once a call's arguments are "
        "whole, and nothing of a call that was cut",
    ),
    Behaviour(
        "wrong-actions",
        "arguments that such a tool does not take",
        "a `function_call` of its name, so that the client can report the mistake to the model",
    ),
    Behaviour(
        "container-shell",
        "`shell` in a container",
        "a hosted tool without a driver",
    ),
    Behaviour(
        "namespaced-tools",
        "`namespace` tools",
        "offered as functions named `ns__name` (longer ones cut to 64 characters, with a digest) and returned "
        "with `name` "
        "and `namespace`; a call by the name alone is understood where one tool has it. The namespace's description "
        "is sent with its first tool",
    ),
    Behaviour(
        "additional-tools",
        "`additional_tools` items",
        "their tools are offered from then on, in the later turns of a chain or conversation too; the last "
        "declaration of a "
        "tool counts",
    ),
    Behaviour(
        "client-search",
        "`tool_search` by the client",
        "offered as a function; tools with `defer_loading` are offered once a `tool_search_output` of the context "
        "lists them",
    ),
    Behaviour(
        "server-search",
        "`tool_search` by the server, or none",
        "nothing is deferred: there is no index to search here, and the model is offered every tool from the start",
    ),
    Behaviour(
        "allowed-tools",
        "`allowed_tools`",
        'only those are offered; `{"type": "namespace", "name": "crm"}` allows all tools of it',
    ),
    Behaviour(
        "output-images",
        "images in a tool's output",
        "shown in a user message right after it, as chat models take text only from tools",
    ),
    Behaviour(
        "foreign-calls",
        "calls of hosted tools that another server made (`web_search_call`, `mcp_call`, …), in the history",
        "each is sent to a chat model as a call and its output, so that a conversation can be moved to any model",
    ),
    Behaviour(
        "items-not-sent",
        "`mcp_list_tools`, `configuration_update`",
        "nothing is sent to a chat model; those that ask for something are named in `x-penstock-ignored`",
    ),
    Behaviour(
        "mcp-declined",
        "MCP calls that were declined, or whose approval request got no answer",
        "a chat model reads `The call was declined: <reason>`, or that the call was not approved, as the call's output",
    ),
    Behaviour(
        "mcp-empty-filter",
        "`require_approval` with `never: {}`",
        "matches no tool: every call needs an approval; `always: {}` matches all, and `allowed_tools: {}` allows all",
    ),
    Behaviour(
        "mcp-labels",
        "`type: mcp` without `server_url`, `connector_id` or `tunnel_id`",
        "a server of the operator, if `mcp.servers` has one of that label, else 400",
    ),
    Behaviour(
        "openai-services",
        "`moderation`, `access_programs`, `image`",
        "services of OpenAI's own: named in `x-penstock-ignored`",
    ),
    Behaviour(
        "no-downloads",
        "`input_file` by `file_url`, images by `file_id`",
        "400: nothing is downloaded. An upstream with `fetch_urls` gets images and files by URL as data",
    ),
    Behaviour(
        "sealed-thoughts",
        '`include: ["reasoning.encrypted_content"]`',
        "each reasoning item carries its text sealed when it ends, and `content` in the open as ever; sent "
        "back without `content`, it is opened for the model. What does not open (another provider's, another "
        "owner's, damaged) is skipped; the calls beside it stay",
    ),
    Behaviour(
        "sealed-extras",
        "what an upstream wants back: `thought_signature`, `reasoning_details`, unknown keys of calls and messages",
        "stored beside the items, shown to no client, and returned to that upstream alone, with the same call or "
        "message. Where encrypted reasoning is included, and in a turn with calls that is not stored, a last "
        "`reasoning` item has it sealed, and nothing else; it is to be sent back like any other",
    ),
    Behaviour(
        "paired-outputs",
        "a `call_id` that comes again",
        "an output belongs to the nearest earlier call of its id that has none yet. Calls of one turn have distinct "
        "ids for the client, and their own ids for the upstream",
    ),
    Behaviour(
        "compaction",
        "compaction",
        "the model is asked for a summary of its context, without tools; a later turn shows it that in a user "
        "message, which every chat template takes. A model that writes none: 502",
    ),
    Behaviour(
        "compacting",
        "`POST /responses/compact`, `compaction_trigger`",
        "all user messages as they were and one `compaction` item; that item alone, and no answer. `tools`, "
        "`text` and `parallel_tool_calls` have no meaning for it. When it comes back, the messages of users "
        "and developers before it stay, and the rest before it falls",
    ),
    Behaviour(
        "context-management",
        "`context_management`",
        "compacts before the turn when the context (by the estimate of `input_tokens`) is over "
        "`compact_threshold`. The item is the first of the output and stands for all before it, whether or "
        "not that is sent again; instructions in the input stay, and so do messages that were not answered "
        "yet. The usage is that of both calls. What is compacted is not truncated",
    ),
    Behaviour(
        "unopened-compaction",
        "a `compaction` that does not open",
        "400 `invalid_encrypted_content`",
    ),
    Behaviour(
        "relayed-seals",
        'sealing and compaction by an upstream with `dialect = "responses"`',
        "its own: what it sealed goes back to it as it is, and what was sealed here for another model goes "
        "there opened. It is asked for its sealed thoughts in any case, and has them again in later turns; a client "
        "that does not include them does not see them",
    ),
    Behaviour(
        "no-cryptography",
        "sealing without the `cryptography` package",
        "compaction is a 400; `include` and `context_management` are named in `x-penstock-ignored`",
    ),
    Behaviour(
        "absent-tools",
        "hosted tools (`web_search`, …) without a driver",
        'not offered, and named in `x-penstock-ignored`; 400 with `absent_tools = "reject"`, when '
        "`tool_choice` demands them, and always for `mcp`. The error, and once the log, name the setting that turns "
        "the tool on",
    ),
    Behaviour(
        "web-search-pages",
        "`open_page` and `find_in_page` of `web_search`",
        "URLs that stand in the conversation, in results or in pages that were read, within the tool's filters; a "
        "redirect out of them fails. A URL that the model has made up is no item: the model reads why",
    ),
    Behaviour(
        "web-search-offline",
        "`web_search` with `external_web_access: false`",
        "pages are not offered, and a search has the results of the same query of the same caller, if it was made "
        "in the last hour; else its item fails",
    ),
    Behaviour(
        "web-search-location",
        "`web_search` without `user_location`",
        "no location is assumed. With one, the model reads it, and engines that know countries get the country",
    ),
    Behaviour(
        "web-search-results",
        "`include: web_search_call.results`",
        "`results` of the item: `type: text_result`, `url`, `title`, `snippet` and perhaps `date` of each page",
    ),
    Behaviour(
        "unknown-parameters",
        "unknown parameters",
        'ignored and named in `x-penstock-ignored`; `unknown_parameters = "reject"` or `"forward"`, which never takes '
        "the place of a field that is written here",
    ),
    Behaviour(
        "later-types",
        "items, parts, tools, events and fields of types that came later",
        "stored, listed, echoed and passed on as they were sent; a chat model does not get such an item, part "
        "or tool, and `x-penstock-ignored` names it (`input[3].new_type`, `context.new_type` for what was "
        'sent before); 400 with `unknown_parameters = "reject"`, for tools with `absent_tools`',
    ),
    Behaviour(
        "unknown-parts",
        "content of this turn that a chat model cannot get: unknown parts of messages and outputs, unknown items "
        "with `role`, `content`, `output` or `text`",
        "400 that names the path and the known types; a relaying upstream gets all",
    ),
    Behaviour(
        "chat-fields-of-messages",
        "calls and thoughts in fields of a message, as Chat Completions has them, sent to a chat model",
        "`tool_calls` and `function_call` are 400, which names the item that has a call here; `reasoning_content` and "
        "the like are named in `x-penstock-ignored`",
    ),
    Behaviour(
        "chat-parts-read",
        "content parts of Chat Completions (`text`, `image_url`, `file`)",
        "read and stored as `input_text`, `output_text`, `input_image` and `input_file`; `x-penstock-mapped` names "
        "each (`input[0].content[0].text=input_text`)",
    ),
    Behaviour(
        "store-down",
        "a store that cannot be used",
        "503 with `retry-after` for what needs it, and so does `/readyz`; `/healthz`, `/models`, relays and requests "
        "with `store: false` work. The log has it once, and once that it is over",
    ),
    Behaviour(
        "store-replaced",
        "a SQLite file that is deleted or replaced under the server",
        "nothing is written, neither to a new file nor to the other one, until the same file is back or the server "
        "starts again",
    ),
    Behaviour(
        "background-options",
        "`background_options`",
        "honoured as `soonest`, whatever the window; echoed so",
    ),
    Behaviour(
        "masked-echoes",
        "an upstream that repeats a key in its report of an error",
        "asterisks instead, wherever that is reported: replies, headers, streams, rows, the log. It holds for the key "
        "and the headers of the upstream, the client's own key that was passed on, and secrets of tools; in relayed "
        "replies that are good for the upstream's own alone. Texts of a model are not changed",
    ),
    Behaviour(
        "sealed-requests",
        "`background` with secrets in the request: those of tools, and unknown fields such as `api_key` or `password`",
        "stored sealed until it runs, for its owner and its response; a replica that has not the key fails it, and "
        "reports so in the log. Without the `cryptography` package a 400 that names the field",
    ),
    Behaviour(
        "redacted",
        "`authorization` and `headers` of a tool",
        "echoed as `<redacted>`, and so are the `domain_secrets` of a container's network policy",
    ),
    Behaviour(
        "half-characters",
        "half a character from the upstream (a lone surrogate, cut UTF-8)",
        "U+FFFD; the stream goes on",
    ),
    Behaviour(
        "unstored",
        "`store: false`",
        "not stored, not retrievable, not usable as `previous_response_id`; a `conversation` is read and not written",
    ),
    Behaviour(
        "left-streams",
        "a client that leaves a stream",
        "its run is cancelled, and nothing of it is stored; in the background it goes on",
    ),
    Behaviour(
        "unended-previous",
        "`previous_response_id` of a response that has not ended",
        "400 `previous_response_not_found`",
    ),
    Behaviour(
        "input-items",
        "input items",
        "stored under ids of their own; `input_items` lists all that a response was made from, earlier turns included",
    ),
    Behaviour(
        "list-includes",
        "`include[]` on lists of items",
        "logprobs, search results and sources, and the outputs of code are listed when they are included. "
        "Image URLs and `encrypted_content` always are: a client shows items, and sends them back. Chains "
        "always have the whole items",
    ),
    Behaviour(
        "bounds-of-json",
        "a request that costs more than its size shows",
        f"400 before anything is made of it: over {LIMITS.json_values_max:,} values (`json_values_max`), "
        f"{LIMITS.json_keys_max:,} keys of one object (`json_keys_max`), {LIMITS.input_items_max:,} items "
        f"(`input_items_max`), {LIMITS.tools_max} tools (`tools_max`), or a schema or unknown parameter of over "
        f"{LIMITS.json_depth_max} levels (`json_depth_max`)",
    ),
    Behaviour(
        "bytes-of-a-context",
        "a context of many bytes",
        "400 `context_too_long` before it is loaded: a request, its chain or conversation and what it refers to may be "
        f"{LIMITS.context_bytes_max // 2**20} MiB of JSON (`context_bytes_max`) and {LIMITS.context_items_max} items "
        "(`context_items_max`)",
    ),
    Behaviour(
        "byte-order-marks",
        "a byte order mark before a body or message",
        "skipped",
    ),
    Behaviour(
        "get-includes",
        "`include[]` on `GET /responses/{id}`",
        "checked; the response is returned as its own request asked for it",
    ),
    Behaviour(
        "standing-references",
        "an item that is referred to, and stands in the context already",
        "stands there once",
    ),
    Behaviour(
        "replay",
        "`GET /responses/{id}?stream=true`",
        "of background responses; of others 400",
    ),
    Behaviour(
        "cancelled",
        "`cancelled`",
        'ends a stream as `response.failed` whose Response has `"status": "cancelled"`: OpenAI has no event '
        "of its own for it",
    ),
    Behaviour(
        "dead-runs",
        "a background run whose process died",
        f"starts again if no event of it was stored, else ends `failed`, within about `limits.lease_s` "
        f"({LIMITS.lease_s:g} s)",
    ),
    Behaviour(
        "signals",
        "SIGTERM, Ctrl-C, SIGHUP (but under `nohup`)",
        f"no further connections; requests may go on for `drain_s` ({Settings().drain_s:g} s), and what is left "
        "then ends `response.incomplete` with the reason null, or with 503 `server_stopping` where there is no reply "
        "yet; background work is left to other replicas. A second Ctrl-C logs what it breaks off, and ends at once",
    ),
    Behaviour(
        "error-events",
        "a stream of `GET /responses/{id}` whose response is deleted, or whose server stops",
        "ends with an `error` event, code `response_deleted` or `server_stopping`. It has the number of the event "
        "before it, so that nothing is missed by going on after it",
    ),
    Behaviour(
        "echo",
        "`metadata`, `user`, `temperature`, …",
        "echoed with their effective value; OpenAI's default where the request has none",
    ),
    Behaviour(
        "usage-event",
        "`stream_options.include_usage`",
        "one `response.usage` event before the end",
    ),
    Behaviour(
        "ws-streams",
        "WebSocket: `stream_id`",
        f"in order within one, side by side across them: {LIMITS.socket_runs_max} responses at a time; "
        f"{LIMITS.socket_queue_max} requests may wait, one more is an error of status 429; "
        f"{LIMITS.socket_streams_max} names, one more is `websocket_stream_limit_reached`",
    ),
    Behaviour(
        "ws-warm-up",
        "WebSocket: `generate: false`",
        "decoded, planned and stored like any other; the model is not asked, and `output` is empty",
    ),
    Behaviour(
        "ws-fields",
        "WebSocket: `stream`, `background: true`",
        "streams always, `stream: false` is reported as ignored; 400",
    ),
    Behaviour(
        "ws-errors",
        "WebSocket: errors",
        '`{"type": "error", "status", "error"}` with a `code`, `stream_id` where it is known, and the headers '
        "of the HTTP reply in `error.headers`; the connection goes on",
    ),
    Behaviour(
        "ws-ignored",
        "WebSocket: what is ignored",
        '`"headers": {"x-penstock-ignored": …}` on `response.created`',
    ),
    Behaviour(
        "ws-stored-chain",
        "WebSocket: a stored response after one that is not",
        "keeps the whole context as its own input, and needs no earlier response",
    ),
    Behaviour(
        "ws-steering",
        "WebSocket: `response.steer`",
        "`response.steer.failed`, code `steering_not_supported`, with the input",
    ),
    Behaviour(
        "obfuscation",
        "`stream_options.include_obfuscation`",
        "off unless asked; each delta is padded to a multiple of 16 bytes",
    ),
    Behaviour(
        "openapi",
        "`GET /openapi.json`",
        "OpenAPI 3.1, made from the structs that the server itself reads and writes; no key is wanted. An event "
        "of a stream "
        "is described as a reader of server-sent events gets it: `event`, and `data` with JSON in it",
    ),
    Behaviour(
        "http-bounds",
        "what clients of `penstock serve` may send, and when",
        f"a head of {LIMITS.request_head_bytes_max >> 10} KiB with {LIMITS.request_headers_max} headers (431) and a "
        f"target of {LIMITS.request_target_bytes_max >> 10} KiB (414), within {LIMITS.request_head_s:g} s; a body "
        f"without a pause of {LIMITS.request_body_wait_s:g} s (408). Then the connection closes. One request of it is "
        "read at a time; the others wait in the socket",
    ),
    Behaviour(
        "root",
        "`GET /`, `GET /health`",
        "what this server is, its version, where the API and its document are, in plain text; the same as `/healthz`. "
        "Neither wants a key",
    ),
    Behaviour(
        "options",
        "`OPTIONS`",
        "204 with `allow`, on every path that there is; no key is wanted, since a browser has none to show yet",
    ),
    Behaviour(
        "cors",
        "pages of other origins",
        "may read replies where `allowed_origins` names them (`https://chat.example.com`, or `*` for all pages); any "
        "other preflight is 403. While there are no API keys they may not even ask",
    ),
    Behaviour(
        "model-default",
        "a request without `model`",
        "the setting `model`, else the only model of the only upstream, as that lists it at the time; else 400. "
        "Null and an empty name are always 400",
    ),
    Behaviour(
        "ready-upstreams",
        "`GET /readyz`",
        "503 while the server stops, and while no upstream answers, which it names: no new response could be made "
        "then; `ready_needs_upstream = false` leaves the upstreams out",
    ),
)
