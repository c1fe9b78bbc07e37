"""The requests of guidellm 0.8.1 and aiperf 0.13.0, as they send them, to the built-in model.

Both were run against it, and their requests recorded; installing them takes gigabytes. `test_synthetic_chat.py` has
guidellm's chat bodies. A reply is read as the tool reads it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import httpx2
import pytest

from requirements import shows
from support.server import PenstockServer

TOKENS = 50
TEXT = "Buy market finally bill environment matter."
AIPERF_HEADERS = {
    "user-agent": "aiperf/0.13.0",
    "x-request-id": "2c31e5e9-5d1c-4d9a-9e1e-773c9b600207",
    "x-correlation-id": "ac99e22b-78ec-43ce-9f06-cdbeba11f634",
    "x-session-affinity": "ac99e22b-78ec-43ce-9f06-cdbeba11f634",
    "accept": "text/event-stream",
}
GUIDELLM_HEADERS = {"user-agent": "python-httpx/0.28.1", "accept": "*/*"}
USAGE = {"stream_options": {"include_usage": True}}


class Shape(NamedTuple):
    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]
    read: Callable[[list[Any]], tuple[list[str], int]]
    """The texts and the number of output tokens that the tool finds in the data of the events."""


def of_responses(events: list[Any]) -> tuple[list[str], int]:
    """The length that is asked for is the limit, so the last event is `response.incomplete`."""
    texts = [event["delta"] for event in events if event["type"] == "response.output_text.delta"]
    assert events[-1]["type"] == "response.incomplete"
    return texts, events[-1]["response"]["usage"]["output_tokens"]


def of_chat(events: list[Any]) -> tuple[list[str], int]:
    choices = [choice for event in events for choice in event["choices"]]
    return [choice["delta"]["content"] for choice in choices if choice["delta"].get("content")], _last_usage(events)


def of_completions(events: list[Any]) -> tuple[list[str], int]:
    choices = [choice for event in events for choice in event["choices"]]
    return [choice["text"] for choice in choices if choice["text"]], _last_usage(events)


def _last_usage(events: list[Any]) -> int:
    tokens: int = next(event["usage"]["completion_tokens"] for event in reversed(events) if event.get("usage"))
    return tokens


STREAMS = {
    "guidellm responses": Shape(
        "/v1/responses",
        GUIDELLM_HEADERS,
        {
            "stream": True,
            "max_output_tokens": TOKENS,
            "ignore_eos": True,
            "input": [{"role": "user", "content": [{"type": "input_text", "text": TEXT}]}],
        },
        of_responses,
    ),
    "aiperf responses": Shape(
        "/v1/responses",
        AIPERF_HEADERS,
        {
            "input": [{"role": "user", "content": TEXT, "type": "message"}],
            "stream": True,
            "max_output_tokens": TOKENS,
            "ignore_eos": True,
            **USAGE,
        },
        of_responses,
    ),
    "aiperf chat": Shape(
        "/v1/chat/completions",
        AIPERF_HEADERS,
        {
            "messages": [{"role": "user", "content": TEXT}],
            "stream": True,
            "max_completion_tokens": TOKENS,
            "ignore_eos": True,
            **USAGE,
        },
        of_chat,
    ),
    "aiperf completions": Shape(
        "/v1/completions",
        AIPERF_HEADERS,
        {"prompt": TEXT, "stream": True, "max_tokens": TOKENS, "ignore_eos": True, **USAGE},
        of_completions,
    ),
}


def ask(server: PenstockServer, shape: Shape, model: str) -> httpx2.Response:
    body = json.dumps({"model": model} | shape.body).encode()
    headers = {"content-type": "application/json", **shape.headers}
    return httpx2.post(f"{server.base}{shape.path}", content=body, headers=headers, timeout=60)


@shows("load-tools")
@pytest.mark.parametrize("model", ["synthetic", "synthetic?ttft_ms=20&itl_ms=1&seed=7"])
@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_has_as_many_tokens_as_the_tool_asks_for(synthetic: PenstockServer, name: str, model: str) -> None:
    shape = STREAMS[name]
    reply = ask(synthetic, shape, model)
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"].startswith("text/event-stream")
    lines = [line.removeprefix("data: ") for line in reply.text.splitlines() if line.startswith("data: ")]
    assert lines.pop() == "[DONE]"
    texts, tokens = shape.read([json.loads(line) for line in lines])
    assert len(texts) == tokens == TOKENS
    assert "max_" not in reply.headers.get("x-penstock-ignored", "")
    assert "ignore_eos" not in reply.headers.get("x-penstock-ignored", "")


def test_the_embeddings_of_aiperf(synthetic: PenstockServer) -> None:
    body = {"model": "synthetic", "input": [TEXT]}
    reply = httpx2.post(f"{synthetic.url}/embeddings", json=body, headers=AIPERF_HEADERS)
    assert reply.status_code == 200
    assert all(isinstance(number, float) for number in reply.json()["data"][0]["embedding"])


@shows("load-tools")
def test_what_the_tools_ask_for_before_the_load(synthetic: PenstockServer) -> None:
    """guidellm gives up without /health, and aiperf reports no metrics of the server without HEAD on their route."""
    assert httpx2.get(f"{synthetic.base}/health", headers=GUIDELLM_HEADERS).status_code == 200
    assert httpx2.head(f"{synthetic.base}/metrics").status_code == 200
    text = httpx2.get(f"{synthetic.base}/metrics").text
    for name in ("vllm:num_requests_running", "vllm:time_to_first_token_seconds", "penstock_requests_running"):
        assert f"# TYPE {name} " in text
