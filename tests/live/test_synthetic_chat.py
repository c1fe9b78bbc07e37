"""The built-in model as a server of Chat Completions, by the `openai` client and with the bodies of load tools."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from openai import BadRequestError, OpenAI

from live.conftest import Start
from requirements import shows
from support.scripts import WEATHER
from support.server import PenstockServer

HELLO = [{"role": "user", "content": "What is a penstock?"}]
TOOL = {"type": "function", "function": {key: WEATHER[key] for key in ("name", "parameters")}}


@pytest.fixture
def client(synthetic: PenstockServer) -> Iterator[OpenAI]:
    with OpenAI(base_url=synthetic.url, api_key="none", max_retries=0) as client:
        yield client


def post(server: PenstockServer, path: str, body: dict[str, Any]) -> httpx2.Response:
    return httpx2.post(f"{server.base}{path}", json={"model": "synthetic"} | body, timeout=60)


def chunks(reply: httpx2.Response) -> list[Any]:
    *events, done, rest = reply.text.split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    return [json.loads(event.removeprefix("data: ")) for event in events]


@shows("synthetic-chat")
def test_a_chat_by_the_package(client: OpenAI) -> None:
    ask: dict[str, Any] = {"model": "synthetic", "messages": HELLO}
    whole = client.chat.completions.create(**ask)
    stream = client.chat.completions.create(**ask, stream=True, stream_options={"include_usage": True})
    streamed = list(stream)
    texts = [chunk.choices[0].delta.content or "" for chunk in streamed if chunk.choices]
    assert "".join(texts) == whole.choices[0].message.content
    assert streamed[-1].usage == whole.usage
    assert {chunk.id for chunk in streamed} == {streamed[0].id} != {whole.id}


def test_tools_and_their_results_by_the_package(client: OpenAI) -> None:
    ask: dict[str, Any] = {"model": "synthetic", "tools": [TOOL]}
    with client.chat.completions.stream(**ask, messages=HELLO, tool_choice="required") as stream:
        message = stream.get_final_completion().choices[0].message
    [call] = message.tool_calls or []
    assert json.loads(call.function.arguments).keys() >= {"city"}
    history = [*HELLO, message.to_dict(), {"role": "tool", "tool_call_id": call.id, "content": "sun"}]
    answer = client.chat.completions.create(**ask, messages=history)
    assert (answer.choices[0].message.content or "").startswith("get_weather says: “sun”.")


def test_completions_and_embeddings_by_the_package(client: OpenAI) -> None:
    ask: dict[str, Any] = {"model": "synthetic", "prompt": ["Once", "Twice"], "max_tokens": 9}
    whole = client.completions.create(**ask)
    streamed = [choice for chunk in client.completions.create(**ask, stream=True) for choice in chunk.choices]
    for choice in whole.choices:
        assert "".join(each.text for each in streamed if each.index == choice.index) == choice.text
    one = client.embeddings.create(model="synthetic", input=["a", "b"])
    again = client.embeddings.create(model="synthetic", input="b", encoding_format="float")
    assert one.data[1].embedding == pytest.approx(again.data[0].embedding, abs=1e-6)
    assert len(again.data[0].embedding) == 1_024


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_tokens_are_the_text_again(synthetic: PenstockServer, prefix: str) -> None:
    tokens = post(synthetic, f"{prefix}/tokenize", {"prompt": "Héllo, wörld!", "return_token_strs": True}).json()
    assert tokens["count"] == len(tokens["tokens"]) == len(tokens["token_strs"])
    assert tokens["max_model_len"] > 0
    back = post(synthetic, f"{prefix}/detokenize", {"tokens": tokens["tokens"]}).json()
    assert back == {"prompt": "Héllo, wörld!"}
    asked = post(synthetic, "/v1/completions", {"prompt": tokens["tokens"]}).json()
    assert asked["usage"]["prompt_tokens"] == tokens["count"]
    chat = post(synthetic, f"{prefix}/tokenize", {"messages": HELLO, "tools": [TOOL]}).json()
    usage = post(synthetic, "/v1/chat/completions", {"messages": HELLO, "tools": [TOOL]}).json()["usage"]
    assert chat["count"] == usage["prompt_tokens"]


@pytest.mark.parametrize(
    ("path", "param", "body"),
    [
        ("/v1/chat/completions", "messages", {}),
        ("/v1/chat/completions", "messages[0].role", {"messages": [{"role": "robot", "content": "x"}]}),
        ("/v1/chat/completions", "temperature", {"messages": HELLO, "temperature": 9}),
        ("/v1/chat/completions", "n", {"messages": HELLO, "n": 1_000}),
        ("/v1/chat/completions", "max_tokens", {"messages": HELLO, "max_tokens": 0}),
        ("/v1/completions", "prompt", {}),
        ("/v1/completions", "prompt", {"prompt": [1, "a"]}),
        ("/v1/embeddings", "dimensions", {"input": "a", "dimensions": 10**6}),
        ("/v1/embeddings", "input", {"input": ["a"] * 2_049}),
        ("/tokenize", "prompt", {}),
        ("/tokenize", "prompt", {"prompt": "a" * 2**20}),
        ("/detokenize", "tokens", {"tokens": [2**40]}),
    ],
)
def test_a_bad_parameter_is_named(synthetic: PenstockServer, path: str, param: str, body: dict[str, Any]) -> None:
    reply = post(synthetic, path, body)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)


@shows("synthetic-chat")
def test_unknown_parameters_are_ignored_and_named_or_rejected(synthetic: PenstockServer, start: Start) -> None:
    reply = post(synthetic, "/v1/chat/completions", {"messages": HELLO, "glow": 1, "best_of": 2})
    assert (reply.status_code, reply.headers["x-penstock-ignored"]) == (200, "best_of, glow")
    strict = start(PENSTOCK_UNKNOWN_PARAMETERS="reject")
    reply = post(strict, "/v1/chat/completions", {"messages": HELLO, "glow": 1})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "glow")


def test_options_in_the_name_of_the_model_count_here_too(client: OpenAI) -> None:
    named = "synthetic?seed=7"
    answer = client.chat.completions.create(model=named, messages=HELLO)  # type: ignore[arg-type]
    plain = client.chat.completions.create(model="synthetic", messages=HELLO)  # type: ignore[arg-type]
    assert answer.model == named
    assert answer.choices[0].message.content != plain.choices[0].message.content
    with pytest.raises(BadRequestError, match="context window") as raised:
        client.chat.completions.create(model="synthetic?context=3", messages=HELLO)  # type: ignore[arg-type]
    assert raised.value.param == "messages"
    with pytest.raises(BadRequestError, match="offset"):
        client.chat.completions.create(model="synthetic?glow=7", messages=HELLO)  # type: ignore[arg-type]


GUIDELLM_CHAT = {
    "stream": True,
    "stream_options": {"include_usage": True, "continuous_usage_stats": True},
    "max_completion_tokens": 20,
    "stop": None,
    "ignore_eos": True,
    "messages": [{"role": "user", "content": [{"type": "text", "text": "Say something."}]}],
}
GUIDELLM_TEXT = {
    "stream": True,
    "stream_options": {"include_usage": True, "continuous_usage_stats": True},
    "max_tokens": 20,
    "stop": None,
    "ignore_eos": True,
    "prompt": "Say something.",
}
VLLM_CHAT = {
    "messages": [{"role": "user", "content": [{"type": "text", "text": "Say something."}]}],
    "max_completion_tokens": 20,
    "stream": True,
    "stream_options": {"include_usage": True},
    "ignore_eos": True,
}
VLLM_TEXT = {
    "prompt": "Say something.",
    "repetition_penalty": 1.0,
    "max_tokens": 20,
    "logprobs": None,
    "stream": True,
    "stream_options": {"include_usage": True},
    "ignore_eos": True,
}
VLLM_VIDEO, VLLM_SOUND = (
    VLLM_CHAT | {"messages": [{"role": "user", "content": [{"type": "text", "text": "Say something."}, part]}]}
    for part in (
        {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}},
        {"type": "audio_url", "audio_url": {"url": "data:audio/wav;base64,AAAA"}},
    )
)
LANGCHAIN = {
    "messages": [{"content": "Say something.", "role": "user"}],
    "stream": True,
    "stream_options": {"include_usage": True},
    "temperature": 0.7,
}


@shows("synthetic-chat")
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", GUIDELLM_CHAT),
        ("/v1/completions", GUIDELLM_TEXT),
        ("/v1/chat/completions", VLLM_CHAT),
        ("/v1/completions", VLLM_TEXT),
        ("/v1/chat/completions", VLLM_VIDEO),
        ("/v1/chat/completions", VLLM_SOUND),
        ("/v1/chat/completions", LANGCHAIN),
    ],
    ids=["guidellm chat", "guidellm text", "vllm chat", "vllm text", "vllm video", "vllm sound", "langchain"],
)
def test_the_bodies_of_load_tools(synthetic: PenstockServer, path: str, body: dict[str, Any]) -> None:
    reply = post(synthetic, path, body)
    assert reply.status_code == 200
    assert reply.headers.get("x-penstock-ignored") == ("repetition_penalty" if "repetition_penalty" in body else None)
    *others, last = chunks(reply)
    assert last["choices"] == []
    texts = [chunk for chunk in others if _text(chunk["choices"][0])]
    assert last["usage"]["completion_tokens"] == len(texts)
    if limit := body.get("max_tokens") or body.get("max_completion_tokens"):
        assert len(texts) == limit
        assert others[-1]["choices"][0]["finish_reason"] == "length"


def _text(choice: Any) -> str:
    text: str = choice["text"] if "text" in choice else choice["delta"].get("content") or ""
    return text


@shows("synthetic-chat")
def test_it_stands_in_for_an_upstream(synthetic: PenstockServer, start: Start) -> None:
    """A second server, whose upstream it is: the Response is what the model answers directly."""
    gateway = start("--upstream", synthetic.url)
    with OpenAI(base_url=gateway.url, api_key="none", max_retries=0) as client:
        for extra in ({}, {"reasoning": {"effort": "low"}}, {"tools": [WEATHER], "tool_choice": "required"}):
            ask: dict[str, Any] = {"model": "synthetic", "input": "What is a penstock?", **extra}
            whole = client.responses.create(**ask)
            with client.responses.stream(**ask) as stream:
                streamed = stream.get_final_response()
            direct = post(synthetic, "/v1/responses", {"input": "What is a penstock?", **extra}).json()
            assert whole.output_text == streamed.output_text == _answer(direct)
            assert whole.usage is not None
            assert whole.usage.output_tokens == direct["usage"]["output_tokens"]
            assert [item.type for item in whole.output] == [item["type"] for item in direct["output"]]


def _answer(response: Any) -> str:
    messages = [item for item in response["output"] if item["type"] == "message"]
    return "".join(part["text"] for item in messages for part in item["content"])


def test_a_gateway_passes_tokens_on_beside_v1(synthetic: PenstockServer, start: Start) -> None:
    gateway = start("--upstream", synthetic.url, "--preset", "vllm")
    assert post(gateway, "/tokenize", {"prompt": "abcd"}).json()["count"] == 1
    ask = {"input": "What is a penstock?", "instructions": "Be brief."}
    counted = post(gateway, "/v1/responses/input_tokens", ask).json()
    answered = post(gateway, "/v1/responses", ask).json()
    assert counted == {"object": "response.input_tokens", "input_tokens": answered["usage"]["input_tokens"]}


def test_a_slow_chat_comes_in_time(synthetic: PenstockServer) -> None:
    """The first token comes after `ttft_ms`, with the head of its choice, and a body waits for all of its times."""
    body = {"model": "synthetic?tokens=3&ttft_ms=300&itl_ms=100", "messages": HELLO}
    began = time.monotonic()
    with httpx2.stream("POST", f"{synthetic.url}/chat/completions", json=body | {"stream": True}) as reply:
        first = next(reply.iter_bytes())
    assert time.monotonic() - began >= 0.3
    assert first.count(b"data: ") >= 2
    began = time.monotonic()
    assert post(synthetic, "/v1/chat/completions", body).json()["usage"]["completion_tokens"] == 3
    assert time.monotonic() - began >= 0.5


@pytest.mark.parametrize(("texts", "status"), [(["Hi", "four"], 200), (["Hi", "fives and more"], 400)])
def test_a_text_that_exceeds_the_context_has_no_embedding(
    synthetic: PenstockServer, texts: list[str], status: int
) -> None:
    reply = post(synthetic, "/v1/embeddings", {"model": "synthetic?context=1", "input": texts})
    assert reply.status_code == status
    if status == 400:
        error = reply.json()["error"]
        assert (error["param"], error["code"]) == ("input", "context_length_exceeded")
        assert "4 of 1 tokens" in error["message"]


def test_the_size_of_the_context_is_that_of_the_options(start: Start) -> None:
    server = start("--log-level", "warning")
    live = httpx2.post(f"{server.base}/admin/synthetic", json={"context": 4_096})
    assert live.status_code == 200, live.text
    listed = httpx2.get(f"{server.url}/models").json()["data"][0]["max_model_len"]
    counted = post(server, "/tokenize", {"prompt": "Hi"}).json()["max_model_len"]
    headers = {"x-penstock-synthetic": "context=77"}
    asked = httpx2.post(f"{server.base}/tokenize", json={"model": "synthetic", "prompt": "Hi"}, headers=headers)
    httpx2.post(f"{server.base}/admin/synthetic", json={})
    assert (listed, counted, asked.json()["max_model_len"]) == (4_096, 4_096, 77)


@shows("synthetic-chat")
def test_load_tools_find_what_they_ask_for_first(synthetic: PenstockServer) -> None:
    [model] = httpx2.get(f"{synthetic.url}/models").json()["data"]
    assert (model["id"], model["root"], model["max_model_len"]) == ("synthetic", "synthetic", 131_072)
    assert httpx2.get(f"{synthetic.url}/models/synthetic").json() == model
    for path in ("/health", "/livez", "/ping"):
        assert httpx2.get(f"{synthetic.base}{path}").json() == {"status": "ok"}
    assert httpx2.get(f"{synthetic.base}/version").json()["version"]
