"""Hosted calls in later turns: what the model read of them is there again, and no client gets it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from core.engine.hosted_tools.families import END, MAPS, SEARCH, Turns, called, maps_tool, policies, search_tool
from core.kit import LIMITS, Answer, Json, ask, service
from penstock.dialects.chat_completions import ChatCompletions
from penstock.dialects.chat_completions.wire import Options
from penstock.returned import KEY
from penstock.service import Service
from penstock.stores.memory import MemoryStore
from penstock.telemetry import AccessRecord
from penstock.telemetry.metrics import Metrics
from penstock.telemetry.metrics.registry import TOOL_CALLS
from penstock.transcript.deltas import ReasoningDelta, TextDelta
from requirements import shows

READ = "A secret of the page."
CALLS = [[ReasoningDelta("Hmm"), *called(0, "web_search", '{"q":1}')], END]
MORE = [[*called(0, "maps__route", "{}"), *called(1, "maps__find", '{"b":2}')], END]
ANSWER = [[TextDelta("Done.")], END]


def messages(upstream: Turns, number: int) -> list[Json]:
    """What a chat model reads in a turn, without the ids of calls."""
    body = json.loads(ChatCompletions(Options(), LIMITS).encode(upstream.turns[number]).body)
    for message in body["messages"]:
        message.pop("tool_call_id", None)
        for call in message.get("tool_calls", ()):
            del call["id"]
    result: list[Json] = body["messages"]
    return result


def go(upstream: Turns, main: Callable[[Service], Coroutine[Any, Any, None]]) -> None:
    families = policies(search_tool(lambda _: READ), maps_tool(lambda _: READ))

    async def run() -> None:
        server = service(upstream, policies=families, store=MemoryStore())
        async with asyncio.timeout(20):
            await main(server)
        await server.aclose()

    asyncio.run(run())


def hides_the_reply(answer: Answer) -> bool:
    return READ.encode() not in answer.body and KEY.encode() not in answer.body


@shows("hosted-replies")
@pytest.mark.parametrize("stream", [True, False])
def test_the_next_turn_of_a_chain_begins_as_the_last_turn_of_the_response_did(stream: bool) -> None:
    upstream = Turns(CALLS, MORE, ANSWER, ANSWER)

    async def main(server: Service) -> None:
        asked = {"model": "any", "input": "Hi", "tools": [SEARCH, MAPS], "stream": stream}
        first = await ask(server, asked)
        assert (first.status, hides_the_reply(first)) == (200, True)
        body = first.body.decode()
        response_id = json.loads(body)["id"] if not stream else body.partition('"id":"')[2].partition('"')[0]
        second = await ask(server, {"input": "And?", "previous_response_id": response_id, "tools": [SEARCH, MAPS]})
        assert (second.status, hides_the_reply(second)) == (200, True)
        for path in (f"/v1/responses/{response_id}", f"/v1/responses/{second.json()['id']}/input_items"):
            assert hides_the_reply(await ask(server, method="GET", path=path))

    go(upstream, main)
    within, later = messages(upstream, 2), messages(upstream, 3)
    assert later[: len(within)] == within
    assert [message["role"] for message in within] == ["user", "assistant", "tool", "assistant", "tool", "tool"]
    assert [message["content"] for message in within if message["role"] == "tool"] == [READ] * 3


def test_items_that_a_client_sends_back_get_what_the_store_knows() -> None:
    upstream = Turns(CALLS, ANSWER, ANSWER)

    async def main(server: Service) -> None:
        asked = {"model": "any", "input": "Hi", "tools": [SEARCH]}
        output = (await ask(server, asked)).json()["output"]
        again = [{"role": "user", "content": "Hi"}, *output, {"role": "user", "content": "And?"}]
        assert (await ask(server, asked | {"input": again})).status == 200

    go(upstream, main)
    assert [message["content"] for message in messages(upstream, 2) if message["role"] == "tool"] == [READ]


def test_a_background_response_runs_its_tools() -> None:
    upstream = Turns(CALLS, ANSWER)

    async def main(server: Service) -> None:
        asked = {"model": "any", "input": "Hi", "tools": [SEARCH], "background": True, "stream": True}
        response_id = (await ask(server, asked)).body.decode().partition('"id":"')[2].partition('"')[0]
        response = (await ask(server, method="GET", path=f"/v1/responses/{response_id}")).json()
        assert [item["type"] for item in response["output"]] == ["reasoning", "web_search_call", "message"]
        assert response["status"] == "completed"

    go(upstream, main)


@pytest.mark.parametrize("background", [False, True])
def test_sessions_are_prepared_before_a_response_begins(background: bool) -> None:
    search = search_tool()

    async def main() -> None:
        server = service(Turns(ANSWER), policies=policies(search), store=MemoryStore())
        asked = {"model": "any", "input": "Hi", "tools": [SEARCH], "background": background, "stream": background}
        await ask(server, asked)
        await ask(server, {"model": "any", "input": "Hi", "tools": [SEARCH]}, path="/v1/responses/input_tokens")
        await server.aclose()

    asyncio.run(main())
    assert search.prepared == [False, True] if background else [False]


def test_a_request_that_a_session_refuses_leaves_its_conversation_unlocked() -> None:
    search = search_tool()

    async def main() -> None:
        server = service(Turns(ANSWER), policies=policies(search), store=MemoryStore())
        conversation = (await ask(server, {}, path="/v1/conversations")).json()["id"]
        asked: Json = {"model": "any", "input": "Hi", "tools": [SEARCH], "conversation": conversation}
        search.refuses = True
        assert (await ask(server, asked)).status == 400
        search.refuses = False
        assert (await ask(server, asked)).status == 200
        await server.aclose()

    asyncio.run(main())


def test_an_answer_has_a_session_without_a_tool() -> None:
    maps, upstream = maps_tool(), Turns(ANSWER)

    async def main() -> None:
        server = service(upstream, policies=policies(maps, search_tool()))
        answer = {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True}
        asked: Json = {"model": "any", "input": [{"role": "user", "content": "Hi"}, answer]}
        reply = await ask(server, asked)
        assert "x-penstock-ignored" not in reply.headers
        await server.aclose()

    asyncio.run(main())
    assert [request.tools for request in maps.requests] == [[]]


def test_calls_are_in_the_metrics_and_the_access_log() -> None:
    records: list[AccessRecord] = []
    upstream, metrics = Turns(CALLS, MORE, ANSWER), Metrics()
    tools = policies(search_tool(lambda _: READ), maps_tool(lambda text: ValueError() if "b" in text else READ))

    async def main() -> None:
        server = service(upstream, policies=tools, metrics=metrics, sinks=[records.append])
        await ask(server, {"model": "any", "input": "Hi", "tools": [SEARCH, MAPS]})
        await server.aclose()

    asyncio.run(main())
    assert (records[0].attempts, records[0].retries) == (3, 0)
    assert sorted((use.family, use.status) for use in records[0].tools) == [
        ("mcp_call", "completed"),
        ("mcp_call", "failed"),
        ("web_search_call", "completed"),
    ]
    assert sum(metrics.values.histogram(TOOL_CALLS, "mcp_call", "failed").counts) == 1


def test_sources_of_a_chain_have_different_numbers() -> None:
    upstream = Turns(CALLS, ANSWER)
    families = policies(search_tool(lambda _: "[{n}]"))

    async def main() -> None:
        server = service(upstream, policies=families, store=MemoryStore())
        asked: Json = {"model": "any", "input": "Hi", "tools": [SEARCH]}
        first = (await ask(server, asked)).json()
        upstream.restart()
        await ask(server, asked | {"previous_response_id": first["id"]})
        await server.aclose()

    asyncio.run(main())
    assert [message["content"] for message in messages(upstream, 3) if message["role"] == "tool"] == ["[1]", "[2]"]
