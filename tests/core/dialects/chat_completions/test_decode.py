"""What backends send, in all their ways, as deltas. Whole streams are among the golden transcripts."""

import json
from typing import Any

import msgspec
import pytest

from core.dialects.chat_completions.decoded import (
    EVENT_BYTES_MAX,
    STOP,
    call,
    calling,
    choice,
    decode,
    extras,
    likely,
    piece,
    probable,
    stream,
    usage,
    whole,
)
from core.kit import Json
from penstock.dialects.chat_completions.decode import ChatDecoder
from penstock.dialects.chat_completions.think import ThinkSplitter
from penstock.errors import ApiError
from penstock.transcript.deltas import (
    AnnotationDelta,
    Delta,
    Extras,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    ResponseFields,
    TextDelta,
    TextRun,
    ToolCallDelta,
)
from penstock.wire import InputTokensDetails, Logprob, OutputTokensDetails, TopLogprob, UrlCitation
from requirements import shows

CHUNKS: dict[str, tuple[list[Json], list[Delta]]] = {
    "text": ([choice({"content": "a"}), choice({"content": "b"})], [TextDelta("a"), TextDelta("b")]),
    "nothing": ([{}, choice(), choice({}), choice({"content": None}), choice({"content": ""})], []),
    "text as parts": (
        [choice({"content": [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "b"}, {"type": "other"}]})],
        [TextDelta("a"), RefusalDelta("b")],
    ),
    "a refusal": ([choice({"refusal": "a"})], [RefusalDelta("a")]),
    "another choice": ([{"choices": [{"index": 1, "delta": {"content": "x"}}]}], []),
    "a choice without index": ([{"choices": [{"delta": {"content": "x"}}]}], [TextDelta("x")]),
    "a message in a stream": ([{"choices": [{"message": {"content": "x"}}]}], [TextDelta("x")]),
    "reasoning_content": ([choice({"reasoning_content": "a"})], [ReasoningDelta("a")]),
    "reasoning": ([choice({"reasoning": "a"})], [ReasoningDelta("a")]),
    "reasoning_details": (
        [choice({"reasoning_details": [{"text": "a"}, {"summary": "b"}, {"type": "reasoning.encrypted"}]})],
        [
            ReasoningDelta("ab"),
            extras(reasoning_details=[{"text": "a"}, {"summary": "b"}, {"type": "reasoning.encrypted"}]),
        ],
    ),
    "a thought result in every way is result once": (
        [choice({"reasoning_content": "a", "reasoning": "a", "reasoning_details": [{"text": "a"}]})],
        [ReasoningDelta("a"), extras(reasoning_details=[{"text": "a"}])],
    ),
    "all at once": (
        [choice({"content": "a", "reasoning": "b", "refusal": "c"})],
        [ReasoningDelta("b"), TextDelta("a"), RefusalDelta("c")],
    ),
    "an unknown key of the message": (
        [choice({"content": "a", "glow": {"lumen": 1.50}, "dark": None, "role": "assistant", "citations": ["u"]})],
        [TextDelta("a"), AnnotationDelta(UrlCitation(url="u")), extras(glow={"lumen": 1.5})],
    ),
    "an unknown key of a call": (
        [calling(piece("{}", "f", index=0, id="c", signature="s"), piece("{}", "g", index=1, id="d"))],
        [call(0, "{}", "f", "c"), call(1, "{}", "g", "d"), extras({0: {"signature": "s"}})],
    ),
    "an unknown key of a function": (
        [calling({"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}", "signature": "s"}})],
        [call(0, "{}", "f", "c"), Extras(origin="", calls={0: {"function": msgspec.Raw(b'{"signature":"s"}')}})],
    ),
    "an unknown key of the older form of a call": (
        [choice({"function_call": {"name": "f", "arguments": "{}", "signature": "s"}})],
        [call(0, "{}", "f")],
    ),
    "an unknown key with a call that is said again": (
        [
            calling(piece("{}", "f", index=0, id="c"), piece("{}", "g", index=1, id="d")),
            calling(piece("{}", "f", index=0, id="c", signature="s")),
        ],
        [call(0, "{}", "f", "c"), call(1, "{}", "g", "d"), extras({0: {"signature": "s"}})],
    ),
    "one id of two calls": (
        [calling(piece("{}", "f", index=0, id="c"), piece("{}", "g", index=1, id="c"))],
        [call(0, "{}", "f", "c"), call(1, "{}", "g", "c"), extras({1: {"id": "c"}})],
    ),
    "an unknown key and another choice": (
        [{"choices": [{"index": 1, "delta": {"glow": 1}}, {"index": 0, "delta": {"content": "a"}}]}],
        [TextDelta("a")],
    ),
    "a citation": (
        [choice({"annotations": [{"url_citation": {"url": "u", "title": "t", "start_index": 1, "end_index": 2}}]})],
        [AnnotationDelta(UrlCitation(url="u", title="t", start_index=1, end_index=2))],
    ),
    "a flat citation, and none": (
        [choice({"annotations": [{"type": "url_citation", "url": "u"}, {"type": "other"}]})],
        [AnnotationDelta(UrlCitation(url="u"))],
    ),
    "logprobs": (
        [
            choice(
                {"content": "ü"},
                logprobs={
                    "content": [{"token": "ü", "logprob": -1, "top_logprobs": [{"token": "ü", "bytes": [195, 188]}]}]
                },
            )
        ],
        [
            TextDelta(
                "ü",
                [
                    Logprob(
                        token="ü",
                        logprob=-1.0,
                        bytes=[195, 188],
                        top_logprobs=[TopLogprob(token="ü", logprob=0.0, bytes=[195, 188])],
                    )
                ],
            )
        ],
    ),
    "logprobs of a character in pieces": (
        [
            choice({"content": "a"}, logprobs=likely("a")),
            choice({"content": ""}, logprobs=likely("\ufffd")),
            choice({"content": "ü"}, logprobs=likely("ü")),
            choice({"content": ""}, logprobs=likely("<end>")),
        ],
        [TextDelta("a", probable("a")), TextDelta("ü", probable("\ufffd", "ü"))],
    ),
    "logprobs of what is no text": (
        [
            choice({"content": "", "reasoning": "b"}, logprobs=likely("b")),
            calling(piece("{}", "f", id="c")) | {"logprobs": likely("{}")},
            choice({"content": "a"}, logprobs=likely("a")),
        ],
        [ReasoningDelta("b"), call(0, "{}", "f", "c"), TextDelta("a", probable("a"))],
    ),
    "no logprobs": ([choice({"content": "a"}, logprobs={"content": None})], [TextDelta("a")]),
    "a call": (
        [calling(piece("", "f", index=0, id="c")), calling(piece("{}", index=0))],
        [call(0, "", "f", "c"), call(0, "{}")],
    ),
    "calls in one chunk": (
        [calling(piece("{", "f", index=0, id="c"), piece("[", "g", index=1, id="d"))],
        [call(0, "{", "f", "c"), call(1, "[", "g", "d")],
    ),
    "indexes that begin anywhere": (
        [calling(piece("", "f", index=7, id="c")), calling(piece("{}", index=7)), calling(piece("", "g", index=3))],
        [call(0, "", "f", "c"), call(0, "{}"), call(1, "", "g")],
    ),
    "an id in every piece": (
        [calling(piece("", "f", index=0, id="c")), calling(piece("{}", index=0, id="c"))],
        [call(0, "", "f", "c"), call(0, "{}", None, "c")],
    ),
    "an empty id and name": (
        [calling(piece("", "f", index=0, id="c")), calling(piece("{}", "", index=0, id=""))],
        [call(0, "", "f", "c"), call(0, "{}")],
    ),
    "another id at the same index": (
        [calling(piece("{}", "f", index=0, id="c")), calling(piece("{}", "f", index=0, id="d"))],
        [call(0, "{}", "f", "c"), call(1, "{}", "f", "d")],
    ),
    "no index": (
        [calling(piece("", "f", id="c")), calling(piece("{}")), calling(piece("[]", "g", id="d"))],
        [call(0, "", "f", "c"), call(0, "{}"), call(1, "[]", "g", "d")],
    ),
    "neither index nor id": (
        [calling(piece("", "f")), calling(piece("{}")), calling(piece("[]", "f"))],
        [call(0, "", "f"), call(0, "{}"), call(1, "[]", "f")],
    ),
    "arguments as an object": ([calling(piece({"a": 1}, "f", index=0))], [call(0, '{"a":1}', "f")]),
    "no arguments": ([calling(piece(None, "f", index=0)), calling({"index": 0})], [call(0, "", "f"), call(0)]),
    "the older form": (
        [choice({"function_call": {"name": "f", "arguments": ""}}), choice({"function_call": {"arguments": "{}"}})],
        [call(0, "", "f"), call(0, "{}")],
    ),
    "both forms": (
        [choice({"function_call": {"name": "f", "arguments": "{}"}, "tool_calls": [piece("{}", "f", index=0)]})],
        [call(0, "{}", "f")],
    ),
    "usage": (
        [{"usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}],
        usage(input_tokens=1, output_tokens=2, total_tokens=3),
    ),
    "usage without a total": (
        [{"usage": {"prompt_tokens": 1, "completion_tokens": 2}}],
        usage(input_tokens=1, output_tokens=2, total_tokens=3),
    ),
    "usage with details": (
        [
            {
                "usage": {
                    "prompt_tokens": 0,
                    "completion_tokens": 0,
                    "prompt_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 2},
                    "completion_tokens_details": {"reasoning_tokens": 3},
                }
            }
        ],
        usage(
            input_tokens_details=InputTokensDetails(cached_tokens=1, cache_write_tokens=2),
            output_tokens_details=OutputTokensDetails(reasoning_tokens=3),
        ),
    ),
    "usage by DeepSeek": (
        [{"usage": {"prompt_tokens": 5, "completion_tokens": 0, "prompt_cache_hit_tokens": 4}}],
        usage(input_tokens=5, total_tokens=5, input_tokens_details=InputTokensDetails(cached_tokens=4)),
    ),
    "usage with nulls": ([{"usage": {"prompt_tokens": None, "prompt_tokens_details": None}}], []),
}


@shows("quirk-no-choices", "quirk-calls", "quirk-parts")
@pytest.mark.parametrize(("chunks", "deltas"), CHUNKS.values(), ids=CHUNKS)
def test_chunks_become_deltas(chunks: list[Json], deltas: list[Delta]) -> None:
    assert decode(stream(*chunks, choice({}))) == [*deltas, STOP]


ENDS: dict[str | None, str | None] = {
    "stop": None,
    "tool_calls": None,
    "function_call": None,
    "eos": None,
    "": None,
    None: None,
    "length": "max_output_tokens",
    "max_tokens": "max_output_tokens",
    "content_filter": "content_filter",
}


@pytest.mark.parametrize(("finish", "incomplete"), ENDS.items(), ids=map(str, ENDS))
def test_a_finish_reason_states_how_it_ended(finish: str | None, incomplete: str | None) -> None:
    assert decode(stream(choice({"content": "a"}, finish))) == [TextDelta("a"), Finish(incomplete)]
    whole = {"choices": [{"message": {"content": "a"}, "finish_reason": finish}]}
    assert decode(json.dumps(whole).encode()) == [TextDelta("a"), Finish(incomplete)]


@shows("quirk-finish", "quirk-no-done", "cut-upstreams")
def test_a_finish_reason_or_the_end_mark_is_enough() -> None:
    assert decode(stream(choice({"content": "a"}, "stop"), done=False)) == [TextDelta("a"), STOP]
    with pytest.raises(ApiError, match="before it was finished"):
        decode(stream(choice({"content": "a"}), done=False))


def test_after_the_end_mark_nothing_is_read() -> None:
    decoder = ChatDecoder(inline_think=False, event_bytes_max=EVENT_BYTES_MAX)
    assert not decoder.is_done
    assert decoder.feed(stream(choice({}))) == []
    assert decoder.feed(stream(choice({"content": "late"})) + b"data: {oops\n\n") == []
    assert decoder.is_done
    assert decoder.close() == [STOP]


BODY = {
    "object": "chat.completion",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "a",
                "reasoning_content": "b",
                "tool_calls": [piece("{}", "f", id="c"), piece("{}", "f", id="d")],
            },
            "finish_reason": "tool_calls",
        }
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
}
BODY_DELTAS = [
    ReasoningDelta("b"),
    TextDelta("a"),
    call(0, "{}", "f", "c"),
    call(1, "{}", "f", "d"),
    *usage(input_tokens=1, output_tokens=2, total_tokens=3),
    STOP,
]


def test_a_whole_body_is_reported_from_a_stream_by_its_first_byte() -> None:
    body = json.dumps(BODY, indent=1).encode()
    assert decode(body) == BODY_DELTAS
    assert decode(b"\r\n ", b"\n", *(body[at : at + 1] for at in range(len(body)))) == BODY_DELTAS


@shows("quirk-thoughts")
def test_thoughts_within_the_text_are_found_where_they_may_be() -> None:
    data = stream(choice({"content": "<think>a</th"}), choice({"content": "ink>b"}))
    assert decode(data, inline_think=True) == [ReasoningDelta("a"), TextDelta("b"), STOP]
    assert decode(stream(choice({"content": "<think"})), inline_think=True) == [TextDelta("<think"), STOP]
    assert decode(data)[0] == TextDelta("<think>a</th")


def test_text_has_its_logprobs_where_thoughts_come_before_it() -> None:
    data = [("<think>a", likely("<think>", "a")), ("</th", likely("</th")), ("ink>\n", likely("ink", ">\n"))]
    answer = [("b", likely("b")), ("", likely("?")), ("ü d", likely("ü", " d"))]
    chunks = [choice({"content": text}, logprobs=logprobs) for text, logprobs in data + answer]
    result = [TextDelta("b", probable("b")), TextDelta("ü d", probable("?", "ü", " d"))]
    assert decode(stream(*chunks), inline_think=True) == [ReasoningDelta("a"), *result, STOP]
    splitter = ThinkSplitter()
    for token in ("<think>", *["a"] * 100):
        splitter.feed(token, probable(token))
    assert splitter._logprobs == [], "no logprobs of thoughts are reported"
    whole = choice({"content": "<think>a</think>b c"}, logprobs=likely("<think>", "a", "</think>", "b", " c"))
    assert decode(stream(whole), inline_think=True)[1] == TextDelta("b c", probable("b", " c"))
    assert decode(stream(choice({"content": "<thi"}, logprobs=likely("<thi"))), inline_think=True)[0] == TextDelta(
        "<thi", probable("<thi")
    )


def body(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


FAULTS: dict[str, tuple[bytes, int, str]] = {
    "an error in a stream": (stream({"error": {"message": "boom"}}), 502, "boom"),
    "an error in a body": (body(error={"message": "boom", "code": 500}), 502, "boom"),
    "an error that is a text": (body(error="boom"), 502, "boom"),
    "an error without words": (body(error={}), 502, "met an error"),
    "an error as vLLM has it": (body(object="error", message="boom", code=400), 400, "boom"),
    "too much": (body(error={"message": "slow", "code": 429}), 429, "slow. Please try again in 1s."),
    "too much, in words": (body(error={"message": "slow", "code": "rate_limit_exceeded"}), 429, "slow"),
    "the client's fault": (body(error={"message": "bad", "type": "invalid_request_error"}), 400, "refused.*bad"),
    "the client's fault, by code": (body(error={"message": "bad", "code": 400}), 400, "refused.*bad"),
    "too long": (body(error={"message": "exceeds the context window", "code": 400}), 400, "exceeds"),
    "an error as a finish": (stream(choice({}, "error")), 502, "met an error"),
    "a page of HTML": (b"  <html>", 502, "HTML"),
    "no JSON": (b"data: {oops\n\n", 502, "not a chat completion"),
    "no object": (b"data: []\n\n", 502, "not a chat completion"),
    "no UTF-8": (b'data: {"choices": "\xff"}\n\n', 502, "not a chat completion"),
    "too deep": (b"data: " + b"[" * 5_000 + b"\n\n", 502, "not a chat completion"),
    "other JSON": (body(hello="world"), 502, 'not a chat completion: {"hello": "world"}'),
    "a job that was taken": (body(request_id="x"), 502, "not a chat completion"),
    "a completion in an envelope": (body(result={"choices": []}, success=True), 502, "not a chat completion"),
    "a cut body": (b'{"choices": [', 502, "not a chat completion"),
    "nothing at all": (b"", 502, "before it was finished"),
    "an endless body": (b"{" + b" " * (EVENT_BYTES_MAX + 1), 502, "over 10000 bytes"),
    "an endless event": (b"data: " + b"x" * (EVENT_BYTES_MAX + 1), 502, "over 10000 bytes"),
}


@shows("quirk-errors")
@pytest.mark.parametrize(("data", "status", "result"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_reported_by_its_blame(data: bytes, status: int, result: str) -> None:
    with pytest.raises(ApiError, match=result) as caught:
        decode(data)
    assert caught.value.status == status


def test_what_was_sent_before_a_fault_is_reported_first() -> None:
    """However it came: a read that brings both gives the deltas, and the error after them."""
    data = stream(choice({"content": "a"}), {"error": {"message": "boom"}}, choice({"content": "late"}))
    decoder = ChatDecoder(inline_think=False, event_bytes_max=EVENT_BYTES_MAX)
    assert decoder.feed(data) == [TextRun(["a"])]
    assert decoder.is_done
    with pytest.raises(ApiError, match="boom"):
        decoder.close()


# Characters in halves.

HALF = rb"\ud83d"
HALVED = b'data: {"choices":[{"delta":{"content":"a' + HALF + b'"}}]}\n\n'
HALVED += rb'data: {"choices":[{"delta":{"content":"\ude00 \ud83d\ude00"}}]}' + b"\n\n"
HALVED += b'data: {"choices":[{"delta":{"content":"\xf0\x9f"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
REPLACED = [TextDelta("a\ufffd"), TextDelta("\ufffd 😀"), TextDelta("\ufffd"), STOP]


@shows("half-characters")
@pytest.mark.parametrize("cut", range(len(HALVED)))
def test_half_a_character_fails_nothing_however_it_is_split(cut: int) -> None:
    assert decode(HALVED[:cut], HALVED[cut:]) == REPLACED


def test_half_a_character_fails_nothing_byte_by_byte() -> None:
    assert decode(*(bytes([byte]) for byte in HALVED)) == REPLACED


def test_half_a_character_in_a_whole_reply_fails_nothing() -> None:
    assert decode(b'{"choices":[{"message":{"content":"a' + HALF + b'"}}]}') == [TextDelta("a\ufffd"), STOP]


def test_a_character_that_an_argument_escapes_is_not_half() -> None:
    data = stream(calling(piece('{"a": "\\ud83d', "f")), calling(piece('\\ude00"}')), choice({}, "stop"))
    arguments = [delta.arguments for delta in decode(data) if isinstance(delta, ToolCallDelta)]
    assert json.loads("".join(arguments)) == {"a": "😀"}


@shows("served-tiers")
@pytest.mark.parametrize(("tier", "result"), [("flex", ["flex"]), ("on_demand", []), (None, []), (7, [])])
def test_the_tier_that_served_is_reported_once(tier: object, result: list[str]) -> None:
    chunks = stream(*[choice({"content": "a"}, end) | {"service_tier": tier} for end in (None, "stop")])
    cost = {"prompt_tokens": 1, "completion_tokens": 0, "total_tokens": 0}
    for data in (
        chunks,
        whole({"content": "a"}, service_tier=tier),
        whole({"content": "a"}, service_tier=tier, usage=cost),
    ):
        deltas = decode(data)
        assert [delta.fields["service_tier"] for delta in deltas if isinstance(delta, ResponseFields)] == result
