"""What chat clients ask for, in few words, and what the built-in model answers."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from core.kit import LIMITS, Json
from penstock.dialects import synthetic
from penstock.dialects.chat_completions.serve.chunks import ChatChunks, TextChunks
from penstock.dialects.chat_completions.serve.requests import ChatRequest, CompletionRequest
from penstock.dialects.chat_completions.serve.turns import Generation, chat_generation, completion_generation
from penstock.dialects.chat_completions.serve.whole import CompletionWriter
from penstock.dialects.synthetic import vocabulary
from penstock.dialects.synthetic.options import SyntheticOptions

CREATED = 1_700_000_000
HELLO = [{"role": "user", "content": "What is the weather in Paris today?"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def chat(**fields: Any) -> Generation:
    body = {"model": "synthetic", "messages": HELLO} | fields
    request = msgspec.json.decode(json.dumps(body), type=ChatRequest)
    return chat_generation(request, "synthetic", "synthetic", LIMITS)


def completion(**fields: Any) -> Generation:
    body = {"model": "synthetic", "prompt": "Once upon a time"} | fields
    request = msgspec.json.decode(json.dumps(body), type=CompletionRequest)
    return completion_generation(request, "synthetic", "synthetic", LIMITS, vocabulary)


def chunks(generation: Generation, prompt_tokens: int = 0, tokens_per_delta: int = 1) -> list[Json]:
    """The chunks of the model's answer. The last event is `[DONE]`."""
    kind = ChatChunks if generation.kind == "chat" else TextChunks
    writer = kind(generation, id="chatcmpl-1", created=CREATED)
    writer.count(prompt_tokens=prompt_tokens, tokens_per_delta=tokens_per_delta)
    options = SyntheticOptions(tokens_per_delta=tokens_per_delta)
    sent = b""
    for choice, turn in enumerate(generation.turns):
        for batch in synthetic.generate(turn, options):
            sent += writer.write(choice, batch)
    *events, done, rest = (sent + writer.close()).decode().split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    return [json.loads(event.removeprefix("data: ")) for event in events]


def whole(generation: Generation) -> Json:
    """The model's answer as one body."""
    writer = CompletionWriter(generation)
    for choice, turn in enumerate(generation.turns):
        for batch in synthetic.generate(turn):
            writer.add(choice, batch)
    body: Json = json.loads(writer.write(id="chatcmpl-1", created=CREATED))
    return body
