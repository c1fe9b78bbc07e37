"""The scripted upstream does what its scripts define, and notices what its clients do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from support.raw import Answer, Connection, post
from support.scripts import ANSWERS, CALLING, HELLO_TURN, LOGPROBS, ODD, REFUSED, SCRIPTS
from support.steps import Expect, Flood, Json, Reply, Script, fold_chunks
from support.upstream import ScriptedUpstream
from support.waiting import steady

PATH = "/chat/completions"
# Scripts whose framing or broken end another test looks at.
PLAIN = sorted((ANSWERS | CALLING | ODD).keys() - {"no_done_until_close"})


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as running:
        yield running


@pytest.fixture(autouse=True)
def forget(upstream: ScriptedUpstream) -> None:
    upstream.forget()


def complete(upstream: ScriptedUpstream, model: str, *, stream: bool) -> Answer:
    return post(upstream.url, {"model": model, "messages": [], "stream": stream}, PATH)


def chunks(body: bytes) -> list[Any]:
    """A reader as tolerant as the scripts need."""
    lines = body.decode().replace("\r\n", "\n").split("\n")
    data = [line.removeprefix("data:").strip() for line in lines if line.startswith("data:")]
    return [json.loads(entry) for entry in data if entry != "[DONE]"]


@pytest.mark.parametrize("name", PLAIN)
def test_a_script_sends_the_same_with_and_without_streaming(upstream: ScriptedUpstream, name: str) -> None:
    streamed = complete(upstream, name, stream=True)
    whole = complete(upstream, name, stream=False)
    assert (streamed.status, whole.status) == (200, 200)
    assert fold_chunks(chunks(streamed.body)) == whole.json()


@pytest.mark.parametrize("name", PLAIN)
def test_the_folded_body_has_what_the_script_expects(upstream: ScriptedUpstream, name: str) -> None:
    expect = SCRIPTS[name].expect
    body = complete(upstream, name, stream=False).json()
    message = body["choices"][0]["message"]
    if expect.text is not None and not SCRIPTS[name].inline_think:
        assert _text(message) == expect.text
    assert expect.calls is not None
    assert [call["function"]["name"] for call in message.get("tool_calls", [])] == [call.name for call in expect.calls]
    for call, expected in zip(message.get("tool_calls", []), expect.calls, strict=True):
        arguments = call["function"]["arguments"].removeprefix("{}")  # some upstreams send it before the real ones
        custom = expected.type == "custom_tool_call"
        assert (json.loads(arguments)["input"] if custom else arguments or "{}") == expected.payload
    if expect.tokens is not None:
        counted = (body["usage"]["prompt_tokens"], body["usage"]["completion_tokens"])
        assert tuple(int(count) for count in counted) == expect.tokens


def _text(message: Json) -> str:
    """The text of a message, in parts or not, or of its speech."""
    content = message["content"] or message.get("audio", {}).get("transcript", "")
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def test_logprobs_are_folded(upstream: ScriptedUpstream) -> None:
    body = complete(upstream, "logprobs", stream=False).json()
    assert body["choices"][0]["logprobs"] == {"content": LOGPROBS, "refusal": []}


def test_framing_is_as_in_the_script(upstream: ScriptedUpstream) -> None:
    assert complete(upstream, "crlf", stream=True).body.count(b"\r\n\r\n") == len(HELLO_TURN[0].chunks) + 1
    assert b"data: " not in complete(upstream, "bare_data", stream=True).body
    assert b": OPENROUTER PROCESSING\n\n" in complete(upstream, "comments", stream=True).body
    assert b"[DONE]" in complete(upstream, "text", stream=True).body
    assert b"[DONE]" not in complete(upstream, "no_done", stream=True).body
    assert max(len(write) for write in complete(upstream, "shredded", stream=True).writes) == 3


def test_a_body_may_end_with_its_connection(upstream: ScriptedUpstream) -> None:
    with Connection(upstream.url) as connection:
        connection.post({"model": "no_done_until_close", "stream": True}, PATH)
        status, headers = connection.head()
        assert (status, headers["connection"], "transfer-encoding" in headers) == (200, "close", False)
        assert len(chunks(connection.file.read())) == len(HELLO_TURN[0].chunks)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("name", ["cut", "cut_by_close", "cut_in_event"])
def test_a_cut_is_a_cut(upstream: ScriptedUpstream, name: str, *, stream: bool) -> None:
    with pytest.raises(ConnectionError):
        complete(upstream, name, stream=stream)
    assert upstream.completion().left_at is None


@pytest.mark.parametrize("name", REFUSED.keys() - {"flaky"})
def test_replies_that_are_no_stream(upstream: ScriptedUpstream, name: str) -> None:
    (reply,) = REFUSED[name].steps
    assert isinstance(reply, Reply)
    answer = complete(upstream, name, stream=True)
    assert answer.status == reply.status
    assert answer.headers.items() >= dict(reply.headers).items()


def test_fails_twice_then_succeeds(upstream: ScriptedUpstream) -> None:
    assert [complete(upstream, "flaky", stream=True).status for _ in range(3)] == [503, 503, 200]


def test_records_what_was_asked(upstream: ScriptedUpstream) -> None:
    body = {"model": "text", "messages": [{"role": "user", "content": "Grüße"}]}
    post(upstream.url, body, PATH, authorization="Bearer sk-test")
    received = upstream.completion()
    assert received.body == body
    assert received.headers["authorization"] == "Bearer sk-test"
    assert received.ended.wait(20)
    assert received.left_at is None


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("reset", [True, False])
def test_notices_a_client_that_disconnects(upstream: ScriptedUpstream, *, stream: bool, reset: bool) -> None:
    connection = Connection(upstream.url)
    connection.post({"model": "hang", "stream": stream}, PATH)
    received = upstream.completion()
    assert received.left_at is None
    connection.reset() if reset else connection.__exit__()
    assert 0 <= received.wait_left() - received.at < 5
    assert not received.ended.is_set()


def test_a_slow_reader_holds_it_back(upstream: ScriptedUpstream) -> None:
    flood = SCRIPTS["flood"].steps[0]
    assert isinstance(flood, Flood)
    with Connection(upstream.url, receive_bytes=8192) as connection:
        connection.post({"model": "flood", "stream": True}, PATH)
        connection.head()
        received = upstream.completion()
        written = steady(lambda: received.written)
        assert 0 < written < flood.times * 4000 / 4


def test_one_connection_serves_many_requests(upstream: ScriptedUpstream) -> None:
    with Connection(upstream.url) as connection:
        for _ in range(3):
            connection.post({"model": "text"}, PATH)
            assert connection.answer().status == 200


def test_unknown_scripts_and_routes(upstream: ScriptedUpstream) -> None:
    assert complete(upstream, "nobody", stream=True).status == 404
    assert post(upstream.url, {}, "/elsewhere").status == 404
    assert upstream.add("mine", Script(HELLO_TURN, Expect())) == "mine"
    assert complete(upstream, "mine", stream=True).status == 200
