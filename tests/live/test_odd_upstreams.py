"""What strays from the specification, through the real server: as a stream and as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from requirements import shows
from support.ignored_headers import CheckedReply, post, texts
from support.scripts import HELLO, ROLE, chunk, text
from support.server import PenstockServer
from support.steps import Expect, Raw, Reply, Script, Send
from support.upstream import ScriptedUpstream
from support.waiting import until

PNG = "iVBORw0KGgo="
ANY = Expect()


def ask(server: PenstockServer, model: str, *, stream: bool, **beside: Any) -> CheckedReply:
    return post(server.url, {"model": model, "input": "Hello?", "stream": stream, **beside})


def whole(message: Any, finish: str | None = "stop", **beside: Any) -> Reply:
    return Reply(200, {"choices": [{"index": 0, "message": message, "finish_reason": finish}], **beside})


@shows("media-in-answers", "answered-media")
def test_an_image_is_an_item_that_the_next_turn_sees(server: PenstockServer, upstream: ScriptedUpstream) -> None:
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    drawn = Script((whole({"role": "assistant", "content": None, "images": [image]}),), ANY)
    first = ask(server, upstream.add("draws", drawn), stream=False)
    (item,) = first.response["output"]
    assert (item["type"], item["status"], item["result"]) == ("image_generation_call", "completed", PNG)
    history = [*first.response["output"], {"role": "user", "content": "And now in blue"}]
    next_turn = post(server.url, {"model": "text", "input": history})
    assert next_turn.response["status"] == "completed"
    assert f"data:image/png;base64,{PNG}" in json.dumps(upstream.requests[-1].body)


NOTHING: dict[str, Reply | Raw] = {
    "no bytes": Reply(200, ""),
    "only an end": Raw(b": wait\n\n"),
    "no choices": Reply(200, {"id": "x", "choices": []}),
    "no message": whole(None),
}


@shows("nothing-is-failed", "empty-answers")
@pytest.mark.parametrize("name", NOTHING)
def test_an_empty_reply_is_reported_as_a_failure(server: PenstockServer, upstream: ScriptedUpstream, name: str) -> None:
    model = upstream.add(f"says {name}", Script((NOTHING[name],), ANY))
    streamed = ask(server, model, stream=True)
    if streamed.status == 200:
        assert streamed.response["status"] == "failed"
        assert streamed.response["error"]["code"] == "server_error"
    else:
        assert (streamed.status, streamed.error["code"]) == (502, "server_error")
    if isinstance(NOTHING[name], Reply):
        assert ask(server, model, stream=False).status == 502


SHAPES: dict[str, tuple[int, Any]] = {
    "a list": (400, [{"error": {"code": 400, "message": "engine died", "status": "INVALID_ARGUMENT"}}]),
    "FastAPI": (422, {"detail": [{"loc": ["body", "messages"], "msg": "engine died", "type": "missing"}]}),
    "OpenRouter": (
        400,
        {"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": '{"error": "engine died"}'}}},
    ),
    "plain words": (400, "engine died"),
    "JSON in a text": (400, {"error": '{"error": {"message": "engine died", "code": 400}}'}),
}


@shows("error-shapes")
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(("status", "body"), SHAPES.values(), ids=SHAPES)
def test_an_error_has_the_upstreams_message(
    server: PenstockServer, upstream: ScriptedUpstream, status: int, body: Any, stream: bool
) -> None:
    model = f"refuses {status} {body}"[:60]
    if model not in upstream.scripts:
        upstream.add(model, Script((Reply(status, body),), ANY))
    reply = ask(server, model, stream=stream)
    assert reply.status == 400
    assert "engine died" in reply.error["message"]
    assert reply.error["code"] is None


@shows("error-shapes")
@pytest.mark.parametrize(
    "text",
    [
        b'event: error\ndata: {"message": "engine died"}\n\n',
        b'error: {"message": "engine died"}\n\n',
        b'data: {"detail": "engine died"}\n\n',
        b"data: engine died\n\n",
    ],
)
def test_an_error_in_a_stream_has_the_upstreams_message(
    server: PenstockServer, upstream: ScriptedUpstream, text: bytes
) -> None:
    model = upstream.add(f"breaks {text!r}", Script((Send(ROLE, *HELLO), Raw(text)), ANY))
    reply = ask(server, model, stream=True)
    assert reply.names[-1] == "failed"
    assert "engine died" in reply.response["error"]["message"]
    assert texts(reply.response, "message", "output_text") == "Hello, world"


@shows("too-long-by-any-words", "too-long-amid")
def test_an_input_that_is_too_long_has_its_code_in_every_face(
    server: PenstockServer, upstream: ScriptedUpstream
) -> None:
    early = ask(server, "too_long_for_gemini", stream=True)
    assert (early.status, early.error["code"], early.error["param"]) == (400, "context_length_exceeded", "input")
    late = ask(server, "too_long_midway", stream=True)
    assert late.response["error"]["code"] == "context_length_exceeded"
    whole = ask(server, "too_long_midway", stream=False)
    assert (whole.status, whole.error["code"]) == (400, "context_length_exceeded")
    model = upstream.add("too long as a 500", Script((Reply(500, {"error": "prompt is too long: 9 > 8"}),), ANY))
    upstream.forget()
    reply = ask(server, model, stream=False)
    assert (reply.status, reply.error["code"], len(upstream.requests)) == (400, "context_length_exceeded", 1)


@shows("odd-finishes", "finish-reasons")
def test_an_unknown_reason_is_in_the_log_once(server: PenstockServer, upstream: ScriptedUpstream) -> None:
    model = upstream.add("ends oddly", Script((Send(*text("a"), chunk({}, "unheard_of")),), ANY))
    for _ in range(2):
        assert ask(server, model, stream=True).response["status"] == "completed"
    until(lambda: "'unheard_of'" in server.log)
    assert server.log.count("'unheard_of'") == 1


@shows("refused-fields", "refused-fields-left-out")
@pytest.mark.parametrize("stream", [True, False])
def test_a_field_that_is_refused_costs_an_attempt_and_no_turn(
    server: PenstockServer, upstream: ScriptedUpstream, stream: bool
) -> None:
    """One field after the other, as some upstreams report them."""
    known = {"model", "messages", "stream"}
    model = upstream.add(f"strict {stream}", Script((Send(*text("a"), chunk({}, "stop")),), ANY))
    upstream.demands[model] = lambda body: next(
        (f"property '{name}' is unsupported" for name in body if name not in known), None
    )
    for attempts in (4 if stream else 3, 1):
        upstream.requests.clear()
        reply = ask(server, model, stream=stream, prompt_cache_key="k", safety_identifier="s")
        assert texts(reply.response, "message", "output_text") == "a"
        assert len(upstream.completions) == attempts
        assert reply.headers["x-penstock-ignored"] == "prompt_cache_key, safety_identifier"
    refused = ask(server, model, stream=stream, temperature=0.5)
    assert (refused.status, "temperature" in refused.error["message"]) == (400, True)
    note = f"refuses prompt_cache_key for the model '{model}'"
    until(lambda: note in server.log)
    assert server.log.count(note) == 1
