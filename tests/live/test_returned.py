"""What an upstream wants back, for clients that remember their turns themselves, or on one connection."""

from __future__ import annotations

from typing import Any

import pytest

from live.conftest import Start
from requirements import shows
from support.ignored_headers import CheckedReply, post
from support.scripts import WEATHER
from support.server import PenstockServer
from support.steps import Expect, Script
from support.talk import Talk
from support.upstream import ScriptedUpstream
from support.upstream_fields import WANTING, signed, wants

Json = dict[str, Any]

INCLUDED = ["reasoning.encrypted_content"]


@pytest.fixture
def model(upstream: ScriptedUpstream, request: pytest.FixtureRequest) -> str:
    name: str = request.param
    upstream.scripts[name] = Script(WANTING[name].steps, Expect())
    upstream.demands[name] = WANTING[name].check
    return name


each_model = pytest.mark.parametrize("model", WANTING, indirect=True)


def ask(server: PenstockServer, model: str, items: list[Json], **body: Any) -> CheckedReply:
    return post(
        server.url, {"model": model, "input": items, "tools": [WEATHER], "store": False, "stream": True, **body}
    )


def answers(output: list[Json]) -> list[Json]:
    calls = [item for item in output if item["type"] == "function_call"]
    return [{"type": "function_call_output", "call_id": item["call_id"], "output": "Sun."} for item in calls]


@shows("returned-fields", "sealed-extras")
@each_model
@pytest.mark.parametrize("include", [INCLUDED, []], ids=["included", "unasked"])
def test_a_client_that_remembers_has_it_sealed(server: PenstockServer, model: str, include: list[str]) -> None:
    items: list[Json] = [{"role": "user", "content": "Where?"}]
    for _ in range(3):
        reply = ask(server, model, items, include=include)
        output = reply.response["output"]
        assert output[-1]["type"] == "reasoning"
        assert "thought_signature" not in repr(reply.response)
        items += [*output, *answers(output)]


@shows("returned-fields")
@each_model
def test_a_connection_remembers_it(server: PenstockServer, model: str) -> None:
    with Talk(server) as talk:
        result = talk.turn(model=model, input="Where?", tools=[WEATHER], store=False)[-1]["response"]
        for _ in range(2):
            result = talk.turn(
                model=model,
                input=answers(result["output"]),
                tools=[WEATHER],
                store=False,
                previous_response_id=result["id"],
            )[-1]["response"]
            assert result["status"] == "completed"


@shows("returned-fields")
@pytest.mark.parametrize("store", [True, False])
def test_no_client_sees_it(server: PenstockServer, upstream: ScriptedUpstream, store: bool) -> None:
    """Every event and body is checked against the package's models, in which it has no place."""
    upstream.scripts["signing"] = Script(WANTING["gemini"].steps, Expect())
    reply = ask(server, "signing", [{"role": "user", "content": "Where?"}], store=store)
    assert "thought_signature" not in repr(reply)


@shows("returned-fields")
def test_another_upstream_does_not_get_it(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.scripts["shared"] = Script(WANTING["gemini"].steps, Expect())
    with ScriptedUpstream() as other:
        other.scripts = dict(upstream.scripts)
        servers = [
            start("--upstream", each.url, "--store", "none://", PENSTOCK_SEAL_KEYS="A" * 43)
            for each in (upstream, other)
        ]
        reply = ask(servers[0], "shared", [{"role": "user", "content": "Where?"}], include=INCLUDED)
        output = reply.response["output"]
        items = [{"role": "user", "content": "Where?"}, *output, *answers(output)]
        for server, asked, wanted in zip(servers, (upstream, other), (signed("s1"), {}), strict=True):
            ask(server, "shared", items)
            assert wants(calls=[{"id": "call_0"} | wanted])(asked.completions[-1].body) is None
