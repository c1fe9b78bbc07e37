"""The Agents SDK's hosted MCP tool: calls, and approvals by its callback and by its interruptions."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from agents import Agent, HostedMCPTool, MCPToolApprovalRequest, Runner, set_tracing_disabled
from agents.models.openai_responses import OpenAIResponsesModel
from openai import AsyncOpenAI

from support.mcp_lab import McpLab
from support.scripts import call, text, turn
from support.server import PenstockServer
from support.steps import Expect, Json, Script
from support.upstream import ScriptedUpstream

set_tracing_disabled(True)
ROLL = turn(call(0, '{"sides": 20}', call_id="call_1", name="dice__roll"), "tool_calls")


@pytest.fixture(scope="module")
def lab() -> Iterator[McpLab]:
    with McpLab() as running:
        yield running


@pytest.fixture(scope="module")
def calling(upstream: ScriptedUpstream, lab: McpLab) -> Iterator[PenstockServer]:
    env = {"PENSTOCK_MCP": "on", "PENSTOCK_EGRESS_ALLOW": lab.address, "PENSTOCK_STORE": "memory://"}
    with PenstockServer("--upstream", upstream.url, env=env) as running:
        yield running


@pytest.fixture(autouse=True)
def script(upstream: ScriptedUpstream, lab: McpLab) -> None:
    lab.calls.clear()
    upstream.add("gambler", Script(ROLL, Expect(text=None, calls=None)))
    upstream.add_after(1, "gambler", Script(turn(text("It is a four.")), Expect(text=None, calls=None)))


def run(server: PenstockServer, lab: McpLab, *, stream: bool = False, **fields: Any) -> Any:
    """The result of an agent with the hosted tool."""
    config: Json = {"type": "mcp", "server_label": "dice", "server_url": lab.url, "require_approval": "always"}
    callback = fields.pop("on_approval_request", None)

    async def ask() -> Any:
        async with AsyncOpenAI(base_url=server.url, api_key="none", max_retries=0) as client:
            tool = HostedMCPTool(tool_config=config | fields, on_approval_request=callback)
            model = OpenAIResponsesModel(model="gambler", openai_client=client)
            agent = Agent(name="Gambler", model=model, tools=[tool])
            if not stream:
                return await Runner.run(agent, "Roll")
            result = Runner.run_streamed(agent, "Roll")
            async for _ in result.stream_events():
                pass
            return result

    return asyncio.run(ask())


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_call_without_approval(calling: PenstockServer, lab: McpLab, stream: bool) -> None:
    result = run(calling, lab, stream=stream, require_approval="never")
    assert (result.final_output, lab.calls) == ("It is a four.", Counter(roll=1))


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_an_approval_by_the_callback(calling: PenstockServer, lab: McpLab, stream: bool) -> None:
    asked: list[str] = []

    def approve(request: MCPToolApprovalRequest) -> Any:
        asked.append(request.data.arguments)
        return {"approve": True}

    result = run(calling, lab, stream=stream, on_approval_request=approve)
    assert (result.final_output, lab.calls, asked) == ("It is a four.", Counter(roll=1), ['{"sides": 20}'])


def test_a_refusal_by_the_callback(calling: PenstockServer, lab: McpLab, upstream: ScriptedUpstream) -> None:
    result = run(calling, lab, on_approval_request=lambda request: {"approve": False, "reason": "no gambling"})
    assert (result.final_output, lab.calls) == ("It is a four.", Counter())
    assert upstream.requests[-1].body["messages"][-1]["content"] == "The call was declined: no gambling"
