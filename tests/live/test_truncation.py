"""`truncation`: what the model is shown of a context that is too long for it."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from live.conftest import Start
from requirements import shows
from support.ignored_headers import CheckedReply, post
from support.scripts import WEATHER
from support.server import PenstockServer
from support.upstream import Demand, ScriptedUpstream

TOML = '[[upstreams]]\nname = "{name}"\nurl = "{url}"\n{more}'
TALK: list[dict[str, Any]] = [
    {"role": "user" if n % 2 == 0 else "assistant", "content": f"{n:02d} {'word ' * 40}"} for n in range(31)
]
FEW = 300


def asked(server: PenstockServer, **fields: Any) -> CheckedReply:
    reply = post(server.url, {"model": "text", "input": TALK, "truncation": "auto", **fields})
    assert reply.status == 200
    return reply


def visible_sizes(upstream: ScriptedUpstream) -> list[int]:
    """Which of the talk the model was shown."""
    return [int(one["content"][:2]) for one in upstream.completions[-1].body["messages"] if one["role"] != "system"]


@shows("truncation-auto")
@pytest.mark.parametrize(
    "more", [f"context_tokens = {FEW}", f'context_tokens = {{ "text" = {FEW}, "*" = 9 }}'], ids=["one", "by model"]
)
def test_a_size_from_the_configuration(start: Start, upstream: ScriptedUpstream, more: str) -> None:
    server = start(toml=TOML.format(name="set", url=upstream.url, more=more))
    reply = asked(server, instructions="Be brief.")
    assert reply.response["truncation"] == "auto"
    assert "x-penstock-ignored" not in reply.headers
    sizes = visible_sizes(upstream)
    assert sizes == list(range(31))[-len(sizes) :]
    assert 2 <= len(sizes) < 10
    assert upstream.completions[-1].body["messages"][0]["content"] == "Be brief."
    asked(server, max_output_tokens=200)
    assert len(visible_sizes(upstream)) < len(sizes)


@pytest.mark.parametrize(
    "fields", [{"max_model_len": FEW}, {"meta": {"n_ctx_train": FEW}}, {"context_length": FEW}], ids=str
)
def test_a_size_from_the_upstream_is_asked_once(
    start: Start, upstream: ScriptedUpstream, fields: dict[str, Any]
) -> None:
    upstream.model_fields.update(fields)
    server = start(toml=TOML.format(name=f"listed-{next(iter(fields))}", url=upstream.url, more=""))
    for _ in range(3):
        assert "x-penstock-ignored" not in asked(server).headers
        assert len(visible_sizes(upstream)) < 10
    assert [one.path for one in upstream.requests].count("/v1/models") == 1


@shows("truncation-auto")
def test_the_size_is_unknown(server: PenstockServer, upstream: ScriptedUpstream) -> None:
    assert asked(server).headers["x-penstock-ignored"] == "truncation"
    assert visible_sizes(upstream) == list(range(31))


def refuses_over(words_max: int, message: str) -> Demand:
    """What an upstream answers to an input with more words, by its own count."""

    def demand(body: Any) -> str | None:
        words = sum(len(one["content"].split()) for one in body["messages"])
        return message.format(words=words) if words > words_max else None

    return demand


REFUSALS = {
    "a size": "This model's maximum context length is 200 tokens. However, you requested {words} tokens.",
    "a size behind": "request ({words} tokens) exceeds the available context size (200 tokens), try increasing it",
    "no size": "The prompt is too long.",
}


@shows("truncation-auto", "learned-contexts")
@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_reports_the_size(start: Start, upstream: ScriptedUpstream, refusal: str, stream: bool) -> None:
    server = start(toml=TOML.format(name=f"refusing {refusal} {stream}".replace(" ", "-"), url=upstream.url, more=""))
    upstream.demands["text"] = refuses_over(400, REFUSALS[refusal])
    reply = asked(server, stream=stream)
    assert (reply.response["status"], "x-penstock-ignored" in reply.headers) == ("completed", False)
    sizes = visible_sizes(upstream)
    assert sizes == list(range(31))[-len(sizes) :]
    assert len(upstream.completions) <= 4
    before = len(upstream.completions)
    asked(server, stream=stream)
    assert (len(upstream.completions) - before == 1) is (refusal != "no size")


@shows("learned-contexts")
def test_what_stays_too_long_is_still_an_error(server: PenstockServer, upstream: ScriptedUpstream) -> None:
    upstream.demands["text"] = refuses_over(10, REFUSALS["no size"])
    reply = post(server.url, {"model": "text", "input": TALK, "truncation": "auto"})
    assert (reply.status, reply.error["code"]) == (400, "context_length_exceeded")
    assert len(upstream.completions) <= 4
    upstream.forget()
    upstream.demands["text"] = refuses_over(10, REFUSALS["no size"])
    assert post(server.url, {"model": "text", "input": TALK}).error["code"] == "context_length_exceeded"
    assert len(upstream.completions) == 1


def test_nothing_is_asked_where_nothing_is_to_go(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.model_fields.update(max_model_len=FEW)
    server = start(toml=TOML.format(name="unasked", url=upstream.url, more=""))
    for truncation in ("disabled", None):
        asked(server, truncation=truncation)
        assert visible_sizes(upstream) == list(range(31))
    assert [one.path for one in upstream.requests] == ["/v1/chat/completions"] * 2


@shows("truncation-auto")
def test_everything_is_stored_although_not_all_is_visible(start: Start, upstream: ScriptedUpstream) -> None:
    toml = TOML.format(name="kept", url=upstream.url, more=f"context_tokens = {FEW}")
    server = start(toml=toml, PENSTOCK_STORE="memory://")
    with openai.OpenAI(base_url=server.url, api_key="unused", max_retries=0) as caller:
        response: Any = caller.responses.create(model="text", input=TALK, truncation="auto")  # type: ignore[arg-type]
        assert len(visible_sizes(upstream)) < 10
        assert len(list(caller.responses.input_items.list(response.id, limit=100))) == 31
        caller.responses.create(model="text", input="30 And?", truncation="auto", previous_response_id=response.id)
    assert upstream.completions[-1].body["messages"][-1]["content"] == "30 And?"
    assert len(upstream.completions[-1].body["messages"]) < 10


@shows("truncation-auto")
def test_calls_and_outputs_go_together(start: Start, upstream: ScriptedUpstream) -> None:
    server = start(toml=TOML.format(name="calls", url=upstream.url, more=f"context_tokens = {FEW}"))
    turns: list[dict[str, Any]] = [{"role": "user", "content": "00"}]
    for n in range(20):
        turns += [
            {"type": "function_call", "call_id": f"call_{n}", "name": "get_weather", "arguments": "{}"},
            {"type": "function_call_output", "call_id": f"call_{n}", "output": "fine " * 20},
        ]
    asked(server, input=turns, tools=[WEATHER])
    question, *messages = upstream.completions[-1].body["messages"]
    assert question["content"] == "00"
    called = [call["id"] for message in messages for call in message.get("tool_calls", ())]
    answered = [message["tool_call_id"] for message in messages if message["role"] == "tool"]
    assert called == answered == [f"call_{n}" for n in range(20)][-len(called) :]
    assert 1 <= len(called) < 10


@shows("truncation-disabled")
def test_disabled_is_an_error_of_the_clients(server: PenstockServer) -> None:
    reply = post(server.url, {"model": "too_long", "input": "Hello?", "truncation": "disabled"})
    assert (reply.status, reply.error["code"], reply.error["param"]) == (400, "context_length_exceeded", "input")


@shows("max-tool-calls")
def test_without_tool_calls_any_bound_is_met(server: PenstockServer) -> None:
    """No tool is run by the server: `max_tool_calls` holds, and there is nothing to report."""
    reply = post(server.url, {"model": "text", "input": "Hello?", "max_tool_calls": 1})
    assert reply.response["max_tool_calls"] == 1
    assert "x-penstock-ignored" not in reply.headers
    reply = post(server.url, {"model": "text", "input": "Hello?", "max_tool_calls": 0})
    assert (reply.status, reply.error["param"]) == (400, "max_tool_calls")
