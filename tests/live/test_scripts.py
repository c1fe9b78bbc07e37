"""Every script, asked as JSON and as a stream: both contain what the script expects, and the same."""

from __future__ import annotations

from typing import Any

import pytest

from live.conftest import Start
from requirements import shows
from support.ignored_headers import CheckedReply, calls, nameless, post, texts
from support.scripts import ACTING, ANSWERS, BRINGING, BROKEN, CALLING, HANGING, ODD, REFUSED, SCRIPTS
from support.server import PenstockServer
from support.steps import Expect
from support.upstream import ScriptedUpstream

GOOD = sorted(name for name, script in (ANSWERS | CALLING | ACTING | BRINGING | ODD).items() if not script.inline_think)
# Broken in what only a stream has: the JSON body contains nothing of it.
BROKEN_AS_STREAM = {
    "silent_end": "a JSON body has its end, with or without a reason to end",
    "not_json_midway": "the broken event is no part of the JSON body",
    "error_event_midway": "the same",
    "nothing": "the same: a JSON body has an empty message",
}
# Fails in both, by what each of them notices first.
MANNERS = {
    "hang": "a stream is idle too long, a JSON reply takes too long on the whole",
    "hang_midway": "the same",
}
SERVER = "server_error"
IMPATIENT = {"PENSTOCK_LIMITS_IDLE_S": "0.5", "PENSTOCK_LIMITS_TOTAL_S": "1", "PENSTOCK_LIMITS_HEAD_WAIT_S": "0.2"}


def ask(server: PenstockServer, name: str, *, stream: bool) -> CheckedReply:
    return post(server.url, {"model": name, "input": "Hello?", "stream": stream, **SCRIPTS[name].ask})


def check_response(response: dict[str, Any], expect: Expect) -> None:
    """The response is what the script expects, as far as it states it."""
    assert response["status"] == expect.status
    assert (response["incomplete_details"] or {}).get("reason") == expect.reason
    seen = {
        "text": texts(response, "message", "output_text"),
        "reasoning": texts(response, "reasoning", "reasoning_text"),
        "refusal": texts(response, "message", "refusal", "refusal"),
        "calls": calls(response),
    }
    expected = {name: getattr(expect, name) for name in seen}
    assert seen == {name: seen[name] if value is None else value for name, value in expected.items()}
    if expect.tokens is not None:
        assert (response["usage"]["input_tokens"], response["usage"]["output_tokens"]) == expect.tokens
        assert "estimated" not in response["usage"]
    elif expect.status == "completed":
        assert response["usage"]["estimated"] is True


def both(server: PenstockServer, name: str) -> None:
    streamed, whole = ask(server, name, stream=True), ask(server, name, stream=False)
    assert (streamed.status, whole.status) == (200, 200)
    check_response(streamed.response, SCRIPTS[name].expect)
    check_response(whole.response, SCRIPTS[name].expect)
    assert nameless(whole.response) == nameless(streamed.response)


@shows("one-path", "estimated-usage", "cut-upstreams")
@pytest.mark.parametrize("name", GOOD)
def test_json_is_the_fold_of_the_stream(server: PenstockServer, name: str) -> None:
    both(server, name)


def test_inline_thoughts_where_the_upstream_is_known_for_them(
    start: Start, server: PenstockServer, upstream: ScriptedUpstream
) -> None:
    upstreams = f'[[upstreams]]\nname = "thinker"\nurl = "{upstream.url}"\noptions.inline_think = true'
    for name in ("think", "text", "call"):
        both(start(toml=upstreams), name)
    for stream in (True, False):
        response = ask(server, "think", stream=stream).response
        assert texts(response, "message", "output_text") == "<think>Let me think.</think>Hello, world"


@shows("cut-upstreams")
@pytest.mark.parametrize("name", sorted(BROKEN | HANGING))
def test_what_breaks_is_failed_as_a_stream_and_an_error_as_json(
    start: Start, server: PenstockServer, upstream: ScriptedUpstream, name: str
) -> None:
    if name in HANGING:
        server = start("--upstream", upstream.url, **IMPATIENT)
    streamed, whole = ask(server, name, stream=True), ask(server, name, stream=False)
    assert streamed.status == 200
    assert streamed.names[-1] == "failed"
    check_response(streamed.response, SCRIPTS[name].expect)
    if name in BROKEN_AS_STREAM:
        assert whole.status == 200
        return
    assert (whole.status, whole.error["code"]) in {(400, "context_length_exceeded"), (502, SERVER), (504, SERVER)}
    assert whole.error["code"] == streamed.response["error"]["code"]
    if name not in MANNERS:
        assert whole.error["message"] == streamed.response["error"]["message"]


@shows("early-errors")
@pytest.mark.parametrize("name", sorted(REFUSED.keys() - {"flaky"}))
def test_what_is_refused_is_an_error_before_anything_was_sent(server: PenstockServer, name: str) -> None:
    streamed, whole = ask(server, name, stream=True), ask(server, name, stream=False)
    assert streamed.status == whole.status == SCRIPTS[name].expect.http
    assert streamed.error == whole.error
