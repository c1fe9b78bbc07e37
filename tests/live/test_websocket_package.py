"""The `openai` package's own WebSocket client, sync and async, and its session of several streams."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest
from openai.lib.responses_websocket import ResponsesWebSocketLimits, ResponsesWebSocketSession
from websockets.exceptions import InvalidStatus

from live.conftest import Start
from support.caller import SETTINGS
from support.raw import TIMEOUT_S
from support.server import PenstockServer
from support.upstream import ScriptedUpstream

pytestmark = pytest.mark.filterwarnings(r"ignore:connect\(\) must be used as a context manager")

ROOMY = ResponsesWebSocketLimits(
    max_lanes=4, max_events_per_lane=1_000, max_events=1_000, max_bytes_per_lane=10**6, max_bytes=10**6
)


def ask(text: str, **more: Any) -> Any:
    return {"type": "response.create", "model": "text", "store": False, "input": text, **more}


def test_the_sync_client(server: PenstockServer) -> None:
    with (
        openai.OpenAI(base_url=server.url, api_key="test", **SETTINGS) as client,
        client.responses.connect() as connection,
    ):
        previous = None
        for text in ("One", "Two"):
            connection.response.create(model="text", input=text, store=False, previous_response_id=previous)
            events = []
            for event in connection:
                events.append(event)
                if event.type == "response.completed":
                    break
            assert [event.sequence_number for event in events] == list(range(len(events)))
            assert events[-1].response.output_text == "Hello, world"
            assert events[-1].response.previous_response_id == previous
            previous = events[-1].response.id


def test_the_async_client(server: PenstockServer) -> None:
    async def talk() -> None:
        async with (
            openai.AsyncOpenAI(base_url=server.url, api_key="test", **SETTINGS) as client,
            client.responses.connect() as connection,
        ):
            await connection.send(ask("Known", generate=False))
            warm = await _completed(connection)
            assert warm.output == []
            await connection.response.create(model="text", input="New", store=False, previous_response_id=warm.id)
            assert (await _completed(connection)).output_text == "Hello, world"
            await connection.response.create(model="text", input="New", previous_response_id="resp_none")
            error = await connection.recv()
            assert error.type == "error"
            assert (error.status, error.error.code) == (400, "previous_response_not_found")

    asyncio.run(talk())


async def _completed(connection: Any) -> Any:
    async for event in connection:
        if event.type == "response.completed":
            return event.response
    raise AssertionError("the connection has ended")


def test_the_session_of_stream_queues(server: PenstockServer) -> None:
    with (
        openai.OpenAI(base_url=server.url, api_key="test", **SETTINGS) as client,
        client.responses.connect() as connection,
        ResponsesWebSocketSession(connection, limits=ROOMY) as session,
    ):
        planner, critic = session.lane("planner"), session.lane("critic")
        planner.send(ask("Draft a plan."))
        session.default.send(ask("List risks."))
        plan = planner.get_final_response(timeout=TIMEOUT_S)
        assert session.default.get_final_response(timeout=TIMEOUT_S).status == "completed"
        critic.send(ask("Find gaps.", previous_response_id=plan.id))
        planner.send(ask("Go on.", previous_response_id=plan.id))
        for lane in (critic, planner):
            assert lane.get_final_response(timeout=TIMEOUT_S).previous_response_id == plan.id


def test_a_refused_handshake(start: Start, upstream: ScriptedUpstream) -> None:
    server = start("--upstream", upstream.url, PENSTOCK_API_KEYS="sk-right")
    with openai.OpenAI(base_url=server.url, api_key="wrong", **SETTINGS) as client, pytest.raises(InvalidStatus) as no:
        client.responses.connect().enter()
    assert no.value.response.status_code == 401
