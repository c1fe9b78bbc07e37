"""Whole completions: the `openai` package's models accept them, with every parameter that changes their form."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types import Completion
from openai.types.chat import ChatCompletion

from core.dialects.chat_completions.decoded import decode
from core.dialects.chat_completions.serve.generations import CREATED, WEATHER, chat, completion, whole
from core.kit import singly
from penstock.dialects import synthetic
from penstock.dialects.chat_completions.serve.whole import CompletionWriter
from penstock.transcript.deltas import Finish, TextDelta, ToolCallDelta, UsageDelta
from requirements import shows


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"n": 2},
        {"logprobs": True, "top_logprobs": 3},
        {"reasoning_effort": "low"},
        {"tools": [WEATHER], "tool_choice": "required"},
        {"response_format": {"type": "json_object"}},
        {"max_tokens": 3},
    ],
    ids=lambda asked: next(iter(asked), "plain"),
)
@shows("synthetic-chat")
def test_the_package_accepts_a_chat_completion(asked: dict[str, Any]) -> None:
    body = whole(chat(**asked))
    read = ChatCompletion.model_validate(body, strict=True)
    assert len(read.choices) == asked.get("n", 1)
    assert read.usage is not None
    assert read.usage.total_tokens == read.usage.prompt_tokens + read.usage.completion_tokens


def test_the_decoder_reads_a_whole_body_back() -> None:
    generation = chat(tools=[WEATHER], tool_choice="required")
    [batch] = synthetic.generate(generation.turns[0])
    writer = CompletionWriter(generation)
    writer.add(0, batch)
    read = decode(writer.write(id="chatcmpl-1", created=CREATED))
    assert {type(delta) for delta in read} == {ToolCallDelta, UsageDelta, Finish}
    assert sorted(map(repr, read)) == sorted(map(repr, singly(batch)))


def test_choices_differ_and_the_prompt_counts_once() -> None:
    one, three = whole(chat()), whole(chat(n=3))
    texts = [choice["message"]["content"] for choice in three["choices"]]
    assert len(set(texts)) == 3
    assert texts[0] == one["choices"][0]["message"]["content"]
    assert three["usage"]["prompt_tokens"] == one["usage"]["prompt_tokens"]
    assert three["usage"]["completion_tokens"] > one["usage"]["completion_tokens"]


def test_a_limit_ends_a_choice_with_its_length() -> None:
    [choice] = whole(chat(max_completion_tokens=3))["choices"]
    assert choice["finish_reason"] == "length"
    [choice] = whole(chat(tools=[WEATHER], tool_choice="required"))["choices"]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("tool_calls", None)


def test_pieces_of_a_choice_are_joined() -> None:
    writer = CompletionWriter(chat())
    writer.add(0, [TextDelta("a"), ToolCallDelta(index=0, call_id="c", name="f"), TextDelta("b")])
    writer.add(0, [ToolCallDelta(index=0, arguments="{"), ToolCallDelta(index=0, arguments="}"), Finish()])
    assert b'"content":"ab"' in (body := writer.write(id="x", created=1))
    assert b'"arguments":"{}"' in body


@shows("synthetic-chat")
def test_the_package_accepts_a_completion() -> None:
    body = whole(completion(prompt=["a", "bb"], n=2, logprobs=1))
    read = Completion.model_validate(body, strict=True)
    assert [choice.index for choice in read.choices] == [0, 1, 2, 3]
    assert read.usage is not None
    assert (read.usage.prompt_tokens, read.usage.completion_tokens) == (2, 64)


def test_a_completion_has_sixteen_tokens_unless_it_asks_for_another_limit() -> None:
    assert whole(completion())["usage"]["completion_tokens"] == 16
    assert whole(completion(max_tokens=5))["usage"]["completion_tokens"] == 5


def test_tokens_are_a_prompt_too() -> None:
    by_text, by_tokens = whole(completion(prompt="abcd")), whole(completion(prompt=[1_650_680_933 + 16_843_009]))
    assert by_tokens["usage"]["prompt_tokens"] == by_text["usage"]["prompt_tokens"] == 1
