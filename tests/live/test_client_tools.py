"""Tools that the client carries out, by the `openai` client: calls there and back, whole and piece by piece."""

from __future__ import annotations

from typing import Any

from requirements import shows
from support.actions import ACTIONS
from support.caller import Caller
from support.ignored_headers import post
from support.server import PenstockServer
from support.upstream import ScriptedUpstream

QUESTION = {"role": "user", "content": "Please."}


def offered(upstream: ScriptedUpstream) -> list[str]:
    return [tool["function"]["name"] for tool in upstream.completions[-1].body.get("tools", [])]


def messages(upstream: ScriptedUpstream) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = upstream.completions[-1].body["messages"]
    return sent


@shows("client-tools")
def test_a_shell_call_there_and_back(caller: Caller, upstream: ScriptedUpstream) -> None:
    tool = ACTIONS["shell"].tool
    first = caller.create(model="shell_call", input=[QUESTION], tools=[tool], tool_choice={"type": "shell"})
    [call] = first.output
    assert (call.type, call.status, call.call_id) == ("shell_call", "completed", "call_b")
    assert call.action.commands == ['ls -l "Grüße"', "pwd"]
    assert call.action.max_output_length == 4096
    assert call.environment.type == "local"
    assert upstream.completions[-1].body["tool_choice"] == {"type": "function", "function": {"name": "shell"}}
    ended = {"stdout": "/home\n", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}
    output = {"type": "shell_call_output", "call_id": call.call_id, "output": [ended], "max_output_length": 4096}
    second = caller.create(model="text", input=[QUESTION, *first.output, output], tools=[tool])
    assert second.output_text == "Hello, world"
    _, asked, result = messages(upstream)
    assert asked["tool_calls"][0]["function"]["name"] == "shell"
    assert result == {"role": "tool", "tool_call_id": "call_b", "content": "exit code: 0\nstdout:\n/home"}


@shows("client-tools")
def test_a_patch_there_and_back(caller: Caller, upstream: ScriptedUpstream) -> None:
    tool = ACTIONS["apply_patch"].tool
    first = caller.create(model="apply_patch_call", input=[QUESTION], tools=[tool])
    [call] = first.output
    assert (call.type, call.status) == ("apply_patch_call", "completed")
    assert (call.operation.type, call.operation.path) == ("update_file", "a.py")
    assert call.operation.diff == "@@ def f():\n-    a\n+    b"
    output = {"type": "apply_patch_call_output", "call_id": call.call_id, "status": "completed", "output": "Done."}
    caller.create(model="text", input=[QUESTION, *first.output, output], tools=[tool])
    assert offered(upstream) == ["apply_patch"]
    assert messages(upstream)[-1]["content"] == "The patch was applied.\nDone."


def test_the_commands_of_a_shell_call_are_sent_one_by_one(caller: Caller) -> None:
    events = caller.events(model="shell_call", input="Hello?", tools=[ACTIONS["shell"].tool])
    result = [
        (event.type.removeprefix("response.shell_call_command."), event.command_index)
        for event in events
        if event.type.startswith("response.shell_call_command.")
    ]
    assert result == [(kind, index) for index in (0, 1) for kind in ("added", "delta", "done")]


def test_a_call_of_a_tool_that_was_not_offered_is_a_function_call(caller: Caller) -> None:
    """The upstream calls a tool that was not offered: the client sees what it wrote, and can report it."""
    [call] = caller.create(model="apply_patch_call", input="Hello?", tools=[{"type": "shell"}]).output
    assert (call.type, call.name) == ("function_call", "apply_patch")


def test_an_output_without_its_call_is_the_clients_fault(server: PenstockServer) -> None:
    for name, action in ACTIONS.items():
        reply = post(server.url, {"model": "text", "input": [action.past[1]]})
        assert reply.status == 400, name
        assert "call_a" in reply.error["message"]
