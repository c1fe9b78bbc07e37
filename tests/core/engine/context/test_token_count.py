"""Counting: by the upstream's own routes, by the model in this process, or by the estimate."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from core.kit import LIMITS, Json, Scripted, ScriptedReply, plan
from penstock.dialects import synthetic
from penstock.dialects.chat_completions import ChatCompletions, Options
from penstock.engine import LocalUpstream, RemoteUpstream, count_input
from penstock.engine.context.estimate import estimate_input
from penstock.engine.context.token_count import Count
from penstock.engine.upstreams.context_windows import ContextSizes, configured_size
from penstock.errors import ApiError
from penstock.limits import Limits
from penstock.ports import Turn
from penstock.secrets import Secret
from requirements import shows

T = TypeVar("T")

WEATHER = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}, "strict": None}
TURN = plan(model="llama", instructions="Be brief.", input="Hello there?", tools=[WEATHER]).turn
IMAGE = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 40_000}


def go(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(coroutine, 10))


def remote(tokenizer: Any, *replies: Any, limits: Limits = LIMITS, **options: Any) -> tuple[RemoteUpstream, Scripted]:
    transport = Scripted(*replies)
    dialect = ChatCompletions(Options(tokenizer=tokenizer), limits)
    return RemoteUpstream(dialect, transport, limits, **options), transport


def reply(body: Any, status: int = 200) -> ScriptedReply:
    return ScriptedReply(json.dumps(body).encode(), status=status, headers={"content-type": "application/json"})


def counted(body: bytes) -> Json:
    sent: Json = json.loads(body)
    return sent


# Whose count it is.


def test_vllm_is_asked_once_with_messages_and_tools() -> None:
    upstream, transport = remote("vllm", reply({"count": 17, "max_model_len": 4096, "tokens": [1] * 17}))
    assert go(count_input(upstream, TURN, LIMITS)) == Count(17, is_estimated=False)
    [asked] = transport.requests
    assert (asked.method, asked.path, asked.beside_v1) == ("POST", "/tokenize", True)
    sent = counted(asked.body)
    assert sent["model"] == "llama"
    assert [(one["role"], one["content"]) for one in sent["messages"]] == [
        ("system", "Be brief."),
        ("user", "Hello there?"),
    ]
    assert [tool["function"]["name"] for tool in sent["tools"]] == ["get_weather"]


def test_llama_cpp_is_asked_for_the_text_and_then_for_its_tokens() -> None:
    upstream, transport = remote("llama.cpp", reply({"prompt": "<user>Hi"}), reply({"tokens": [1, 2, 3]}))
    assert go(count_input(upstream, TURN, LIMITS)) == Count(3, is_estimated=False)
    template, tokenize = transport.requests
    assert (template.path, template.beside_v1) == ("/apply-template", True)
    assert counted(template.body)["messages"][1]["content"] == "Hello there?"
    assert (tokenize.path, tokenize.beside_v1) == ("/tokenize", True)
    assert counted(tokenize.body) == {"content": "<user>Hi", "add_special": True, "parse_special": True}


def test_without_a_tokenizer_it_is_estimated_without_a_request() -> None:
    upstream, transport = remote("none")
    assert go(count_input(upstream, TURN, LIMITS)) == Count(estimate_input(TURN), is_estimated=True)
    assert not transport.requests


@shows("input-tokens")
@pytest.mark.parametrize("tokenizer", ["vllm", "llama.cpp"])
def test_what_is_no_text_is_estimated(tokenizer: str) -> None:
    turn = plan(input=[{"role": "user", "content": [{"type": "input_text", "text": "See:"}, IMAGE]}]).turn
    upstream, transport = remote(tokenizer)
    assert go(count_input(upstream, turn, LIMITS)).is_estimated
    assert not transport.requests


@pytest.mark.parametrize(
    ("replies", "status"),
    [([reply({"error": "no"}, 400)], 400), ([reply("?")], 502), ([reply({"prompt": "x"}), reply({"count": 1})], 502)],
    ids=["refused", "unreadable", "unreadable the second time"],
)
def test_a_count_that_cannot_be_had_is_an_error(replies: list[Any], status: int) -> None:
    upstream, _ = remote("llama.cpp", *replies)
    with pytest.raises(ApiError) as caught:
        go(count_input(upstream, TURN, LIMITS))
    assert caught.value.status == status


def test_an_upstream_that_counts_forever_is_not_waited_for() -> None:
    limits = Limits(count_wait_s=0.05)
    upstream, _ = remote("vllm", None, limits=limits)
    with pytest.raises(ApiError, match=r"within 0\.05 s") as caught:
        go(count_input(upstream, TURN, limits))
    assert caught.value.status == 504


def test_the_synthetic_model_counts_as_its_usage_will_report() -> None:
    upstream = LocalUpstream(synthetic.generate, synthetic.MODELS, synthetic.count_input)
    assert go(count_input(upstream, TURN, LIMITS)) == Count(_reported_usage(TURN), is_estimated=False)


def _reported_usage(turn: Turn) -> int:
    *_, last = [delta for batch in synthetic.generate(turn) for delta in batch if hasattr(delta, "usage")]
    tokens: int = last.usage.input_tokens
    return tokens


# The sizes of contexts.

LISTS: dict[str, tuple[Json, int | None]] = {
    "vLLM": ({"max_model_len": 4096}, 4096),
    "llama.cpp": ({"meta": {"n_ctx_train": 131_072}}, 131_072),
    "llama.cpp, as it is served": ({"meta": {"n_ctx": 8192, "n_ctx_train": 131_072}}, 8192),
    "OpenRouter": ({"context_length": 32_768}, 32_768),
    "one that tells nothing": ({}, None),
    "one that tells nonsense": ({"max_model_len": 0, "context_length": -1}, None),
}


@pytest.mark.parametrize(("fields", "size"), LISTS.values(), ids=LISTS)
def test_the_list_of_models_reports_the_size(fields: Json, size: int | None) -> None:
    upstream, _ = remote("none", reply({"data": [{"id": "a", **fields}, {"id": "b"}]}))
    assert go(upstream.context_tokens("a", None)) == size


def test_a_server_of_one_model_answers_to_any_name() -> None:
    upstream, _ = remote("none", reply({"data": [{"id": "a.gguf", "context_length": 512}]}))
    assert go(upstream.context_tokens("gpt-5", Secret("sk-theirs"))) == 512


@pytest.mark.parametrize(
    ("configured", "sizes"),
    [
        (1024, {"a": 1024, "other": 1024}),
        ({"a": 1, "a*": 2, "*": 3}, {"a": 1, "ab": 2, "b": 3}),
        ({"a": 1}, {"a": 1, "b": None}),
        (None, {"a": None}),
    ],
)
def test_the_configured_size(configured: Any, sizes: dict[str, int | None]) -> None:
    assert {name: configured_size(configured, name) for name in sizes} == sizes


def test_what_is_configured_is_not_asked_for() -> None:
    upstream, transport = remote("none", context_tokens=2048)
    assert go(upstream.context_tokens("a", None)) == 2048
    assert not transport.requests


class Listing:
    """A list of models that is read, and a clock."""

    def __init__(self, *counted: dict[str, int] | ApiError) -> None:
        self.reported = list(counted)
        self.now = 0.0
        self.read = 0

    def sizes(self) -> ContextSizes:
        return ContextSizes(None, self._read, lambda: self.now)

    async def _read(self, bearer: Secret | None) -> dict[str, int]:
        await asyncio.sleep(0)
        result = self.reported[min(self.read, len(self.reported) - 1)]
        self.read += 1
        if isinstance(result, ApiError):
            raise result
        return result


def test_the_list_is_read_once_for_all() -> None:
    async def main() -> None:
        listing = Listing({"a": 1, "b": 2})
        sizes = listing.sizes()
        assert await asyncio.gather(*(sizes.of(name) for name in "aabb")) == [1, 1, 2, 2]
        listing.now = 1e6
        assert await sizes.of("a") == 1
        assert listing.read == 1

    go(main())


def test_a_model_that_was_not_in_it_has_it_read_again_but_not_all_the_time() -> None:
    async def main() -> None:
        listing = Listing({"a": 1, "b": 2}, {"a": 1, "b": 2, "c": 3})
        sizes = listing.sizes()
        assert [await sizes.of("c"), await sizes.of("c"), listing.read] == [None, None, 1]
        listing.now = 61.0
        assert [await sizes.of("c"), listing.read] == [3, 2]

    go(main())


def test_a_list_that_cannot_be_had_is_tried_again_later() -> None:
    async def main() -> None:
        listing = Listing(ApiError("down", status=502), {"a": 1})
        sizes = listing.sizes()
        with pytest.raises(ApiError):
            await sizes.of("a")
        assert await sizes.of("a") is None
        listing.now = 61.0
        assert await sizes.of("a") == 1

    go(main())
