"""What cannot be honoured is reported, refused or passed on, by setting; never dropped in silence."""

from __future__ import annotations

from typing import Any

import pytest

from live.conftest import Start
from requirements import shows
from support.ignored_headers import CheckedReply, post
from support.scripts import WEATHER
from support.server import PenstockServer
from support.upstream import ScriptedUpstream

UNKNOWN: dict[str, Any] = {"banana": 1, "apple": {"deep": [True, None]}}
SEARCH = {"type": "web_search"}
SEALED: dict[str, Any] = {
    "include": ["reasoning.encrypted_content"],
    "context_management": [{"type": "compaction", "compact_threshold": 10_000}],
}


def respond(server: PenstockServer, **fields: Any) -> CheckedReply:
    return post(server.url, {"model": "text", "input": "Hello?", **fields})


def ignored(reported: CheckedReply) -> list[str]:
    assert reported.status == 200
    return reported.headers.get("x-penstock-ignored", "").split(", ")


@shows("unknown-parameters")
@pytest.mark.parametrize("stream", [True, False])
def test_unknown_parameters_are_reported(server: PenstockServer, upstream: ScriptedUpstream, stream: bool) -> None:
    assert ignored(respond(server, stream=stream, **UNKNOWN)) == ["apple", "banana"]
    assert not UNKNOWN.keys() & upstream.completion().body.keys()


def test_nothing_is_reported_where_nothing_is_ignored(server: PenstockServer) -> None:
    assert "x-penstock-ignored" not in respond(server, store=False, truncation="disabled", **SEALED).headers


@shows("items-not-sent", "openai-services", "container-shell", "absent-tools")
@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"store": True}, ["store"]),
        ({"truncation": "auto"}, ["truncation"]),
        ({"context_management": [{"type": "compaction"}]}, ["context_management"]),
        ({"context_management": [{"type": "forgetting", "compact_threshold": 9}]}, ["context_management"]),
        ({"tools": [SEARCH, WEATHER]}, ["tools.web_search"]),
        ({"moderation": {"model": "any"}}, ["moderation"]),
        (
            {"input": [{"role": "user", "content": "Hi"}, {"type": "configuration_update"}]},
            ["input.configuration_update"],
        ),
        ({"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}, ["tools.code_interpreter"]),
    ],
    ids=str,
)
def test_parameters_without_effect_are_reported(
    server: PenstockServer, fields: dict[str, Any], names: list[str]
) -> None:
    assert ignored(respond(server, **fields)) == names


@shows("absent-tools")
def test_a_hosted_tool_without_a_driver_is_not_offered(server: PenstockServer, upstream: ScriptedUpstream) -> None:
    reply = respond(server, tools=[SEARCH, WEATHER])
    assert [tool["type"] for tool in reply.response["tools"]] == ["web_search", "function"]
    [offered] = upstream.completion().body["tools"]
    assert offered["function"]["name"] == "get_weather"


@shows("unknown-parameters", "absent-tools")
def test_unknown_parameters_may_be_refused(start: Start, upstream: ScriptedUpstream) -> None:
    server = start("--upstream", upstream.url, PENSTOCK_UNKNOWN_PARAMETERS="reject", PENSTOCK_ABSENT_TOOLS="reject")
    reply = respond(server, **UNKNOWN)
    assert (reply.status, reply.error["param"], reply.error["code"]) == (400, "apple", "unknown_parameter")
    reply = respond(server, tools=[WEATHER, SEARCH])
    assert (reply.status, reply.error["param"], reply.error["code"]) == (400, "tools[1].type", "unsupported_tool")
    assert "absent_tools" in reply.error["message"]
    assert not upstream.requests
    assert respond(server, tools=[WEATHER]).status == 200


@shows("unknown-parameters")
def test_unknown_parameters_may_be_passed_on(start: Start, upstream: ScriptedUpstream) -> None:
    server = start("--upstream", upstream.url, PENSTOCK_UNKNOWN_PARAMETERS="forward")
    for stream in (False, True):
        reply = respond(server, stream=stream, **UNKNOWN)
        assert "x-penstock-ignored" not in reply.headers
        assert reply.response["status"] == "completed"
    for received in upstream.completions:
        assert received.body.items() >= UNKNOWN.items()
