"""The `openai` package for Node: create, stream, chain, conversations, resume and errors."""

from __future__ import annotations

import pytest

from clients.conftest import RunScript, installed
from requirements import shows
from support import oracle
from support.scripts import OWN_USAGE, ROLE, call, chunk, text
from support.steps import Expect, Script, Send
from support.upstream import ScriptedUpstream

CALL = Script(
    (Send(ROLE, *call(0, '{"city": ', '"Oslo"}', call_id="call_1"), chunk({}, "tool_calls"), OWN_USAGE),), Expect()
)
ANSWER = Script((Send(ROLE, *text("It ", "rains."), chunk({}, "stop"), OWN_USAGE),), Expect())


@pytest.fixture(autouse=True)
def client(upstream: ScriptedUpstream) -> None:
    installed("openai")
    upstream.add("node", ANSWER)
    upstream.add("weather", CALL)
    upstream.add_after(1, "weather", ANSWER)


def test_create(run_script: RunScript) -> None:
    response = run_script("openai_node.mjs", "create", "node")
    assert (response["status"], response["output_text"]) == ("completed", "It rains.")


def test_stream(run_script: RunScript) -> None:
    output = run_script("openai_node.mjs", "stream", "node")
    assert output["types"].count("response.output_text.delta") == 2
    assert output["types"][-1] == "response.completed"
    assert output["response"]["output_text"] == "It rains."


def test_a_call_is_answered_in_a_chain(run_script: RunScript) -> None:
    output = run_script("openai_node.mjs", "chain", "weather")
    assert output["second"]["output_text"] == output["read"]["output_text"] == "It rains."
    assert output["second"]["previous_response_id"] == output["first"]["id"]
    assert {"function_call_output", "function_call", "message"} >= {item["type"] for item in output["items"]}
    assert output["gone"] == 404


def test_a_conversation(run_script: RunScript) -> None:
    output = run_script("openai_node.mjs", "conversation", "node")
    assert [item["role"] for item in output["items"]] == ["user", "assistant"]
    assert output["said"]["conversation"] == {"id": output["room"]["id"]}


@shows("cursors")
def test_a_stream_is_resumed_at_its_cursor_and_from_its_beginning(run_script: RunScript) -> None:
    output = run_script("openai_node.mjs", "resume", "node")
    assert output["seen"] + output["rest"] == output["whole"]
    assert oracle.check_stream(output["whole"])["status"] == output["cancelled"]["status"] == "completed"


def test_a_mistake_is_its_own_error(run_script: RunScript) -> None:
    output = run_script("openai_node.mjs", "mistake", "node")
    assert output == {"name": "BadRequestError", "status": 400, "param": "temperature", "code": output["code"]}
