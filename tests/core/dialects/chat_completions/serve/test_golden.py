"""Golden transcripts of the routes of chat clients: the chunks and the body of each answer, as a person last read them.

The `openai` package's models have judged the same answers in `test_chunks` and `test_whole`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.dialects.chat_completions.serve.generations import WEATHER, chat, chunks, completion, whole

USAGE = {"stream_options": {"include_usage": True}}
SHORT = {"max_tokens": 6}
ASKED: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "text": (chat, {**SHORT, **USAGE}),
    "usage_in_chunks": (chat, {**SHORT, "stream_options": {"include_usage": True, "continuous_usage_stats": True}}),
    "logprobs": (chat, {"max_tokens": 2, "logprobs": True, "top_logprobs": 2}),
    "reasoning": (chat, {**SHORT, "reasoning_effort": "low"}),
    "call": (chat, {"tools": [WEATHER], "tool_choice": "required"}),
    "choices": (chat, {**SHORT, **USAGE, "n": 2}),
    "json_schema": (
        chat,
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {
                    "name": "city",
                    "schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
                },
            }
        },
    ),
    "completion": (completion, {"max_tokens": 3, "prompt": ["Once", "Twice"], **USAGE}),
    "completion_logprobs": (completion, {"max_tokens": 2, "logprobs": 1}),
}


@pytest.mark.parametrize("name", ASKED)
def test_an_answer_is_as_it_was(name: str, golden: Callable[[str | Path, str], None]) -> None:
    generation, asked = ASKED[name]
    lines = [*chunks(generation(stream=True, **asked), prompt_tokens=13)]
    lines.append(whole(generation(**{key: value for key, value in asked.items() if key != "stream_options"})))
    golden(f"transcripts/chat/{name}.txt", "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines))
