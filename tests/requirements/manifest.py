"""The manifest: every pain that was reported against another server, and every quirk that upstreams have, as data.

Each has an id, what this server does instead in our own words, and where the pain was reported: a project and the
numbers of its threads. Where OpenAI's document asks for it, its schema and field are named too. `test_manifest.py`
holds it against the tests, and `test_spec_comments.py` against the code.
"""

from __future__ import annotations

from typing import NamedTuple


class Requirement(NamedTuple):
    id: str
    ours: str
    source: str
    schema: str = ""
    """A schema of OpenAI's OpenAPI document, and a field of it."""


_SEEN = "seen with real clients, November 2026"
_SUITE = "the Open Responses compliance suite"
_UPSTREAMS = "seen with upstreams of Chat Completions"
_LOAD = "load tests with this server as their target"
_ATTACKS = "attacks and trials of our own, November 2026"
_GATEWAYS = "gateways that run hosted tools, tried in November 2026"
_SERVERLESS = "trials of functions and edge workers, November 2026"

REQUIREMENTS = (
    Requirement(
        "stale-connections",
        "An idle connection that the upstream was closing costs no request, and nothing else is sent twice.",
        "RFC 9112, section 9.3.1",
    ),
    Requirement(
        "upstream-saturation",
        "With every connection to an upstream in use, waiting too long is a 503, and one line of the log.",
        _ATTACKS,
    ),
    Requirement(
        "open-files",
        "The limit of open files is raised as far as the settings need, or a warning names what is missing.",
        _ATTACKS,
    ),
    Requirement(
        "egress",
        "What a client or a model names is connected to only at addresses that are public or allowed by the operator.",
        "modelcontextprotocol/servers 4838, 4492, 4143",
    ),
    Requirement(
        "citations",
        "A citation covers exactly the text of its marker, in streams too, and text from outside forges none.",
        "litellm 19126, 11491; openai-agents-python 1346; ogx 3698",
    ),
    Requirement(
        "inlined-urls",
        "An upstream that takes data only gets images and files by URL as data, fetched within the rules of egress.",
        "modelcontextprotocol/servers 4838; how users of local models send pictures",
    ),
    Requirement(
        "doctor",
        "One command tries everything that the settings name, and each problem is a line with its reason.",
        "how operators find what does not work",
    ),
    Requirement(
        "web-search",
        "Any chat model searches the web and opens pages: only those that it has seen, and within the tool's filters.",
        "how users of hosted tools leave one provider",
    ),
    Requirement(
        "tool-replies-fenced",
        "Text from outside reaches a model between marks that its author cannot know, and named as data.",
        "modelcontextprotocol/servers 4143",
    ),
    Requirement("no-smuggling", "No header or path of a request to an upstream is taken for two.", _ATTACKS),
    Requirement(
        "upstream-framing",
        "An upstream's reply is the same however its bytes are split, and one whose end is in doubt is refused.",
        "RFC 9112, section 6.3",
    ),
    Requirement(
        "load-tools",
        "guidellm and aiperf get exactly the tokens that they ask for, and find what they look for first.",
        "seen with guidellm 0.8.1 and aiperf 0.13.0, November 2026",
    ),
    Requirement(
        "locust-as-it-comes",
        "The locust file of bench works with a server as it comes.",
        _ATTACKS,
    ),
    Requirement(
        "bench-compare",
        "One command measures servers of others beside this one, through one upstream. Absent figures have a reason.",
        "how readers of benchmarks choose a server",
    ),
    Requirement(
        "bench-history",
        "Results of the bench are stored as data; tables, charts and the history of each figure are made of it.",
        "how readers of benchmarks compare days",
    ),
    Requirement(
        "locust-distributed",
        "Figures of streams are rows of locust's statistics, also where a master adds up those of its workers.",
        "how users of locust load a server",
    ),
    Requirement(
        "locust-users",
        "Other people's locustfiles build on `ResponsesUser` of the installed package.",
        "how users of locust load a server",
    ),
    Requirement(
        "tokenizer-routes",
        "A tokenizer's route that the upstream lacks is no error: the estimate takes its place.",
        "seen with llama-cpp-python 0.3.36",
    ),
    Requirement(
        "explained-500",
        "Where a server answers 500 to what it cannot serve, the client gets its words.",
        "seen with llama-cpp-python 0.3.36",
    ),
    Requirement(
        "learned-contexts",
        "A size that is in no list is learned from a refusal: truncation cuts the turn and asks again.",
        "seen with llama-cpp-python 0.3.36",
    ),
    Requirement(
        "failing-stores",
        "A failing store is reported by /readyz and in the log; what needs no store works, and nothing stored is lost.",
        _ATTACKS,
    ),
    Requirement("one-line-an-outage", "An outage is a line when it begins and one when it is over.", _ATTACKS),
    Requirement("one-clock", "Leases go by the engine's clock, however wrong a replica's own is.", _ATTACKS),
    Requirement(
        "mistaken-settings",
        "A mistake in a flag, a variable or the file is one line with what was meant, and its line in the file.",
        _ATTACKS,
    ),
    Requirement(
        "any-host",
        "The app of variables and file runs under any ASGI server, as `penstock serve` makes it.",
        _ATTACKS,
    ),
    Requirement(
        "init-merges",
        "Setting up a client keeps all that its files hold, with a backup; what cannot be merged is left alone.",
        "agentic-api 163; sub2api 3629; codex-lb 1715",
    ),
    Requirement(
        "unknown-content",
        "Content that a chat model cannot get is refused by its path: the model never answers without it.",
        _ATTACKS,
    ),
    Requirement(
        "chat-parts",
        "Content parts in the style of Chat Completions are taken for what they mean, and the reply names them.",
        _ATTACKS,
    ),
    Requirement(
        "openai-errors",
        "Errors have OpenAI's own status, `param` and `code`.",
        "OpenAI's answers as others recorded them; " + _ATTACKS,
        schema="Error.param",
    ),
    Requirement(
        "pairs",
        "Every item and every part that opens is closed, once, before what holds it.",
        "litellm 24445, 37852, 27442; ogx 5309",
        schema="ResponseOutputItemDoneEvent.item",
    ),
    Requirement(
        "identity",
        "Ids and indexes are given once and are the same in every event and in the Response.",
        "litellm 36375; bifrost 6419, 6455",
        schema="ResponseTextDeltaEvent.item_id",
    ),
    Requirement(
        "one-end",
        "Exactly one terminal event ends a stream, whatever the upstream does.",
        "codex 41340; ollama 17118",
        schema="ResponseCompletedEvent.response",
    ),
    Requirement(
        "numbers",
        "Every event has a sequence number, from 0 and without a gap; zeros and empty values are written.",
        "sub2api 7128; exo 1356",
        schema="ResponseTextDeltaEvent.sequence_number",
    ),
    Requirement(
        "arguments",
        "Arguments of parallel calls arrive once and whole, however the upstream cuts them; no delta is empty.",
        "litellm 39288; bifrost 7235, 5149; opencodex 363",
        schema="ResponseFunctionCallArgumentsDeltaEvent.delta",
    ),
    Requirement(
        "incomplete",
        "A stop by length or filter is incomplete, with the standard reason.",
        "litellm 27186",
        schema="Response.incomplete_details",
    ),
    Requirement("every-key", "A Response has every key, null or default.", "llmgateway 2287", schema="Response.error"),
    Requirement(
        "stored-before-sent",
        "A response can be chained on as soon as its end is seen, on every replica.",
        "litellm 11204, 12364, 26167",
    ),
    Requirement(
        "chains",
        "Each item of a chain stands in the context once; instructions are never inherited.",
        "vLLM 43244; ogx 3269; LM Studio 2074",
        schema="CreateResponse.previous_response_id",
    ),
    Requirement(
        "store-false",
        "What is not to be stored leaves no trace and cannot be chained on.",
        "bifrost 2441; openresponses-gw; SMG 916",
        schema="CreateResponse.store",
    ),
    Requirement("bounded-stores", "Stores forget: by time, by DELETE, and memory by its bound.", "vLLM 22137, 37938"),
    Requirement(
        "resume",
        "A dropped stream goes on from any replica, and follows to any end.",
        "strands 2771; hermes 15492; litellm 26671",
    ),
    Requirement(
        "cursors",
        "A client may fetch a stream again from its beginning, or from its cursor.",
        "openai-node 1983; openai-ruby 548",
    ),
    Requirement(
        "interrupted-twice",
        "A second Ctrl-C reports how many requests and streams it cuts, and ends the server at once.",
        _ATTACKS,
    ),
    Requirement(
        "stopped-is-stopped",
        "A signal that comes when the server has stopped changes nothing: the exit code is 0.",
        _ATTACKS,
    ),
    Requirement(
        "starts-again",
        "A service that was closed begins again with the next request, in the same event loop or another.",
        "mangum 341; attacks of our own, November 2026",
    ),
    Requirement(
        "cancels-together",
        "Of cancels that come together each is answered with the end, and with 404 where the response is deleted.",
        _ATTACKS,
    ),
    Requirement(
        "deleted-queued",
        "A queued response that is deleted frees its conversation at once.",
        _ATTACKS,
    ),
    Requirement(
        "deleted-conversations",
        "A conversation that is deleted under a run fails it as the client's doing, and is no server error.",
        _ATTACKS,
    ),
    Requirement(
        "drained-in-order",
        "A server that stops answers every request: with its end, as incomplete, or with 503.",
        _ATTACKS,
    ),
    Requirement(
        "request-deadline",
        "A request that its host ends at a time has its end before: a stream as incomplete, all others as 504.",
        _SERVERLESS,
    ),
    Requirement(
        "pure-build",
        "Making the service opens nothing, asks no clock and draws no chance: copies of a snapshot share no key.",
        _SERVERLESS,
    ),
    Requirement(
        "no-background",
        "A server that runs no background responses refuses `background`, takes over no response and sweeps no store.",
        _SERVERLESS,
    ),
    Requirement(
        "asked-again",
        "Where no process outlives a request, a background response is asked for until it has ended: an event or a "
        "message whose response another process has is a failure, which its sender repeats; what has ended runs once.",
        _SERVERLESS,
    ),
    Requirement(
        "unix-sockets",
        "A server listens on a Unix socket that only those whom it lets may use; a crash leaves nothing in its way.",
        _SERVERLESS,
    ),
    Requirement(
        "inherited-sockets",
        "A server takes the socket that systemd has opened for it, under the same rules of access.",
        _SERVERLESS,
    ),
    Requirement(
        "systemd-notify",
        "systemd gets a message when the server takes connections, and when it stops.",
        _SERVERLESS,
    ),
    Requirement(
        "root-path",
        "Behind a reverse proxy the server has a root path, whether the proxy removes it from requests or not.",
        _SERVERLESS,
    ),
    Requirement(
        "tls-files",
        "A server with a certificate serves HTTPS; an error at the start names the file that cannot be used, and why.",
        _SERVERLESS,
    ),
    Requirement(
        "tls-handshakes",
        "A client that does not end its TLS handshake, or uses no TLS, delays no other client and no stop.",
        _SERVERLESS,
    ),
    Requirement(
        "certificate-reload",
        "A renewed certificate is used without a restart, on SIGHUP or soon by itself; a wrong one changes nothing.",
        _SERVERLESS,
    ),
    Requirement(
        "environment-proxies",
        "Upstreams are reached through the HTTP proxy of the environment, but for this machine and hosts of NO_PROXY.",
        _SERVERLESS,
    ),
    Requirement(
        "port-variable",
        "A server listens on the port of the variable PORT, as hosts of containers expect.",
        _SERVERLESS,
    ),
    Requirement(
        "exposed-functions",
        "A function has keys, or a setting opens it; else it does not start, or answers 401. `/admin` needs a key.",
        _SERVERLESS,
    ),
    Requirement(
        "function-init",
        "A function that cannot start reports the reason to its host, and ends with another status than 0.",
        _SERVERLESS,
    ),
    Requirement(
        "function-events",
        "An event that is no HTTP request is reported as an error that names its sender, and the next one is answered.",
        _SERVERLESS,
    ),
    Requirement(
        "function-streams",
        "A function's reply leaves piece by piece as it is made; a relay that is cut ends with an error.",
        _SERVERLESS,
    ),
    Requirement(
        "function-results",
        "A reply that is longer than the host takes becomes an error that names the limit.",
        _SERVERLESS,
    ),
    Requirement(
        "stored-streams",
        "A stream whose store fails meanwhile ends by an error that is an event, and [DONE].",
        _ATTACKS,
    ),
    Requirement(
        "deleted-streams",
        "A stream whose response is deleted meanwhile ends by an error that states it, and [DONE].",
        _ATTACKS,
    ),
    Requirement("cancel", "Cancel against completion is decided once.", "litellm polling; SMG 1340"),
    Requirement(
        "sealed",
        "Thoughts are sealed by ourselves; a foreign blob is skipped, and the calls beside it stay paired.",
        "sub2api 3138; vLLM 57323",
        schema="ReasoningItem.encrypted_content",
    ),
    Requirement(
        "compact",
        "Any chat model compacts its context.",
        "copilot-api 359; new-api 5965",
        schema="CompactResponseMethodPublicBody.input",
    ),
    Requirement(
        "format",
        "text.format reaches the upstream, or the refusal is reported.",
        "CLIProxyAPI 4802; hermes 33885; litellm 40965",
        schema="CreateResponse.text",
    ),
    Requirement(
        "custom-tools",
        "A custom tool comes back as a custom tool call, and may be chosen by name.",
        "litellm 31571; CLIProxyAPI 4414",
        schema="CustomToolCall.input",
    ),
    Requirement(
        "namespaces",
        "Tools in namespaces, deferred tools and additional tools work with any chat model.",
        "ollama 17618; codex 36942; llama.cpp 23041",
        schema="NamespaceToolParam.tools",
    ),
    Requirement(
        "output-parts",
        "The output of a call may be parts, images too.",
        "llama.cpp 23465",
        schema="FunctionCallOutputItemParam.output",
    ),
    Requirement(
        "system-order",
        "System and developer messages are put as the backend's template wants them.",
        "dynamo 10206; vLLM 43590",
    ),
    Requirement("websocket", "A WebSocket probe is served, or answered with 426.", "codex 43353; NeMo-Relay 994"),
    Requirement(
        "encodings",
        "Bodies may be zstd, gzip, deflate or br; a bomb is refused.",
        "codex-proxy-rs 66; cc-switch 3817",
    ),
    Requirement("models", "GET /models is tolerant of what agents add to it.", "llama.cpp 20156"),
    Requirement(
        "whole-replies",
        "A JSON reply is byte for byte the Response that the events of the same answer make.",
        _UPSTREAMS,
    ),
    Requirement(
        "hosted-calls",
        "Every call of a hosted tool has one outcome: a tool that fails or hangs ends its item alone.",
        "ogx 3107, 3443",
    ),
    Requirement(
        "fair-tools",
        "Slow tools and servers of one API key do not hold up the hosted calls of another.",
        _ATTACKS,
    ),
    Requirement(
        "max-tool-calls",
        "max_tool_calls bounds all hosted calls of a response; a call beyond it is not run, and the model answers.",
        _GATEWAYS,
    ),
    Requirement(
        "hosted-replies",
        "What a model read of a hosted call is there in the next turn of a chain, and no client gets it.",
        _GATEWAYS,
    ),
    Requirement(
        "memory",
        "What a request costs in memory is bounded and given back.",
        "litellm 12685, 15128, 27954",
    ),
    Requirement(
        "guarded-work",
        "What a request costs in calls, allocations and callbacks is counted in CI and bounded: one call more is red.",
        "measurements of our own, November 2026",
    ),
    Requirement(
        "soaked",
        "Clients that leave at random leave nothing: memory, tasks, timers and file descriptors are as they were.",
        "measurements of our own, November 2026",
    ),
    Requirement(
        "freed-at-once",
        "Whichever way a request ends, what it held is free at once, without a garbage collection.",
        "attacks of our own, November 2026",
    ),
    Requirement(
        "estimate-of-text",
        "Estimated tokens are those of what a model reads and writes, and not of ids, logprobs or sealed texts.",
        "attacks of our own, November 2026",
    ),
    Requirement("leaving", "A client that leaves ends its upstream's call at once.", "litellm 36126, 37140"),
    Requirement("heartbeats", "A long silence is broken by comments, between events.", "bifrost 5010; codex-proxy 609"),
    Requirement(
        "late-errors",
        "An error after the first byte is response.failed; usage is asked of the upstream.",
        "GoModel 1048; litellm 39069",
        schema="ResponseFailedEvent.response",
    ),
    Requirement(
        "erased",
        "What was deleted, or has expired, is in no byte of the SQLite file or of its log.",
        _ATTACKS,
    ),
    Requirement(
        "turns-read-once",
        "A turn of a chain is read and decoded once by a process; the store is asked each time which turns there are.",
        "a turn cost 16 us for each turn before it",
    ),
    Requirement(
        "short-messages-are-cheap",
        "Messages without a `type`, as most clients send them, cost no more to decode than those that have one.",
        "200 of them took four times as long",
    ),
    Requirement(
        "websocket-requests-read-once",
        "A message over WebSocket is looked at without reading the request in it, which is then read as by HTTP.",
        "the message of an agent was walked for 307 us before its request was read",
    ),
    Requirement(
        "responses-encoded-once",
        "A stored Response is encoded once, and those bytes are the JSON reply.",
        "it was encoded up to three times",
    ),
    Requirement(
        "pages-cost-a-page",
        "A page of a response's input items reads the bodies of that page, however long the chain before it is.",
        "a page of 20 items took 4.4 MB of memory where the chain had 4 MB",
    ),
    Requirement(
        "few-bytes-written",
        "What a stored request writes to the disk follows its size, and not the size of what is stored already.",
        "a request of 1,000 items wrote 7 to 15 MB",
    ),
    Requirement(
        "ordered-ids",
        "New ids begin with their time, for the sake of indexes; the order of items and turns is never theirs.",
        "a request of 1,000 items wrote 7 to 15 MB",
    ),
    Requirement("ids-in-paths", "No id of a client's becomes another path of an upstream.", _ATTACKS),
    Requirement("random-after-fork", "Two processes never give the same id, a forked one neither.", _ATTACKS),
    Requirement("one-timer", "However many runs wait for the model, an event loop has one timer for them.", _ATTACKS),
    Requirement(
        "read-once",
        "Instructions and tools that a client sends again and again are read once, and all replies are as before.",
        "an agent sends 60 kB of both each turn, November 2026",
    ),
    Requirement("bounded-caches", "Nothing in the process grows with the names that clients make up.", _ATTACKS),
    Requirement(
        "stored-secrets",
        "The secrets of a request that runs in the background are in no row, log line or reply, in any process.",
        _ATTACKS,
    ),
    Requirement(
        "masked-keys",
        "A key that an upstream repeats in an error is in no reply, stream, row or log line.",
        _ATTACKS,
    ),
    Requirement(
        "blameless-upstreams",
        "A request that makes an upstream fail counts once, however often it is tried, and excludes no other client.",
        _ATTACKS,
    ),
    Requirement(
        "plain-faults",
        "What is wrong with an upstream's connection is reported in plain words, and its cause is in the log.",
        _ATTACKS,
    ),
    Requirement("owners", "No client reads another owner's rows, by any way.", "litellm 15757, 39548, 39534"),
    Requirement("lean-imports", "Importing is quick and does nothing.", "litellm 10018; mangum 341"),
    Requirement(
        "accepted-in-batches",
        "New connections are taken in batches, so that they do not wait long where many streams run.",
        "uvloop takes one connection in a turn of its loop, November 2026",
    ),
    Requirement(
        "no-room-for-connections",
        "Where the system has no file descriptor for one more connection, it waits until there is one.",
        _ATTACKS,
    ),
    Requirement(
        "lean-start",
        "The server starts without the packages that only some of its users need.",
        "litellm 10018",
    ),
    Requirement(
        "ws-eviction",
        "A WebSocket turn that fails evicts the response that it named from the connection's memory.",
        _SUITE,
    ),
    Requirement(
        "one-past",
        "A conversation and a previous response together are a 400 before either is looked up.",
        _ATTACKS,
        schema="CreateResponse.conversation",
    ),
    Requirement(
        "repeated-call-ids",
        "A call id may come again in a later turn: an output belongs to the nearest earlier call that has none yet.",
        "hermes-agent 102629; open-webui 28305; qwen-code 5099",
    ),
    Requirement(
        "call-ids-of-a-turn",
        "Calls of one turn have distinct ids for the client, also where the upstream gave none or one twice.",
        f"qwen-code 5099; {_ATTACKS}",
    ),
    Requirement(
        "returned-fields",
        "Unknown fields of an upstream's calls and messages go back to it, with the same call or turn.",
        "dayu-agent 45; dify 2088; jan 7009; Roo-Code 9506; pi 6409; vercel/ai 12687",
    ),
    Requirement(
        "ws-one-write",
        "The WebSocket messages of one read of the upstream are one write.",
        _ATTACKS,
    ),
    Requirement(
        "relayed-runs",
        "The pieces of one relayed text that one read brings are one run; what is unknown in one of them stays.",
        _ATTACKS,
    ),
    Requirement(
        "relayed-whole",
        "A client that reads no stream has the upstream send none: its Response is what the stream would have made.",
        _ATTACKS,
    ),
    Requirement(
        "sealed-behind",
        "A Responses upstream that stores nothing gets its sealed thoughts again; clients get none unasked.",
        _ATTACKS,
    ),
    Requirement(
        "reasoning-required",
        "A preset's upstream that wants the field of thoughts with every message gets it, empty where there are none.",
        "continue 11285; GitNexus 43; openai-agents-js 791",
    ),
    Requirement(
        "bounded-bodies",
        "What a request may hold is counted before anything is made of it: values, keys, levels, entries of lists.",
        _ATTACKS,
    ),
    Requirement(
        "bounded-contexts",
        "A context has a bound in bytes, wherever it comes from, and so has what all connections remember together.",
        _ATTACKS,
    ),
    Requirement(
        "answers-meanwhile",
        "While a large request is worked on, others are answered.",
        _ATTACKS,
    ),
    Requirement(
        "fair-background",
        "Long background responses of one API key do not hold up those of another.",
        _ATTACKS,
    ),
    Requirement(
        "linear-work",
        "What a request costs in CPU time and memory grows with its size and no faster, whatever it holds.",
        _ATTACKS,
    ),
    Requirement(
        "synthetic-work",
        "A schema that the built-in model would work on for long is a 400 by its name; none is a 500.",
        _ATTACKS,
    ),
    Requirement(
        "busy-agents",
        "Thousands of items, hundreds of tools and a byte order mark before the body are no reason to refuse.",
        _SEEN,
    ),
    # Quirks of upstreams.
    Requirement("quirk-no-choices", "A chunk may have no choices.", _UPSTREAMS),
    Requirement("quirk-usage", "Usage may come in its own chunk, in the last one, or never.", _UPSTREAMS),
    Requirement("quirk-calls", "A call's index or id may be missing, its arguments in one piece.", _UPSTREAMS),
    Requirement("quirk-parts", "content may be parts.", _UPSTREAMS),
    Requirement("quirk-finish", "finish_reason may be missing, or stand in a chunk of its own.", _UPSTREAMS),
    Requirement("quirk-no-done", "There may be no [DONE].", _UPSTREAMS),
    Requirement("quirk-framing", "CRLF, data: without a space, comments, events cut anywhere.", _UPSTREAMS),
    Requirement("quirk-thoughts", "Thoughts have three field names, or stand in <think> within the text.", _UPSTREAMS),
    Requirement("quirk-errors", "An error may be a 200 with an error object, or a page of HTML.", _UPSTREAMS),
    Requirement(
        "odd-calls",
        "Calls that share an index, change their ids or have numbers for names are distinguished, and never made one.",
        "vercel/ai 18440; ollama 15457; litellm 33678; LocalAI 9722",
    ),
    Requirement(
        "odd-arguments",
        "Arguments are one object for every client and model, where null, a text or an empty object stands for it.",
        f"vllm 21046; pi 5964; Rapid-MLX 1559; {_UPSTREAMS}",
    ),
    Requirement(
        "odd-names",
        "The name of a function has nothing around it of the template that the model was taught.",
        "vllm 32587; ollama 12132",
    ),
    Requirement(
        "odd-framing",
        "Lines of JSON, events without blank lines, and other words for an end or for nothing cost no answer.",
        _UPSTREAMS,
    ),
    Requirement(
        "calls-apart",
        "A message whose text and calls come as two choices is one.",
        "nanobot 1481; copilot-api 81",
    ),
    Requirement(
        "sources-beside",
        "Pages that an upstream lists beside its answer are annotations of it.",
        "openai-agents-python 1346; vercel/ai 9164; litellm 13225",
    ),
    Requirement(
        "odd-logprobs",
        "Logprobs are read as lists side by side, too, as the older completions have them.",
        _UPSTREAMS,
    ),
    Requirement(
        "refused-fields",
        "A field that a model refuses, and that changes nothing of what is asked, costs one attempt and no turn.",
        "req_llm 772; freellmapi 1070; jan 8136; eca 231; hermes-agent 11089",
    ),
    Requirement(
        "waits",
        "The wait that an upstream asks for is passed on, be it a number, a date, a duration or in words.",
        _UPSTREAMS,
    ),
    Requirement(
        "listed-choices",
        "A setting that has only a few values lists them when it has another, and names the one that was meant.",
        "how operators find what does not work",
    ),
    Requirement(
        "thoughts-without-beginning",
        "A thought that the model's template begins ends at `</think>`, streamed at once where the operator sets so.",
        "DeepSeek R1 and QwQ behind servers without a reasoning parser",
    ),
    Requirement(
        "no-redirects",
        "A redirect of an upstream is followed by no one, and no reply has its location or its key.",
        _ATTACKS,
    ),
    Requirement(
        "half-characters-refused",
        "A body with half of a character is refused in plain words, with the byte where it stands.",
        "programs that cut texts within a character",
    ),
    Requirement(
        "served-tiers",
        "The service tier that served a request is that of the Response.",
        "the `service_tier` of OpenAI's Chat Completions",
    ),
    Requirement(
        "objects-without-breaks",
        "Chunks that follow each other without a line break are read one by one.",
        _UPSTREAMS,
    ),
    Requirement(
        "spent-quota",
        "An upstream whose credit is spent is reported in OpenAI's words, and no client or server tries again.",
        _UPSTREAMS,
    ),
    Requirement(
        "rate-limits-by-any-status",
        "A limit of a rate is a 429 with its wait, whatever status the upstream has for it.",
        _UPSTREAMS,
    ),
    Requirement(
        "signed-parts",
        "Content parts with signatures go back to their upstream as they came, with the text of the same message.",
        "litellm 16272, 25322; bifrost 5274; Antigravity-Manager 139",
    ),
    Requirement(
        "chat-fields",
        "Calls and thoughts in the fields of a message are no silence: a 400 names the item, or a header the field.",
        "histories of Chat Completions, sent as input",
    ),
    Requirement(
        "odd-usage",
        "Usage in odd numbers or by other names costs no answer; cached tokens are counted by any name.",
        f"litellm 28070; {_UPSTREAMS}",
    ),
    Requirement(
        "odd-finishes",
        "A finish reason by any name means a whole answer, one that was cut, or a failure; an unknown one is logged.",
        "opencode 18813, 44641; textgen 7257",
    ),
    Requirement("thoughts-as-parts", "Thoughts that stand in content parts are thoughts.", "litellm 16272; pi 1750"),
    Requirement(
        "marked-thoughts",
        "A text with Gemini's mark of a thought beside it is a thought, and no answer.",
        "https://ai.google.dev/gemini-api/docs/openai",
    ),
    Requirement("media-in-answers", "Images and speech of an answer are sent, or named.", "pi 5930"),
    Requirement(
        "whole-message-last",
        "A whole message behind its pieces is sent once.",
        "hermes-browser-extension 11",
    ),
    Requirement(
        "nothing-is-failed",
        "A reply without any message is a failure, and no empty answer.",
        "hermes-agent 65631, 68451",
    ),
    Requirement(
        "error-shapes",
        "An error of an upstream is reported in its own words, in whatever shape and frame it comes.",
        "hermes-agent 58017, 68451; opencode 17762",
    ),
    Requirement(
        "too-long-by-any-words",
        "An input that is too long is context_length_exceeded, in whatever words an upstream states it.",
        "pi 2626, 4563, 6262; openclaw 58839; opencode 25230",
    ),
    # What clients and validators were seen to need.
    Requirement("framing", "event: equals type, no event spans two writes, [DONE] ends the stream.", _SUITE),
    Requirement("text-runs", "How much of a text one read brings changes no event and no byte of one.", _UPSTREAMS),
    Requirement(
        "codex",
        "Codex works: its tools, web_search, client_metadata, store: false with encrypted reasoning: none is a 400.",
        _SEEN,
    ),
    Requirement(
        "replayed-items",
        "Stored turns may be replayed by item_reference.",
        f"the AI SDK, {_SEEN}",
        schema="ItemReferenceParam.id",
    ),
    Requirement("aliases", "An alias may give a model any name.", f"LlamaIndex and the Agents SDK, {_SEEN}"),
    # What attacks of our own found.
    Requirement("head", "HEAD is answered wherever GET is: the same head and no body, and nothing runs on.", _ATTACKS),
    Requirement(
        "key-first",
        "The key, the route, the type and the length are checked before a body is read, in every ASGI host.",
        _ATTACKS,
    ),
    Requirement("pipelined", "Pipelined requests wait in the socket, and are answered in order.", _ATTACKS),
    Requirement("malformed", "A request that is no HTTP gets our JSON error with a request id, and its end.", _ATTACKS),
    Requirement("heads", "A head is bounded in its lines, their length and its target: 431 and 414.", _ATTACKS),
    Requirement("chunks", "Chunks can be read in one way only; their extensions and trailers are bounded.", _ATTACKS),
    Requirement("late-requests", "A head or body that does not come in time is 408, and closed.", _ATTACKS),
    Requirement("unread-bodies", "The rest of an unread body is never taken for a request.", _ATTACKS),
    Requirement("upgrades", "A request for an upgrade that is not served is answered at once.", _ATTACKS),
    Requirement("slow-readers", "A client that does not read its reply is cut off.", _ATTACKS),
    Requirement("vanished-clients", "A client that has vanished without a word is found by the system.", _ATTACKS),
    Requirement("connections", "One connection too many is 503 in our shape.", _ATTACKS),
    Requirement(
        "ws-frames",
        "A WebSocket client that breaks the rules gets the close code for it; the log gets one line.",
        _ATTACKS,
    ),
    Requirement(
        "hostile-upstreams",
        "An upstream that breaks the rules of HTTP is a 502 in our shape, and no header of it splits a reply.",
        _ATTACKS,
    ),
    Requirement("no-host", "A request without a Host header is not local.", _ATTACKS),
    Requirement(
        "reasoning-events",
        "Thoughts are response.reasoning_text events, as OpenAI's.",
        _SEEN,
        schema="ResponseReasoningTextDeltaEvent.delta",
    ),
    Requirement(
        "access-lines",
        "Each request, WebSocket turn and background run is one line of the log when it has ended: how the response "
        "ended, model, upstream, times, tokens, the key's name and the request's id.",
        _ATTACKS,
    ),
    Requirement(
        "log-of-what-is-missing",
        "Ignored parameters, absent hosted tools and failed runs are in the log, with the request's id.",
        _ATTACKS,
    ),
    Requirement("quiet-probes", "Health checks are no lines of the log, unless it is detailed.", _ATTACKS),
    Requirement(
        "metrics",
        "Every request is in the metrics once, with its route and status, and every response with its end, its tokens "
        "and its times, however it was asked for and however it ended.",
        _ATTACKS,
    ),
    Requirement(
        "bounded-labels",
        "What clients send cannot make the number of series grow: names beyond a bound are counted as `_other`.",
        _ATTACKS,
    ),
    Requirement(
        "silent-siblings",
        "The metrics of all workers are one reply; a worker that does not answer is left out after a short time, and "
        "counted, and no series of another worker goes down.",
        _ATTACKS,
    ),
    Requirement("log-injection", "No client writes a line of the log, or what steers a terminal.", _ATTACKS),
    Requirement("json-logs", "The log can be one JSON object a line, uvicorn's lines and tracebacks too.", _ATTACKS),
    Requirement(
        "models-at-start",
        "At the start each upstream is asked what it serves: the banner lists it, a warning states what is wrong, "
        "and nothing waits for it.",
        _ATTACKS,
    ),
    Requirement("only-model", "The only model of the only upstream serves requests that name none.", _ATTACKS),
    Requirement("unknown-model", "A client that asks for an unknown model gets the names of the known ones.", _ATTACKS),
    Requirement("readiness", "A server is not ready while no upstream answers, unless a setting allows it.", _ATTACKS),
    Requirement(
        "upstream-errors",
        "The text of an upstream that refuses or fails is in the log, cut, with its status and its address, "
        "without any key.",
        _ATTACKS,
    ),
    Requirement("masked-turns", "The detailed log shows each turn as it is sent, and none of its words.", _ATTACKS),
    Requirement(
        "synthetic-distributions",
        "Times and lengths of the synthetic model follow the distribution asked for, and repeat with the seed.",
        _LOAD,
    ),
    Requirement(
        "synthetic-live",
        "The options of all requests can be set while the server runs, in all workers, and no page of another site can "
        "do so.",
        _LOAD,
    ),
    Requirement(
        "synthetic-options",
        "A wrong option of the synthetic model is a 400 that names the parameter, the mistake and its offset.",
        _LOAD,
    ),
    Requirement(
        "synthetic-chat",
        "The built-in model answers Chat Completions and completions in the shapes that OpenAI's own package reads.",
        _LOAD,
    ),
    Requirement(
        "mcp-approval-default",
        "A call of an MCP tool needs an approval unless `require_approval` allows it, in every form of the field; "
        "`allowed_tools: []` allows none.",
        "smg 159; ogx 3443; vllm-project/agentic-api 145; masaic",
    ),
    Requirement(
        "mcp-approval-once",
        "An approval counts once: a second answer, an unknown or another owner's request is a 400 that names the "
        "answer, also for two branches of a chain.",
        "vllm-project/agentic-api 138, 145",
    ),
    Requirement(
        "mcp-stored-arguments",
        "An approved call runs with the arguments of the request that was approved; no model writes them again.",
        "llamastack/llama-stack 3443, 3607",
    ),
    Requirement(
        "mcp-changed-tool",
        "A tool whose definition has changed between its list and the approval is not called: the client sees the new "
        "definition and is asked again.",
        _ATTACKS,
    ),
    Requirement(
        "mcp-approval-outcomes",
        "A chat model reads of approved, declined and unanswered calls in the turn in which it wrote them.",
        "llamastack/llama-stack 3443",
    ),
    Requirement(
        "mcp-urls",
        "Of the URL of an MCP server, a Response and a stored row contain scheme, host and port: path, query and user "
        "are secrets.",
        "seen in OpenAI's replies, November 2026",
        "",
    ),
    Requirement(
        "mcp-function-names",
        "Tools of several servers never have the same function name, whatever their labels and names are.",
        "llamastack/llama-stack, huggingface/responses.js: tools by their bare names",
    ),
    Requirement(
        "synthetic-lengths",
        "The synthetic model's answers have exactly as many tokens as was asked for, by options, `ignore_eos` with a "
        "limit, `min_tokens` or the size of a context, and their usage counts them.",
        _LOAD,
    ),
    Requirement(
        "synthetic-pace",
        "Each token of a paced answer comes at its time; what is late comes together, and delays nothing after it.",
        _LOAD,
    ),
    Requirement(
        "synthetic-faults",
        "Faults that are asked of the synthetic model happen at exactly the event, and to exactly the requests, that "
        "its options name, on JSON, streams and WebSocket, and again in the same way.",
        _LOAD,
    ),
    Requirement(
        "synthetic-load",
        "Under load the synthetic model behaves like an engine with continuous batching: a queue, a KV cache with "
        "preemptions, a prefix cache that usage shows, and tokens that are slower in a larger batch.",
        _LOAD,
    ),
    Requirement(
        "trace-context",
        "A client's trace goes on in the upstream, under a new span for each call, and so does its id of the request.",
        "W3C Trace Context, sections 2 and 3",
    ),
)
