"""The chunks of a stream: the `openai` package accepts each, and the dialect's own decoder reads the same deltas."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import Completion
from openai.types.chat import ChatCompletionChunk

from core.dialects.chat_completions.decoded import decode
from core.dialects.chat_completions.serve.generations import CREATED, WEATHER, chat, chunks, completion, whole
from core.kit import CUTS, singly, split
from penstock.dialects.chat_completions.serve.chunks import ChatChunks
from penstock.errors import rate_limited
from penstock.transcript.deltas import (
    Delta,
    Finish,
    ReasoningDelta,
    ReasoningRun,
    RefusalDelta,
    TextDelta,
    TextRun,
    ToolCallDelta,
    UsageDelta,
)
from penstock.wire import InputTokensDetails, Logprob, OutputTokensDetails, TopLogprob, Usage
from requirements import shows

WORDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
LOGPROBS = st.builds(
    lambda token: Logprob(
        token=token,
        logprob=-0.5,
        bytes=list(token.encode()),
        top_logprobs=[TopLogprob(token=token, logprob=-0.5, bytes=list(token.encode()))],
    ),
    WORDS,
)
THOUGHTS = st.lists(st.lists(WORDS, min_size=1, max_size=4).map(ReasoningRun) | WORDS.map(ReasoningDelta), max_size=3)
TEXTS = st.lists(
    st.lists(WORDS, min_size=1, max_size=4).map(TextRun)
    | WORDS.map(TextDelta)
    | LOGPROBS.map(lambda logprob: TextDelta(logprob.token, [logprob]))
    | WORDS.map(RefusalDelta),
    max_size=4,
)
ARGUMENTS = st.lists(st.text(st.characters(codec="utf-8"), max_size=6), max_size=3)


@st.composite
def turns(draw: st.DrawFn) -> list[Delta]:
    """The deltas of a turn: reasoning, text, calls, and the end."""
    deltas: list[Delta] = [*draw(THOUGHTS), *draw(TEXTS)]
    for index, pieces in enumerate(draw(st.lists(ARGUMENTS, max_size=3))):
        deltas.append(ToolCallDelta(index=index, call_id=f"call_{index}", name=f"f{index}"))
        deltas += [ToolCallDelta(index=index, arguments=piece) for piece in pieces]
    counts = draw(st.tuples(*[st.integers(0, 1_000)] * 4))
    deltas.append(
        UsageDelta(
            Usage(
                input_tokens=counts[0],
                input_tokens_details=InputTokensDetails(cached_tokens=counts[1]),
                output_tokens=counts[2],
                output_tokens_details=OutputTokensDetails(reasoning_tokens=counts[3]),
                total_tokens=counts[0] + counts[2],
            )
        )
    )
    return [*deltas, Finish(draw(st.sampled_from([None, "max_output_tokens", "content_filter"])))]


@shows("synthetic-chat")
@given(turns(), CUTS, st.booleans())
def test_the_decoder_reads_the_deltas_back(deltas: list[Delta], cuts: list[int], counts: bool) -> None:
    options = {"include_usage": True, "continuous_usage_stats": counts}
    writer = ChatChunks(chat(stream=True, stream_options=options), id="chatcmpl-1", created=CREATED)
    sent = writer.write(0, deltas[:1]) + writer.write(0, deltas[1:]) + writer.close()
    read = [delta for delta in decode(*split(sent, cuts)) if not (counts and isinstance(delta, UsageDelta))]
    wanted = [delta for delta in singly(deltas) if not (counts and isinstance(delta, UsageDelta))]
    assert _without_end(read) == _without_end(wanted)
    assert [type(delta) for delta in read if isinstance(delta, Finish)] == [Finish]


def _without_end(deltas: list[Delta]) -> list[Delta]:
    """The usage comes after the end in chunks, and before it in deltas."""
    return sorted(deltas, key=lambda delta: isinstance(delta, Finish))


ASKED: dict[str, dict[str, Any]] = {
    "plain": {},
    "usage": {"stream_options": {"include_usage": True}},
    "counts": {"stream_options": {"include_usage": True, "continuous_usage_stats": True}},
    "logprobs": {"logprobs": True, "top_logprobs": 2},
    "reasoning": {"reasoning_effort": "low"},
    "call": {"tools": [WEATHER], "tool_choice": "required"},
    "choices": {"n": 3, "stream_options": {"include_usage": True}},
    "limit": {"max_completion_tokens": 4},
    "json": {"response_format": {"type": "json_object"}},
}


@pytest.mark.parametrize("name", ASKED)
def test_the_package_accepts_every_chunk(name: str) -> None:
    for chunk in chunks(chat(stream=True, **ASKED[name])):
        ChatCompletionChunk.model_validate(chunk, strict=True)
        assert chunk["object"] == "chat.completion.chunk"


@pytest.mark.parametrize("name", ASKED)
def test_a_stream_and_a_body_have_the_same_content(name: str) -> None:
    body = whole(chat(**{key: value for key, value in ASKED[name].items() if key != "stream_options"}))
    for choice in body["choices"]:
        own = [
            chunk["choices"][0]
            for chunk in chunks(chat(stream=True, **ASKED[name]))
            if chunk["choices"] and chunk["choices"][0]["index"] == choice["index"]
        ]
        message = choice["message"]
        texts = [chunk["delta"].get("content") or "" for chunk in own]
        assert "".join(texts) == (message["content"] or "")
        assert "".join(chunk["delta"].get("reasoning", "") for chunk in own) == message.get("reasoning", "")
        calls = [call for chunk in own for call in chunk["delta"].get("tool_calls", ())]
        arguments = "".join(call["function"]["arguments"] for call in calls)
        assert arguments == "".join(call["function"]["arguments"] for call in message.get("tool_calls", ()))
        assert own[0]["delta"] == {"role": "assistant", "content": ""}
        assert [chunk["finish_reason"] for chunk in own if chunk["finish_reason"]] == [choice["finish_reason"]]


def test_every_chunk_counts_the_tokens_where_the_client_asks_for_it() -> None:
    sent = chunks(chat(stream=True, **ASKED["counts"]), prompt_tokens=13)
    counts = [chunk["usage"]["completion_tokens"] for chunk in sent]
    assert counts == [0, *range(1, len(sent) - 2), len(sent) - 3, len(sent) - 3]
    assert {chunk["usage"]["prompt_tokens"] for chunk in sent} == {13}
    assert sent[-1]["choices"] == []
    assert sent[-1]["usage"]["total_tokens"] == 13 + counts[-1]


def test_a_chunk_may_have_several_tokens() -> None:
    sent = chunks(chat(stream=True, max_tokens=10, **ASKED["counts"]), tokens_per_delta=4)
    assert [chunk["usage"]["completion_tokens"] for chunk in sent] == [0, 4, 8, 10, 10, 10]


def test_without_usage_no_chunk_has_the_key() -> None:
    assert all("usage" not in chunk for chunk in chunks(chat(stream=True)))
    *others, last = chunks(chat(stream=True, **ASKED["usage"]))
    assert {chunk["usage"] for chunk in others} == {None}
    assert last["usage"]["completion_tokens"] == len(others) - 2


def test_a_client_may_leave_out_the_reasoning() -> None:
    with_it = chunks(chat(stream=True, reasoning_effort="low"))
    without = chunks(chat(stream=True, reasoning_effort="low", include_reasoning=False))
    assert any("reasoning" in chunk["choices"][0]["delta"] for chunk in with_it)
    assert not any("reasoning" in chunk["choices"][0]["delta"] for chunk in without)


def test_both_names_of_reasoning_have_the_same_text() -> None:
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks(chat(stream=True, reasoning_effort="low"))]
    assert [delta for delta in deltas if delta.get("reasoning") != delta.get("reasoning_content")] == []


@pytest.mark.parametrize(
    "asked",
    [{}, {"logprobs": 2}, {"prompt": ["a", "b"], "n": 2}, {"stream_options": {"include_usage": True}}],
    ids=["plain", "logprobs", "choices", "usage"],
)
def test_the_package_accepts_every_chunk_of_a_completion(asked: dict[str, Any]) -> None:
    sent = chunks(completion(stream=True, **asked))
    body = whole(completion(**{key: value for key, value in asked.items() if key != "stream_options"}))
    for chunk in sent:  # the package has one model for chunks and bodies, and OpenAI's chunks have null here too
        ended = [choice | {"finish_reason": choice["finish_reason"] or "stop"} for choice in chunk["choices"]]
        Completion.model_validate(chunk | {"choices": ended}, strict=True)
    for choice in body["choices"]:
        own = [each for chunk in sent for each in chunk["choices"] if each["index"] == choice["index"]]
        assert "".join(each["text"] for each in own) == choice["text"]
        assert own[-1]["finish_reason"] == choice["finish_reason"]
        if choice["logprobs"]:
            offsets = [offset for each in own if each["logprobs"] for offset in each["logprobs"]["text_offset"]]
            assert offsets == choice["logprobs"]["text_offset"]


def test_a_stream_that_fails_ends_with_the_error() -> None:
    writer = ChatChunks(chat(stream=True), id="chatcmpl-1", created=CREATED)
    error, done, rest = writer.fail(rate_limited("Slow down.", 7)).split(b"\n\n")
    assert json.loads(error.removeprefix(b"data: "))["error"]["code"] == "rate_limit_exceeded"
    assert (done, rest) == (b"data: [DONE]", b"")


def test_a_run_is_one_piece_with_a_chunk_for_each_text() -> None:
    writer = ChatChunks(chat(stream=True), id="chatcmpl-1", created=CREATED)
    assert writer.write(0, [TextRun(["a", "b", "c"])]).count(b"\n\n") == 1 + 3
    assert writer.write(0, [TextRun(["d", "e"])]).count(b"\n\n") == 2
