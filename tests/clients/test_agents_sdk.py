"""The OpenAI Agents SDK for Python: an agent with a tool, run whole and as a stream, and a session."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from agents import Agent, Runner, function_tool, set_tracing_disabled
from agents.models.openai_responses import OpenAIResponsesModel
from openai import AsyncOpenAI

from clients.test_openai_node import ANSWER, CALL
from support.server import PenstockServer
from support.upstream import ScriptedUpstream

set_tracing_disabled(True)


@function_tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"rain in {city}"


@pytest.fixture(autouse=True)
def script(upstream: ScriptedUpstream) -> None:
    upstream.forget()
    upstream.add("agent", CALL)
    upstream.add_after(1, "agent", ANSWER)


async def run(server: PenstockServer, *, stream: bool) -> tuple[Any, list[str]]:
    """The answer of an agent, and the types of the raw events that it saw."""
    async with AsyncOpenAI(base_url=server.url, api_key="none", max_retries=0) as client:
        model = OpenAIResponsesModel(model="agent", openai_client=client)
        agent = Agent(name="Meteorologist", instructions="Be brief.", model=model, tools=[get_weather])
        if not stream:
            return (await Runner.run(agent, "The weather in Oslo?")).final_output, []
        result = Runner.run_streamed(agent, "The weather in Oslo?")
        types = [event.data.type async for event in result.stream_events() if event.type == "raw_response_event"]
        return result.final_output, types


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_an_agent_uses_its_tool(server: PenstockServer, upstream: ScriptedUpstream, stream: bool) -> None:
    answer, types = asyncio.run(run(server, stream=stream))
    assert answer == "It rains."
    assert types.count("response.completed") == (2 if stream else 0)
    sent = upstream.completion(1).body["messages"]
    assert [message["role"] for message in sent] == ["system", "user", "assistant", "tool"]
    assert sent[-1]["content"] == "rain in Oslo"
