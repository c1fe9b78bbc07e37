"""What a turn cost, by other names and in odd numbers. The answer stays, whatever stands there."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from core.dialects.chat_completions.decoded import bytewise, choice, decode, stream, whole
from core.kit import Json
from penstock.dialects.chat_completions.passed_usage import passed_usage
from penstock.transcript.deltas import Delta, TextDelta, UsageDelta
from requirements import shows

ODD: dict[str, tuple[Any, tuple[int, int, int] | None]] = {
    "texts": ({"prompt_tokens": "9", "completion_tokens": " 7 ", "total_tokens": "16"}, (9, 7, 16)),
    "fractions": ({"prompt_tokens": 14417.92, "completion_tokens": 7.0}, (14417, 7, 14424)),
    "texts of fractions": ({"prompt_tokens": "14417.92", "completion_tokens": "1e2"}, (14417, 100, 14517)),
    "no object": ([], None),
    "a text": ("n/a", None),
    "a number": (9, None),
    "an empty object": ({}, None),
    "nulls": ({"prompt_tokens": None, "completion_tokens": None, "prompt_tokens_details": None}, None),
    "words": ({"prompt_tokens": "n/a", "completion_tokens": "many"}, None),
    "lists": ({"prompt_tokens": [9], "completion_tokens": {"all": 7}}, None),
    "truth values": ({"prompt_tokens": True, "completion_tokens": False}, None),
    "less than nothing": ({"prompt_tokens": -1, "completion_tokens": -7}, None),
    "more than can be": ({"prompt_tokens": 10**30, "completion_tokens": 1}, None),
    "no number": ({"prompt_tokens": float("nan"), "completion_tokens": float("inf")}, None),
    "one of two": ({"prompt_tokens": 9, "completion_tokens": "n/a"}, None),
    "one of two, and the sum": ({"prompt_tokens": 9, "completion_tokens": "n/a", "total_tokens": 16}, (9, 7, 16)),
    "details that are none": (
        {"prompt_tokens": 9, "completion_tokens": 7, "prompt_tokens_details": [], "completion_tokens_details": "x"},
        (9, 7, 16),
    ),
    "an odd sum": ({"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": "all"}, (9, 7, 16)),
}


def costs(deltas: list[Delta]) -> list[Any]:
    return [delta.usage for delta in deltas if isinstance(delta, UsageDelta)]


@shows("odd-usage")
@pytest.mark.parametrize(("usage", "result"), ODD.values(), ids=ODD)
def test_odd_numbers_cost_no_answer(usage: Any, result: tuple[int, int, int] | None) -> None:
    data = stream(choice({"content": "a"}), choice({}, "stop") | {"usage": usage})
    for deltas in (decode(data), decode(*bytewise(data)), decode(whole({"content": "a"}, usage=usage))):
        assert TextDelta("a") in deltas
        counted = [(one.input_tokens, one.output_tokens, one.total_tokens) for one in costs(deltas)]
        assert counted == ([result] if result else [])


def test_the_cost_may_stand_in_the_choice() -> None:
    data = stream(choice({"content": "a"}, "stop", usage={"prompt_tokens": 9, "completion_tokens": "7"}))
    assert [(one.input_tokens, one.output_tokens) for one in costs(decode(data))] == [(9, 7)]


def test_odd_numbers_do_not_replace_good_ones() -> None:
    good, odd = {"prompt_tokens": 9, "completion_tokens": 7}, {"prompt_tokens": None}
    data = stream(choice({"content": "a"}, "stop"), {"choices": [], "usage": good}, {"choices": [], "usage": odd})
    assert [one.input_tokens for one in costs(decode(data))] == [9]


PARTS: dict[str, list[Any]] = {
    "one after the other": [{"prompt_tokens": 9}, {"completion_tokens": 7}],
    "with zeros for the rest": [
        {"prompt_tokens": 9, "completion_tokens": 0, "total_tokens": 9},
        {"prompt_tokens": 0, "completion_tokens": 7, "total_tokens": 7},
    ],
    "Anthropic": [{"input_tokens": 9, "output_tokens": 1}, {"output_tokens": 7}],
    "in every chunk": [{"prompt_tokens": 9, "completion_tokens": count} for count in (1, 3, 7)],
    "zeros last": [{"prompt_tokens": 9, "completion_tokens": 7}, {"prompt_tokens": 0, "completion_tokens": 0}],
    "nothing last": [{"prompt_tokens": 9, "completion_tokens": 7}, {}, None],
}


@shows("odd-usage")
@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
def test_the_cost_may_come_in_parts(parts: list[Any]) -> None:
    data = stream(*(choice({"content": "a"}) | {"usage": part} for part in parts), choice({}, "stop"))
    last = costs(decode(data))[-1]
    assert (last.input_tokens, last.output_tokens, last.total_tokens) == (9, 7, 16)


ASIDE: dict[str, Json] = {
    "Groq": {"x_groq": {"id": "r", "usage": {"prompt_tokens": 9, "completion_tokens": 7}}},
    "llama.cpp": {"timings": {"prompt_n": 5, "cache_n": 4, "predicted_n": 7, "predicted_ms": 1.5}},
    "Gemini": {"usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 7}},
}


@shows("odd-usage")
@pytest.mark.parametrize("aside", ASIDE.values(), ids=ASIDE)
def test_the_cost_may_stand_elsewhere(aside: Json) -> None:
    for data in (stream(choice({"content": "a"}), choice({}, "stop") | aside), whole({"content": "a"}, **aside)):
        assert [(one.input_tokens, one.output_tokens) for one in costs(decode(data))] == [(9, 7)]


BOTH: Json = {"prompt_tokens": 9, "completion_tokens": 7}
NAMES: dict[str, tuple[Json, tuple[int, int, int, int, int]]] = {
    "OpenAI": (
        BOTH | {"prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 3}},
        (9, 7, 4, 0, 3),
    ),
    "DeepSeek": (BOTH | {"prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 5}, (9, 7, 4, 0, 0)),
    "Kimi": (BOTH | {"cached_tokens": 4}, (9, 7, 4, 0, 0)),
    "Anthropic behind a gateway": (
        BOTH | {"cache_read_input_tokens": 4, "cache_creation_input_tokens": 2},
        (9, 7, 4, 2, 0),
    ),
    "Anthropic": (
        {"input_tokens": 3, "output_tokens": 7, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 2},
        (9, 7, 4, 2, 0),
    ),
    "Responses": (
        {
            "input_tokens": 9,
            "output_tokens": 7,
            "input_tokens_details": {"cached_tokens": 4},
            "output_tokens_details": {"reasoning_tokens": 3},
        },
        (9, 7, 4, 0, 3),
    ),
    "Gemini": (BOTH | {"cached_content_token_count": 4}, (9, 7, 4, 0, 0)),
    "Gemini's own": (
        {
            "promptTokenCount": 9,
            "candidatesTokenCount": 7,
            "thoughtsTokenCount": 3,
            "cachedContentTokenCount": 4,
            "totalTokenCount": 19,
        },
        (9, 10, 4, 0, 3),
    ),
    "capitals": ({"promptTokens": 9, "completionTokens": 7, "totalTokens": 16}, (9, 7, 0, 0, 0)),
    "Gemini's Python names": (
        {"prompt_token_count": 9, "candidates_token_count": 7, "total_token_count": 16},
        (9, 7, 0, 0, 0),
    ),
    "Bedrock": (
        {"inputTokens": 9, "outputTokens": 7, "totalTokens": 16, "cacheReadInputTokens": 4},
        (9, 7, 4, 0, 0),
    ),
    "Mistral": (BOTH | {"num_cached_tokens": 4}, (9, 7, 4, 0, 0)),
    "thinking": (BOTH | {"completion_tokens_details": {"thinking_tokens": 3}}, (9, 7, 0, 0, 3)),
    "xAI, whose answer is counted without its thoughts": (
        BOTH | {"total_tokens": 25, "completion_tokens_details": {"reasoning_tokens": 9}},
        (9, 16, 0, 0, 9),
    ),
    "LiteLLM": (
        BOTH | {"prompt_tokens_details": {"cached_tokens": None, "cache_creation_tokens": 2}, "reasoning_tokens": 3},
        (9, 7, 0, 2, 3),
    ),
    "the zero of one name and the count of another": (
        BOTH | {"prompt_tokens_details": {"cached_tokens": 0}, "cache_read_input_tokens": 4},
        (9, 7, 4, 0, 0),
    ),
    "texts": (BOTH | {"prompt_tokens_details": {"cached_tokens": "4"}}, (9, 7, 4, 0, 0)),
}


@shows("odd-usage")
@pytest.mark.parametrize(("usage", "result"), NAMES.values(), ids=NAMES)
def test_the_cache_is_counted_by_any_name(usage: Json, result: tuple[int, ...]) -> None:
    for data in (stream(choice({"content": "a"}, "stop") | {"usage": usage}), whole({"content": "a"}, usage=usage)):
        (one,) = costs(decode(data))
        details = one.input_tokens_details
        reasoning = one.output_tokens_details.reasoning_tokens
        counted = (one.input_tokens, one.output_tokens, details.cached_tokens, details.cache_write_tokens, reasoning)
        assert counted == result
        json.dumps(counted)


COUNTS = b'{"prompt_tokens":9,"completion_tokens":7}'
ENDS: dict[str, tuple[bytes, tuple[int, int] | None]] = {
    "a body": (b'{"choices":[{"message":{"content":"Hi"}}],"usage":%b}' % COUNTS, (9, 7)),
    "the end of a body": (b'"}}], "usage" : { "prompt_tokens": 9, "completion_tokens": 7 }, "id": "x"}', (9, 7)),
    "details": (b'"usage":{"prompt_tokens_details":{"cached_tokens":2},%b}' % COUNTS[1:-1], (9, 7)),
    "the last of several": (b'data: {"usage":{}}\n\ndata: {"usage":%b}\n\ndata: [DONE]\n\n' % COUNTS, (9, 7)),
    "Responses": (b'{"usage":{"input_tokens":9,"output_tokens":7,"total_tokens":16}}', (9, 7)),
    "null": (b'{"choices":[],"usage":null}', None),
    "a part of it": (b'{"usage":{"prompt_tokens":9,"completion_to', None),
    "without its beginning": (b'ge":{"prompt_tokens":9,"completion_tokens":7}}', None),
    "in a text": (rb'{"content":"\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":7}"}', None),
    "broken": (b'{"usage":{prompt}}', None),
    "nothing": (b"", None),
}


@shows("metrics")
@pytest.mark.parametrize("name", ENDS)
def test_the_usage_at_the_end_of_a_reply_that_is_passed_through(name: str) -> None:
    end, wanted = ENDS[name]
    found = passed_usage(end)
    assert (found and (found.input_tokens, found.output_tokens)) == wanted


@pytest.mark.parametrize("name", ODD)
def test_an_odd_usage_that_is_passed_through_is_read_the_same(name: str) -> None:
    reported, wanted = ODD[name]
    found = passed_usage(json.dumps({"usage": reported}).encode())
    assert (found and (found.input_tokens, found.output_tokens, found.total_tokens)) == wanted


def test_the_end_of_a_reply_is_read_in_linear_time() -> None:
    began_s = time.process_time()
    for end in (b'"usage":{' + b"{}" * 500_000, b'"usage":{' * 100_000, b'"usage":{' + b"{" * 900_000):
        assert passed_usage(end) is None
    assert time.process_time() - began_s < 1
