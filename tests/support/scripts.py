"""The library of scripts, by name: what an upstream may send, and what a client should then see.

The name is the model to ask for. Pure data.
"""

from __future__ import annotations

import json
from typing import Any

from support.actions import ACTIONS, asked
from support.steps import (
    Call,
    Cut,
    Expect,
    Fail,
    Flood,
    Hang,
    Json,
    Raw,
    Reply,
    Script,
    Send,
    Sleep,
)
from support.tool_items import ADDED, CALLED, CRM, HIDDEN, NOTED, QUESTION, SEARCH, SEARCHED

USAGE: Json = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
USAGE_DETAILED: Json = USAGE | {
    "prompt_tokens_details": {"cached_tokens": 5, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 3, "accepted_prediction_tokens": 0},
}
TOKENS = (11, 7)


# Chunks.


def chunk(delta: Json, finish: str | None = None, **beside: Any) -> Json:
    """One chunk with one choice; `beside` stands beside the choice's delta (logprobs, for example)."""
    return bare([{"index": 0, "delta": delta, "finish_reason": finish, **beside}])


def bare(choices: list[Json] | None, **fields: Any) -> Json:
    head = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "scripted",
    }
    return head | ({} if choices is None else {"choices": choices}) | fields


def text(*pieces: str) -> list[Json]:
    return [chunk({"content": piece}) for piece in pieces]


def detail(thought: str) -> Json:
    return {"type": "reasoning.text", "text": thought, "index": 0}


def thinking(thought: str) -> Json:
    """A thought as Magistral sends it."""
    return {"type": "thinking", "thinking": [{"type": "text", "text": thought}]}


def call(index: int | None, *fragments: str, call_id: str | None, name: str = "get_weather") -> list[Json]:
    """A call's chunks: id and name in the first, one fragment of the arguments in each."""
    first: Json = {"id": call_id, "type": "function", "function": {"name": name}}
    heads = [first] + [{"function": {}} for _ in fragments[1:]]
    return [
        chunk({"tool_calls": [_call_piece(index, head, fragment)]})
        for head, fragment in zip(heads, fragments, strict=True)
    ]


def _call_piece(index: int | None, head: Json, fragment: str) -> Json:
    piece = {} if index is None else {"index": index}
    piece |= {key: value for key, value in head.items() if value is not None}
    function = {key: value for key, value in head["function"].items() if value is not None}
    return piece | {"function": function | {"arguments": fragment}}


ROLE = chunk({"role": "assistant", "content": ""})
OWN_USAGE = bare([], usage=USAGE)


def turn(chunks: list[Json], finish: str = "stop") -> tuple[Send]:
    """The usual turn: role first, then the content, then finish and usage, in a chunk each."""
    return (Send(ROLE, *chunks, chunk({}, finish), OWN_USAGE),)


# What a client asks, so that the script makes sense.

WEATHER: Json = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": None,
}
NOTE: Json = {
    "type": "custom",
    "name": "take_note",
    "description": "Writes a note down.",
    "format": {"type": "text"},
}
WITH_WEATHER: Json = {"tools": [WEATHER]}

PARIS, OSLO = '{"city": "Paris"}', '{"city": "Oslo"}'
REST_OF_PARIS = chunk({"tool_calls": [{"index": "0", "id": 7, "function": {"arguments": '"Paris"}'}}]})
CALL_PARIS, CALL_OSLO = Call("get_weather", PARIS), Call("get_weather", OSLO)
NOTE_TEXT = 'Grüße, "Welt" \\ 你好 😀\n\tEnde'
NOTE_ARGUMENTS = json.dumps({"input": NOTE_TEXT}, ensure_ascii=False)
NOTE_ESCAPED = json.dumps({"input": NOTE_TEXT})


def merged(chunks: list[Json]) -> list[Json]:
    """All their tool calls in one chunk."""
    deltas = [one["choices"][0]["delta"] for one in chunks]
    return [chunk({"tool_calls": [piece for delta in deltas for piece in delta["tool_calls"]]})]


def interleaved(*calls: list[Json]) -> list[Json]:
    return [piece for pieces in zip(*calls, strict=True) for piece in pieces]


def cut_up(whole: str, size: int) -> list[str]:
    return [whole[start : start + size] for start in range(0, len(whole), size)]


def one_call(chunks: list[Json], *calls: Call) -> Script:
    return Script(turn(chunks, "tool_calls"), Expect(calls=calls or (CALL_PARIS,), tokens=TOKENS), WITH_WEATHER)


# Errors, as upstreams send them.


def refusal(status: int, kind: str, message: str, code: str | None = None, **headers: str) -> Reply:
    body = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return Reply(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


BUSY = refusal(503, "server_error", "overloaded")
HTML = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
TOO_LONG = "This model's maximum context length is 4096 tokens."

SOUND: Json = {"id": "audio_1", "data": "UklGRg=="}
AUDIO_WORDS: list[Json] = [{"transcript": "Hello, "}, {"transcript": "world"}]
PNG = "data:image/png;base64,iVBORw0KGgo="
THOUGHTS = ("Let me ", "think.")
HELLO = text("Hel", "lo", ", ", "world")
EXPECT_HELLO = Expect(text="Hello, world", tokens=TOKENS)
HELLO_TURN = turn(HELLO)
THINKS_ALOUD = Expect(text="Hello, world", reasoning="Let me think.", tokens=TOKENS)
HELLO_GUESSED = Expect(text="Hello, world")
"""The same, with usage that the server has to estimate."""

LOGPROBS: list[Json] = [
    {
        "token": token,
        "logprob": -0.25,
        "bytes": list(token.encode()),
        "top_logprobs": [{"token": token, "logprob": -0.25, "bytes": list(token.encode())}],
    }
    for token in ("Hel", "lo")
]
CITATION: Json = {
    "type": "url_citation",
    "url_citation": {"url": "https://example.com/a", "title": "A", "start_index": 0, "end_index": 5},
}

ANSWERS: dict[str, Script] = {
    "text": Script(HELLO_TURN, EXPECT_HELLO),
    "non_ascii": Script(turn(text("Grü", "ße 你", "好 😀")), Expect(text="Grüße 你好 😀", tokens=TOKENS)),
    "shredded": Script(turn(text("Grüße 你", "好 😀")), Expect(text="Grüße 你好 😀", tokens=TOKENS), piece_bytes=3),
    "json": Script(
        turn(text('{"city": ', '"Paris", "degrees": 21}')),
        Expect(text='{"city": "Paris", "degrees": 21}', tokens=TOKENS),
    ),
    "reasoning_content": Script(
        turn([*(chunk({"reasoning_content": thought}) for thought in THOUGHTS), *HELLO]),
        THINKS_ALOUD,
    ),
    "reasoning": Script(
        turn([*(chunk({"reasoning": thought}) for thought in THOUGHTS), *HELLO]),
        THINKS_ALOUD,
    ),
    "reasoning_details": Script(
        turn([*(chunk({"reasoning_details": [detail(thought)]}) for thought in THOUGHTS), *HELLO]),
        THINKS_ALOUD,
    ),
    "think": Script(
        turn(text("<thi", "nk>Let me ", "think.</th", "ink>", "Hello, world")),
        THINKS_ALOUD,
        inline_think=True,
    ),
    "thinking_parts": Script(
        turn([*(chunk({"content": [thinking(thought)]}) for thought in THOUGHTS), *HELLO]),
        THINKS_ALOUD,
    ),
    "images": Script(
        turn([*HELLO, chunk({"images": [{"type": "image_url", "image_url": {"url": PNG}}]})]),
        EXPECT_HELLO,
    ),
    "audio": Script(turn([chunk({"audio": SOUND}), *(chunk({"audio": one}) for one in AUDIO_WORDS)]), EXPECT_HELLO),
    "refusal": Script(
        turn([chunk({"refusal": "I can"}), chunk({"refusal": "not."})]),
        Expect(refusal="I cannot.", tokens=TOKENS),
    ),
    "content_parts": Script(
        turn([chunk({"content": [{"type": "text", "text": piece}]}) for piece in ("Hello, ", "world")]),
        EXPECT_HELLO,
    ),
    "logprobs": Script(
        turn([chunk({"content": one["token"]}, logprobs={"content": [one], "refusal": None}) for one in LOGPROBS]),
        Expect(text="Hello", tokens=TOKENS),
        {"include": ["message.output_text.logprobs"], "top_logprobs": 1},
    ),
    "annotations": Script(
        turn([*text("Hello"), chunk({"annotations": [CITATION]})]), Expect(text="Hello", tokens=TOKENS)
    ),
    "length": Script(
        turn(HELLO, "length"), Expect("incomplete", "Hello, world", reason="max_output_tokens", tokens=TOKENS)
    ),
    "content_filter": Script(
        turn(HELLO, "content_filter"),
        Expect("incomplete", "Hello, world", reason="content_filter", tokens=TOKENS),
    ),
}

CALLING: dict[str, Script] = {
    "call": one_call(call(0, "", '{"ci', 'ty": ', '"Paris"}', call_id="call_a")),
    "text_then_call": Script(
        turn([*HELLO, *call(0, "", PARIS, call_id="call_a")], "tool_calls"),
        Expect(text="Hello, world", calls=(CALL_PARIS,), tokens=TOKENS),
        WITH_WEATHER,
    ),
    "reasoning_then_call": Script(
        turn([chunk({"reasoning_content": "A city."}), *call(0, "", PARIS, call_id="call_a")], "tool_calls"),
        Expect(reasoning="A city.", calls=(CALL_PARIS,), tokens=TOKENS),
        WITH_WEATHER,
    ),
    "parallel_calls": one_call(
        call(0, "", '{"city": ', '"Paris"}', call_id="call_a") + call(1, "", '{"city": ', '"Oslo"}', call_id="call_b"),
        CALL_PARIS,
        CALL_OSLO,
    ),
    "parallel_calls_in_one_chunk": one_call(
        merged(call(0, PARIS, call_id="call_a") + call(1, OSLO, call_id="call_b")),
        CALL_PARIS,
        CALL_OSLO,
    ),
    "interleaved_calls": one_call(
        interleaved(
            call(0, "", '{"city": ', '"Paris"}', call_id="call_a"),
            call(1, "", '{"city": ', '"Oslo"}', call_id="call_b"),
        ),
        CALL_PARIS,
        CALL_OSLO,
    ),
    "whole_call": one_call(call(0, PARIS, call_id="call_a")),
    "empty_object_first": one_call(call(0, "{}", '{"city": ', '"Paris"}', call_id="call_a")),
    "call_without_index": one_call(call(None, "", '{"city": ', '"Paris"}', call_id="call_a")),
    "call_without_id": one_call(call(0, "", '{"city": ', '"Paris"}', call_id=None)),
    "call_without_index_or_id": one_call(call(None, "", '{"city": ', '"Paris"}', call_id=None)),
    "signed_call": one_call(
        [
            *call(None, PARIS, call_id="call_a"),
            chunk({"tool_calls": [{"extra_content": {"google": {"thought_signature": "c2ln"}}}]}),
        ]
    ),
    "one_id": one_call(call(0, PARIS, call_id="call_0") + call(1, OSLO, call_id="call_0"), CALL_PARIS, CALL_OSLO),
    "same_index": one_call(call(0, PARIS, call_id="call_a") + call(0, OSLO, call_id="call_b"), CALL_PARIS, CALL_OSLO),
    "one_index_without_ids": one_call(
        call(0, PARIS, call_id=None) + merged(call(0, OSLO, call_id=None) + call(0, PARIS, call_id=None)),
        CALL_PARIS,
        CALL_OSLO,
        CALL_PARIS,
    ),
    "changing_ids": one_call([*call(0, '{"city": ', call_id="call_a"), REST_OF_PARIS]),
    "call_finished_as_stop": Script(
        turn(call(0, PARIS, call_id="call_a")), Expect(calls=(CALL_PARIS,), tokens=TOKENS), WITH_WEATHER
    ),
    "call_without_arguments": Script(
        turn(call(0, "", call_id="call_a", name="now"), "tool_calls"),
        Expect(calls=(Call("now", "{}"),), tokens=TOKENS),
        {"tools": [WEATHER | {"name": "now", "parameters": {"type": "object", "properties": {}}}]},
    ),
    "custom_call": Script(
        turn(call(0, "", *cut_up(NOTE_ARGUMENTS, 4), call_id="call_a", name="take_note"), "tool_calls"),
        Expect(calls=(Call("take_note", NOTE_TEXT, "custom_tool_call"),), tokens=TOKENS),
        {"tools": [NOTE]},
    ),
    "custom_call_escaped": Script(
        turn(call(0, "", *cut_up(NOTE_ESCAPED, 5), call_id="call_a", name="take_note"), "tool_calls"),
        Expect(calls=(Call("take_note", NOTE_TEXT, "custom_tool_call"),), tokens=TOKENS),
        {"tools": [NOTE]},
    ),
}

ODD: dict[str, Script] = {
    "usage_in_last_chunk": Script((Send(ROLE, *HELLO, chunk({}, "stop") | {"usage": USAGE}),), EXPECT_HELLO),
    "usage_none": Script((Send(ROLE, *HELLO, chunk({}, "stop")),), HELLO_GUESSED),
    "usage_null_before": Script(
        (
            Send(
                ROLE | {"usage": None},
                *(one | {"usage": None} for one in HELLO),
                chunk({}, "stop"),
                OWN_USAGE,
            ),
        ),
        EXPECT_HELLO,
    ),
    "usage_detailed": Script((Send(ROLE, *HELLO, chunk({}, "stop"), bare([], usage=USAGE_DETAILED)),), EXPECT_HELLO),
    "usage_odd": Script(
        (Send(ROLE, *HELLO, chunk({}, "stop"), bare([], usage={"prompt_tokens": "11", "completion_tokens": 7.2})),),
        EXPECT_HELLO,
    ),
    "whole_message_last": Script(
        (
            Send(
                ROLE,
                *HELLO,
                chunk({}, "stop", message={"role": "assistant", "content": "Hello, world"}),
                OWN_USAGE,
            ),
        ),
        EXPECT_HELLO,
    ),
    "finish_with_text": Script(
        (Send(ROLE, *HELLO[:-1], chunk({"content": "world"}, "stop"), OWN_USAGE),), EXPECT_HELLO
    ),
    "no_finish": Script((Send(ROLE, *HELLO, OWN_USAGE),), EXPECT_HELLO),
    "no_done": Script(HELLO_TURN, EXPECT_HELLO, done=False),
    "no_done_until_close": Script(HELLO_TURN, EXPECT_HELLO, done=False, chunked=False),
    "no_role": Script((Send(*HELLO, chunk({}, "stop"), OWN_USAGE),), EXPECT_HELLO),
    "role_in_every_chunk": Script(
        turn([chunk({"role": "assistant", "content": piece}) for piece in ("Hello, ", "world")]), EXPECT_HELLO
    ),
    "crlf": Script(HELLO_TURN, EXPECT_HELLO, eol="\r\n"),
    "bare_data": Script(HELLO_TURN, EXPECT_HELLO, prefix="data:"),
    "comments": Script(
        (
            Raw(b": OPENROUTER PROCESSING\n\n"),
            Send(ROLE, *HELLO[:2]),
            Raw(b": keep-alive\n\n:\n\n"),
            Send(*HELLO[2:], chunk({}, "stop"), OWN_USAGE),
        ),
        EXPECT_HELLO,
    ),
    "named_events": Script(HELLO_TURN, EXPECT_HELLO, prefix="event: chunk\nid: 1\ndata: "),
    "no_choices": Script((Send(bare(None), bare([], prompt_filter_results=[])), *HELLO_TURN), EXPECT_HELLO),
    "null_choices": Script(turn([bare(None) | {"choices": None}, *HELLO]), EXPECT_HELLO),
    "null_delta": Script(turn([bare([{"index": 0, "delta": None, "finish_reason": None}]), *HELLO]), EXPECT_HELLO),
    "empty_deltas": Script(
        turn([chunk({}), chunk({"content": ""}), *HELLO, chunk({"content": None}), chunk({"content": ""})]),
        EXPECT_HELLO,
    ),
    "empty": Script(turn([]), Expect(tokens=TOKENS)),
    "slow": Script((Send(ROLE, HELLO[0]), Sleep(0.3), Send(*HELLO[1:], chunk({}, "stop"), OWN_USAGE)), EXPECT_HELLO),
}

DIED: Json = {"error": {"message": "engine died", "type": "server_error", "param": None, "code": None}}
BROKEN_HELLO = Expect("failed", "Hello, world")
"""What came before the break stays."""
BROKEN: dict[str, Script] = {
    "cut": Script((Send(ROLE, *HELLO), Sleep(0.05), Cut("reset")), BROKEN_HELLO),
    "cut_by_close": Script((Send(ROLE, *HELLO), Cut("close")), BROKEN_HELLO),
    "cut_in_event": Script(
        (Send(ROLE, *HELLO), Raw(b'data: {"choices": [{"ind'), Cut("close")),
        BROKEN_HELLO,
    ),
    "cut_in_call": Script(
        (Send(ROLE, *call(0, "", '{"city"', call_id="call_a")), Cut("close")),
        Expect("failed", calls=(Call("get_weather", '{"city"'),)),
        WITH_WEATHER,
    ),
    "silent_end": Script((Send(ROLE, *HELLO),), BROKEN_HELLO, done=False),
    "error_midway": Script(
        (Send(ROLE, *HELLO, DIED),),
        BROKEN_HELLO,
    ),
    "error_event_midway": Script(
        (Send(ROLE, *HELLO), Raw(b'event: error\ndata: {"code": "InternalError", "message": "engine died"}\n\n')),
        BROKEN_HELLO,
    ),
    "too_long_midway": Script(
        (
            Send(
                ROLE,
                *HELLO,
                {"error": {"code": 400, "message": "it is 9412 tokens", "type": "exceed_context_size_error"}},
            ),
        ),
        BROKEN_HELLO,
    ),
    "network_error": Script((Send(ROLE, *HELLO, chunk({}, "network_error")),), BROKEN_HELLO),
    "nothing": Script((Raw(b": wait\n\n"),), Expect("failed")),
    "not_json_midway": Script((Send(ROLE, *HELLO), Raw(b"data: {oops\n\n")), BROKEN_HELLO),
}

HANGING: dict[str, Script] = {
    "hang": Script((Hang(),), Expect("failed")),
    "hang_midway": Script((Send(ROLE, *HELLO), Hang()), BROKEN_HELLO),
}

VAST: dict[str, Script] = {
    "flood": Script(
        (Flood(chunk({"content": "x" * 4000}), 5000), Send(chunk({}, "stop"), OWN_USAGE)),
        Expect(text=None, tokens=TOKENS),
    ),
}

REFUSED: dict[str, Script] = {
    "rate_limited": Script(
        (refusal(429, "rate_limit_error", "slow down", "rate_limit_exceeded", retry_after="7"),),
        Expect(http=429),
    ),
    "quota_spent": Script(
        (refusal(429, "insufficient_quota", "You exceeded your current quota.", "insufficient_quota"),),
        Expect(http=429),
    ),
    "unauthorized": Script(
        (refusal(401, "invalid_request_error", "Incorrect API key: sk-upstream", "invalid_api_key"),),
        Expect(http=502),
    ),
    "bad_request": Script((refusal(400, "invalid_request_error", "temperature is not supported"),), Expect(http=400)),
    "too_long_for_gemini": Script(
        (
            Reply(
                400,
                {
                    "error": {
                        "code": 400,
                        "message": "The input token count (9000) exceeds the maximum number of tokens allowed (8192).",
                        "status": "INVALID_ARGUMENT",
                    }
                },
            ),
        ),
        Expect(http=400),
    ),
    "refused_by_a_list": Script(
        (Reply(422, {"detail": [{"loc": ["body", "messages"], "msg": "Field required", "type": "missing"}]}),),
        Expect(http=400),
    ),
    "too_long": Script((refusal(400, "invalid_request_error", TOO_LONG, "context_length_exceeded"),), Expect(http=400)),
    "server_error": Script((refusal(500, "server_error", "boom"),), Expect(http=502)),
    "html_error": Script((Reply(502, HTML),), Expect(http=502)),
    "html_as_200": Script((Reply(200, HTML),), Expect(http=502)),
    "error_as_200": Script(
        (Reply(200, {"error": {"message": "no such model here", "type": "server_error"}}),), Expect(http=502)
    ),
    "flaky": Script((Fail(2, BUSY), *HELLO_TURN), EXPECT_HELLO),
}

ACTING: dict[str, Script] = {
    f"{name}_call": Script(
        turn(call(0, "", *cut_up(action.arguments, 9), call_id="call_b", name=name), "tool_calls"),
        Expect(calls=(), tokens=TOKENS),
        asked(action),
    )
    for name, action in ACTIONS.items()
}
"""Calls that are actions: the client gets no function call."""

CUSTOMER_7, ORDERS_7 = '{"id": "7"}', '{"id": "7", "all": true}'
BRINGING: dict[str, Script] = {
    "namespace_calls": Script(
        turn(
            call(0, "", *cut_up(CUSTOMER_7, 4), call_id="call_b", name="crm__get_customer")
            + call(1, "", *cut_up('{"input": "keep"}', 4), call_id="call_c", name="crm__memo")
            + call(2, "", ORDERS_7, call_id="call_d", name="list_orders"),
            "tool_calls",
        ),
        Expect(
            calls=(
                Call("get_customer", CUSTOMER_7),
                Call("memo", "keep", "custom_tool_call"),
                Call("list_orders", ORDERS_7),
            ),
            tokens=TOKENS,
        ),
        {"input": [QUESTION, *CALLED, *NOTED], "tools": [CRM]},
    ),
    "tool_search_call": Script(
        turn(call(0, "", *cut_up('{"goal":\n "Grüße"}', 5), call_id="call_q", name="tool_search"), "tool_calls"),
        Expect(calls=(), tokens=TOKENS),
        {"input": [QUESTION], "tools": [HIDDEN, SEARCH]},
    ),
    "found_call": Script(
        turn(call(0, "", *cut_up(ORDERS_7, 4), call_id="call_b", name="crm__list_orders"), "tool_calls"),
        Expect(calls=(Call("list_orders", ORDERS_7),), tokens=TOKENS),
        {"input": [QUESTION, *SEARCHED], "tools": [HIDDEN, SEARCH]},
    ),
    "added_call": Script(
        turn(call(0, "", *cut_up(ORDERS_7, 4), call_id="call_b", name="more__list_orders"), "tool_calls"),
        Expect(calls=(Call("list_orders", ORDERS_7),), tokens=TOKENS),
        {"input": [ADDED, QUESTION], "tools": [CRM]},
    ),
}
"""Calls of tools that are grouped, searched for, found, or come with the context."""

SCRIPTS: dict[str, Script] = ANSWERS | CALLING | ACTING | BRINGING | ODD | BROKEN | HANGING | VAST | REFUSED
