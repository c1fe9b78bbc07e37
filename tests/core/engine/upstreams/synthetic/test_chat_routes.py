"""The routes of chat clients: thousands of requests, most of them wrong, are answered as they should be."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest
from openai.types import Completion, CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel

from core.fuzzing import check_blame
from core.kit import LIMITS, Answer, Json, ask, service
from core.mutations import mutated
from penstock.engine.upstreams.synthetic.chat_routes import ChatRoutes
from penstock.engine.upstreams.synthetic.upstream import SyntheticUpstream
from penstock.errors import invalid, upstream_failed
from penstock.ports import Deltas, PassthroughRequest, Turn
from penstock.service import Service
from penstock.transcript.deltas import Delta, Finish, TextDelta
from support import oracle
from support.scripts import WEATHER

HELLO: Json = {"role": "user", "content": "What is a penstock?"}
TOOL: Json = {"type": "function", "function": {key: WEATHER[key] for key in ("name", "parameters")}}
HISTORY: list[Json] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {"url": "x"}}]},
    {
        "role": "assistant",
        "content": None,
        "reasoning_content": "Hm",
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "c", "content": "21"},
]
VALID: list[tuple[str, Json]] = [
    ("/chat/completions", {"messages": [HELLO]}),
    ("/chat/completions", {"messages": [HELLO], "stream": True, "stream_options": {"include_usage": True}}),
    ("/chat/completions", {"messages": HISTORY, "tools": [TOOL], "max_tokens": 9, "stop": ["a"], "n": 2, "seed": 1}),
    ("/chat/completions", {"messages": [HELLO], "tools": [TOOL], "tool_choice": "required", "logprobs": True}),
    ("/chat/completions", {"messages": [HELLO], "response_format": {"type": "json_object"}, "reasoning_effort": "low"}),
    ("/completions", {"prompt": ["Once", "Twice"], "max_tokens": 9, "logprobs": 2, "stream": True}),
    ("/completions", {"prompt": [1768320365, 112], "ignore_eos": True, "min_tokens": 3}),
    ("/embeddings", {"input": ["a", "b"], "dimensions": 3}),
    ("/tokenize", {"messages": HISTORY, "return_token_strs": True}),
    ("/detokenize", {"tokens": [1768320365, 112]}),
]
BODIES: dict[str, type[BaseModel]] = {
    "chat.completion": ChatCompletion,
    "text_completion": Completion,
    "list": CreateEmbeddingResponse,
}
COUNT = 2_000


def server() -> Service:
    return service(SyntheticUpstream(LIMITS))


def check(answer: Answer, body: bytes) -> None:
    """Raises where a reply is not as it should be."""
    if answer.status >= 400:
        assert answer.status in (400, 404), answer
        check_blame(oracle.check_error(answer.json()), body)
    elif answer.headers["content-type"].startswith("text/event-stream"):
        *events, done, _ = answer.body.decode().split("\n\n")
        assert done == "data: [DONE]"
        for event in events:
            chunk = json.loads(event.removeprefix("data: "))
            if chunk["object"] == "chat.completion.chunk":
                ChatCompletionChunk.model_validate(chunk, strict=True)
    elif model := BODIES.get(answer.json().get("object")):
        model.model_validate(answer.json(), strict=True)


@pytest.mark.slow
def test_thousands_of_requests() -> None:
    """The same on every machine. A fault of the server would be a 500."""
    rng = Random(1_742)
    statuses: Counter[int] = Counter()

    async def asked() -> None:
        running = server()
        for _ in range(COUNT):
            path, valid = rng.choice(VALID)
            body = mutated(rng, valid)
            answer = await ask(running, body, path=f"/v1{path}")
            statuses[answer.status] += 1
            check(answer, body)

    asyncio.run(asked())
    assert statuses[200] > COUNT / 10 < statuses[400]


@pytest.mark.parametrize(("path", "body"), VALID)
def test_the_valid_ones_are_answered(path: str, body: Json) -> None:
    answer = asyncio.run(ask(server(), body, path=path))
    assert answer.status == 200, answer
    check(answer, json.dumps(body).encode())


class ChoiceDeltas:
    """The deltas of a choice."""

    def __init__(self, *batches: list[Delta] | Exception) -> None:
        self.batches = iter(batches)
        self.closed = 0

    def __aiter__(self) -> AsyncIterator[list[Delta]]:
        return self

    async def __anext__(self) -> list[Delta]:
        for batch in self.batches:
            if isinstance(batch, Exception):
                raise batch
            return batch
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.closed += 1


class Choices(SyntheticUpstream):
    """A model whose choices are given."""

    def __init__(self, *choices: ChoiceDeltas | Exception) -> None:
        super().__init__(LIMITS)
        self.choices = list(choices)

    async def open(self, turn: Turn) -> Deltas:
        choice = self.choices.pop(0)
        if isinstance(choice, Exception):
            raise choice
        return choice


def relayed(model: Choices, **fields: Any) -> list[bytes]:
    """The pieces of the reply to a chat."""

    async def read() -> list[bytes]:
        body = json.dumps({"messages": [HELLO]} | fields).encode()
        request = PassthroughRequest(
            path="/chat/completions", body=body, model="synthetic", named=None, stream=bool(fields.get("stream"))
        )
        reply = await ChatRoutes(model, LIMITS, "ignore").relay(request)
        try:
            return [piece async for piece in reply]
        finally:
            await reply.aclose()

    return asyncio.run(read())


def test_choices_are_read_in_turn() -> None:
    one, two = (ChoiceDeltas([TextDelta(f"{name}1")], [TextDelta(f"{name}2")], [Finish()]) for name in "ab")
    pieces = relayed(Choices(one, two), n=2, stream=True)
    texts = [json.loads(piece.split(b"data: ")[-1])["choices"][0]["delta"].get("content") for piece in pieces[:4]]
    assert texts == ["a1", "b1", "a2", "b2"]
    assert (one.closed, two.closed) == (1, 1)


def test_a_choice_that_cannot_begin_closes_the_others() -> None:
    one = ChoiceDeltas([TextDelta("a")])
    with pytest.raises(Exception, match="No"):
        relayed(Choices(one, invalid("No.", "input")), n=2, stream=True)
    assert one.closed == 1


def test_a_stream_that_fails_ends_with_the_error() -> None:
    choice = ChoiceDeltas([TextDelta("a")], upstream_failed("It broke."))
    first, last = relayed(Choices(choice), stream=True)
    assert b'"content":"a"' in first
    assert last.endswith(b"data: [DONE]\n\n")
    assert b"It broke." in last


def test_a_body_that_fails_is_an_error() -> None:
    choice = ChoiceDeltas([TextDelta("a")], upstream_failed("It broke."))
    with pytest.raises(Exception, match=r"It broke\."):
        relayed(Choices(choice))
    assert choice.closed == 1
