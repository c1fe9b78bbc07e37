"""WebSocket mode through both servers: turns, chains, streams side by side, and every way of asking wrongly."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from live.conftest import Start
from requirements import shows
from support import oracle
from support.ignored_headers import nameless, post
from support.mounted import MountedServer
from support.scripts import NOTE, SCRIPTS, WITH_WEATHER
from support.server import PenstockServer
from support.talk import TERMINAL, Talk
from support.upstream import ScriptedUpstream

Json = dict[str, Any]

SERVERS: dict[str, type[PenstockServer]] = {"served": PenstockServer, "mounted": MountedServer}
UNCHANGED = ("text", "non_ascii", "reasoning_then_call", "parallel_calls", "custom_call", "logprobs", "length",
                    "refusal", "cut", "error_midway", "usage_none")  # fmt: skip
ENDED_WELL = ("response.completed", "response.incomplete")
CREATE = {"type": "response.create", "model": "text", "input": "Hi"}


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> type[PenstockServer]:
    return SERVERS[request.param]


@pytest.fixture
def served(start: Start, upstream: ScriptedUpstream, server: type[PenstockServer]) -> PenstockServer:
    """Without a store."""
    return start("--upstream", upstream.url, server=server)


@pytest.fixture
def storing(start: Start, upstream: ScriptedUpstream, server: type[PenstockServer]) -> PenstockServer:
    return start("--upstream", upstream.url, server=server, PENSTOCK_STORE="memory://")


@pytest.fixture
def talk(served: PenstockServer) -> Iterator[Talk]:
    with Talk(served) as talk:
        yield talk


def asked(upstream: ScriptedUpstream) -> list[str]:
    """What the upstream was shown last, message by message."""
    messages = upstream.completions[-1].body["messages"]
    return [f"{message['role']}: {message['content']}" for message in messages]


# Turns.


@shows("websocket")
@pytest.mark.parametrize("model", UNCHANGED)
def test_the_events_are_those_of_a_stream(served: PenstockServer, talk: Talk, model: str) -> None:
    body = {"model": model, "input": "Hello?", "store": False, **SCRIPTS[model].ask}
    streamed = post(served.url, body | {"stream": True}).events
    assert nameless({"events": talk.turn(**body)}) == nameless({"events": streamed})


def test_options_of_a_stream(served: PenstockServer, talk: Talk) -> None:
    options = {"include_usage": True, "include_obfuscation": True}
    events = talk.turn(model="text", input="Hi", stream_options=options)
    assert events[-2]["type"] == "response.usage"
    assert all(event["obfuscation"] for event in events if event["type"].endswith(".delta"))


def test_several_turns_on_one_connection(talk: Talk, upstream: ScriptedUpstream) -> None:
    for model in ("text", "call", "text"):
        assert talk.turn(model=model, input="Hi", **WITH_WEATHER)[-1]["type"] == "response.completed"
    assert len(upstream.completions) == 3


def test_an_upstream_that_fails_midway_ends_its_response_only(talk: Talk) -> None:
    assert talk.turn(model="cut", input="Hi")[-1]["type"] == "response.failed"
    assert talk.turn(model="text", input="Hi")[-1]["type"] == "response.completed"


@shows("ws-errors")
@pytest.mark.parametrize("model", ["rate_limited", "bad_request", "too_long", "server_error", "html_error", "nobody"])
def test_an_http_status_is_in_its_error(served: PenstockServer, talk: Talk, model: str) -> None:
    """A code is always there, and so is what the reply's headers contain."""
    body = {"model": model, "input": "Hi"}
    reply = post(served.url, body | {"stream": True})
    error = talk.refused(CREATE | body)
    headers = error["error"].pop("headers", {})
    assert headers.items() <= reply.headers.items()
    assert headers.get("retry-after") == reply.headers.get("retry-after")
    assert headers.get("x-should-retry") == reply.headers.get("x-should-retry")
    code = reply.error["code"] or reply.error["type"]
    assert error == {"type": "error", "status": reply.status, "error": reply.error | {"code": code}}
    assert talk.turn(model="text", input="Hi")[-1]["type"] == "response.completed"


@shows("ws-fields", "ws-ignored")
def test_ignored_parameters_are_reported_before_the_first_event(talk: Talk) -> None:
    talk.create(model="text", input="Hi", frobnicate=1, tools=[{"type": "web_search"}], stream=False)
    created, following = talk.receive(), talk.receive()
    assert created["headers"] == {"x-penstock-ignored": "frobnicate, tools.web_search, stream"}
    assert "headers" not in following
    talk.end()
    talk.create(model="text", input="Hi", stream=True, background=False, generate=True)
    assert "headers" not in talk.receive()


def test_the_handshake_has_the_id_of_its_request(served: PenstockServer) -> None:
    with Talk(served, x_request_id="trace-1") as talk:
        assert talk.socket.response is not None
        assert talk.socket.response.headers["x-request-id"] == "trace-1"


# Chains.


@shows("store-false")
def test_a_chain_of_what_is_not_stored(storing: PenstockServer, upstream: ScriptedUpstream) -> None:
    with Talk(storing) as talk:
        first = talk.turn(model="text", input="One", store=False)[-1]["response"]
        second = talk.turn(model="text", input="Two", store=False, previous_response_id=first["id"])[-1]["response"]
        talk.turn(model="text", input="Three", store=False, previous_response_id=second["id"])
        hello = "assistant: Hello, world"
        assert asked(upstream) == ["user: One", hello, "user: Two", hello, "user: Three"]
        fork = talk.turn(model="text", input="Or", store=False, previous_response_id=first["id"])[-1]["response"]
        assert asked(upstream) == ["user: One", hello, "user: Or"]
        assert fork["previous_response_id"] == first["id"]
    assert post(storing.url, {"model": "text", "previous_response_id": first["id"], "input": "?"}).status == 400


def test_a_chain_without_any_store(talk: Talk, upstream: ScriptedUpstream) -> None:
    first = talk.turn(model="call", input="Weather?", **WITH_WEATHER)[-1]["response"]
    output = {"type": "function_call_output", "call_id": "call_a", "output": "Rain"}
    talk.turn(model="text", input=[output], previous_response_id=first["id"], **WITH_WEATHER)
    roles = [message["role"] for message in upstream.completions[-1].body["messages"]]
    assert roles == ["user", "assistant", "tool"]


@shows("websocket", "codex", "ws-warm-up")
def test_warming_up(talk: Talk, upstream: ScriptedUpstream) -> None:
    """As agents begin: everything that is known, and then what is new alone."""
    known = {"instructions": "Be brief.", "tools": [*WITH_WEATHER["tools"], NOTE], "store": False}
    events = talk.turn(model="text", input=[{"role": "user", "content": "Known"}], generate=False, **known)
    assert [event["type"] for event in events] == ["response.created", "response.in_progress", "response.completed"]
    warm = events[-1]["response"]
    assert (warm["output"], warm["usage"]["total_tokens"]) == ([], 0)
    assert not upstream.completions
    new = [{"role": "user", "content": "New"}]
    talk.turn(model="text", input=new, previous_response_id=warm["id"], **known)
    assert asked(upstream) == ["system: Be brief.", "user: Known", "user: New"]


@shows("ws-stored-chain")
def test_a_chain_continues_from_stored_items(storing: PenstockServer, upstream: ScriptedUpstream) -> None:
    first = post(storing.url, {"model": "text", "input": "One"}).response
    with Talk(storing) as talk:
        second = talk.turn(model="text", input="Two", previous_response_id=first["id"], store=False)[-1]["response"]
        third = talk.turn(model="text", input="Three", previous_response_id=second["id"])[-1]["response"]
    post(storing.url, {"model": "text", "input": "Four", "previous_response_id": third["id"]})
    assert [text for text in asked(upstream) if text.startswith("user")] == [
        "user: One", "user: Two", "user: Three", "user: Four"
    ]  # fmt: skip


@shows("ws-warm-up")
def test_a_warm_up_that_is_stored(storing: PenstockServer, upstream: ScriptedUpstream) -> None:
    with Talk(storing) as talk:
        warm = talk.turn(model="text", input="Known", generate=False)[-1]["response"]
    post(storing.url, {"model": "text", "input": "New", "previous_response_id": warm["id"]})
    assert asked(upstream) == ["user: Known", "user: New"]


def test_unknown_parameters_cause_no_error(talk: Talk, upstream: ScriptedUpstream) -> None:
    new = [{"role": "user", "content": "One", "newer": 1}, {"type": "newest", "value": [1]}]
    first = talk.turn(model="text", input=new, store=False)[-1]["response"]
    talk.turn(model="text", input="Two", store=False, previous_response_id=first["id"])
    assert asked(upstream) == ["user: One", "assistant: Hello, world", "user: Two"]


def test_another_connection_remembers_nothing(served: PenstockServer) -> None:
    with Talk(served) as talk, Talk(served) as other:
        first = talk.turn(model="text", input="One", store=False)[-1]["response"]
        error = other.refused(CREATE | {"previous_response_id": first["id"]})
    assert (error["status"], error["error"]["code"]) == (400, "previous_response_not_found")
    assert error["error"]["param"] == "previous_response_id"


def test_only_the_last_are_remembered(start: Start, upstream: ScriptedUpstream, server: type[PenstockServer]) -> None:
    served = start("--upstream", upstream.url, server=server, PENSTOCK_LIMITS_SOCKET_RECENT_MAX="2")
    with Talk(served) as talk:
        text = [talk.turn(model="text", input="Hi", store=False)[-1]["response"]["id"] for _ in range(3)]
        assert talk.refused(CREATE | {"previous_response_id": text[0]})["error"]["code"] == (
            "previous_response_not_found"
        )
        for response_id in text[1:]:
            talk.turn(model="text", input="More", previous_response_id=response_id)


def failing(model: str = "text", **fields: Any) -> Any:
    return pytest.param({"model": model, "input": "Two", **fields}, id="-".join([model, *fields]))


def outcome(talk: Talk, body: dict[str, Any]) -> str:
    """The code with which a turn is refused, or the type of its last event."""
    talk.create(**body)
    while "status" not in (event := talk.receive()) and event["type"] not in TERMINAL:
        pass
    talk.reported.clear()
    return str(event["error"]["code"] if "status" in event else event["type"])


@shows("ws-eviction")
@pytest.mark.parametrize(
    "body",
    [
        failing(temperature=3),
        failing("nobody"),
        failing("bad_request"),
        failing("rate_limited"),
        failing("server_error"),
        failing("cut"),
        failing("error_midway"),
        failing(stream_id="a b"),
        failing(background=True),
        failing(generate=1),
        failing(input=[{"type": "item_reference", "id": "msg_1"}]),
        failing(conversation="conv_1"),
    ],
)
def test_a_turn_that_fails_evicts_what_it_went_on_from(talk: Talk, body: dict[str, Any]) -> None:
    """The Open Responses suite's `websocket-failed-continuation-evicts-cache`, and whatever else fails a turn."""
    first = talk.turn(model="text", input="One", store=False)[-1]["response"]["id"]
    second = talk.turn(model="text", input="Two", store=False, previous_response_id=first)[-1]["response"]["id"]
    assert outcome(talk, {"store": False, **body, "previous_response_id": second}) not in ENDED_WELL
    again = {"model": "text", "input": "Three", "store": False}
    assert outcome(talk, again | {"previous_response_id": second}) == "previous_response_not_found"
    assert outcome(talk, again | {"previous_response_id": first}) == "response.completed"


@shows("ws-eviction")
def test_a_queue_that_is_full_evicts_too(
    start: Start, upstream: ScriptedUpstream, server: type[PenstockServer]
) -> None:
    served = start("--upstream", upstream.url, server=server, PENSTOCK_LIMITS_SOCKET_QUEUE_MAX="1")
    with Talk(served) as talk:
        first = talk.turn(model="text", input="One", store=False)[-1]["response"]["id"]
        talk.create(model="slow", input="Two")
        assert talk.receive()["type"] == "response.created"
        talk.create(model="text", input="Three")
        talk.create(model="text", input="Four", previous_response_id=first)
        while "status" not in (error := talk.receive()):
            assert error["type"] not in TERMINAL
        assert error["status"] == 429
        talk.end()
        talk.end()
        error = talk.refused(CREATE | {"previous_response_id": first})
        assert error["error"]["code"] == "previous_response_not_found"


@shows("ws-eviction")
@pytest.mark.parametrize(
    "message",
    [
        {"type": "response.create", "model": "length", "input": "Two", "store": False},
        {"type": "response.steer", "input": "Shorter!"},
        {"type": "response.steer"},
        {"type": "response.cancel"},
    ],
    ids=["incomplete", "steer", "malformed steer", "unknown event"],
)
def test_what_is_no_failed_turn_evicts_nothing(talk: Talk, message: dict[str, Any]) -> None:
    first = talk.turn(model="text", input="One", store=False)[-1]["response"]["id"]
    if message["type"] == "response.create":
        assert outcome(talk, message | {"previous_response_id": first}) == "response.incomplete"
    else:
        talk.refused(message | {"previous_response_id": first})
    talk.turn(model="text", input="Three", store=False, previous_response_id=first)


@shows("ws-eviction")
@pytest.mark.parametrize("model", ["bad_request", "cut"])
def test_what_is_stored_is_still_known(storing: PenstockServer, model: str) -> None:
    with Talk(storing) as talk:
        first = talk.turn(model="text", input="One")[-1]["response"]["id"]
        assert outcome(talk, {"model": model, "input": "Two", "previous_response_id": first}) not in ENDED_WELL
        talk.turn(model="text", input="Three", previous_response_id=first)


# Streams.


@shows("ws-streams")
def test_streams_run_side_by_side(talk: Talk, upstream: ScriptedUpstream) -> None:
    talk.create(model="hang_midway", input="Hi", stream_id="slow")
    upstream.completion()
    assert talk.turn(model="text", input="Hi", stream_id="agent_1.a-b")[-1]["type"] == "response.completed"
    assert talk.turn(model="text", input="Hi")[-1]["type"] == "response.completed"
    assert {"slow"} == set(talk.reported)


@shows("ws-errors")
def test_every_message_names_its_stream(talk: Talk) -> None:
    talk.create(model="text", input="Hi", stream_id="a")
    while (event := talk.receive())["type"] != "response.completed":
        assert event["stream_id"] == "a"
    assert talk.refused(CREATE | {"stream_id": "a", "input": 1})["stream_id"] == "a"
    talk.create(model="text", input="Hi")
    assert "stream_id" not in talk.receive()


@shows("ws-streams")
def test_a_stream_is_in_order(talk: Talk, upstream: ScriptedUpstream) -> None:
    for text in ("One", "Two", "Three"):
        talk.create(model="slow", input=text)
    ids = [talk.end()[-1]["response"]["id"] for _ in range(3)]
    assert len(set(ids)) == 3
    assert [one.body["messages"][0]["content"] for one in upstream.completions] == ["One", "Two", "Three"]
    ended = [one.at for one in upstream.completions]
    assert ended[2] - ended[0] > 0.5  # each took 0.3 s before the next began


@shows("ws-streams")
def test_streams_are_bounded(start: Start, upstream: ScriptedUpstream, server: type[PenstockServer]) -> None:
    limits = {"SOCKET_STREAMS_MAX": "2", "SOCKET_RUNS_MAX": "1", "SOCKET_QUEUE_MAX": "2"}
    env = {f"PENSTOCK_LIMITS_{name}": value for name, value in limits.items()}
    with Talk(start("--upstream", upstream.url, server=server, **env)) as talk:
        begun = talk.begun(model="hang_midway", input="Hi", stream_id="a")
        assert begun["stream_id"] == "a"
        talk.create(model="text", input="Hi", stream_id="b")
        error = talk.refused(CREATE | {"stream_id": "c"})
        assert (error["stream_id"], error["error"]["code"]) == ("c", "websocket_stream_limit_reached")
        talk.create(model="text", input="Hi")
        error = talk.refused(CREATE | {"stream_id": "b"})
        assert (error["stream_id"], error["error"]["code"]) == ("b", "rate_limit_exceeded")
        assert (error["status"], error["error"]["headers"]["retry-after"]) == (429, "1")
        assert len(upstream.completions) == 1


# Asking wrongly.


WRONG: dict[str, tuple[Any, int, str | None, str]] = {
    "no JSON": ("nonsense", 400, None, "invalid_request_error"),
    "no object": ("[]", 400, None, "invalid_request_error"),
    "nothing": ("", 400, None, "invalid_request_error"),
    "no UTF-8": (b'{"type": "\xff"}', 400, None, "invalid_request_error"),
    "no type": ({"model": "text", "input": "Hi"}, 400, "type", "missing_required_parameter"),
    "an unknown type": ({"type": "response.cancel"}, 400, "type", "unknown_event_type"),
    "a type that is no text": ({"type": 1}, 400, "type", "invalid_type"),
    "no input": ({"type": "response.create", "model": "text"}, 400, "input", "missing_required_parameter"),
    "an unknown model": (CREATE | {"model": "nobody"}, 404, None, "model_not_found"),
    "a bad parameter": (CREATE | {"temperature": 3}, 400, "temperature", "decimal_above_max_value"),
    "in the background": (CREATE | {"background": True}, 400, "background", "unsupported_parameter"),
    "an unknown past": (
        CREATE | {"previous_response_id": "resp_1"}, 400, "previous_response_id", "previous_response_not_found",
    ),
    "two pasts": (
        CREATE | {"previous_response_id": "resp_1", "conversation": "conv_1"}, 400, None,
        "mutually_exclusive_parameters",
    ),
    "a stream without a name": (CREATE | {"stream_id": ""}, 400, "stream_id", "invalid_stream_id"),
    "a stream with a bad name": (CREATE | {"stream_id": "a b"}, 400, "stream_id", "invalid_stream_id"),
    "a stream with a long name": (CREATE | {"stream_id": "a" * 257}, 400, "stream_id", "invalid_stream_id"),
    "a stream with a number": (CREATE | {"stream_id": 1}, 400, "stream_id", "invalid_stream_id"),
}  # fmt: skip


@shows("ws-fields", "ws-errors", "one-past")
@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_is_reported_and_the_connection_stays_open(talk: Talk, case: str) -> None:
    text, status, param, code = WRONG[case]
    error = talk.refused(text)
    assert (error["status"], error["error"]["param"], error["error"]["code"]) == (status, param, code)
    assert talk.turn(model="text", input="Hi")[-1]["type"] == "response.completed"


@shows("ws-steering")
def test_steering_gives_the_input_back(talk: Talk) -> None:
    talk.begun(model="hang_midway", input="Hi", stream_id="a")
    steer = {"previous_response_id": talk.reported["a"][0]["response"]["id"], "input": "Shorter!"}
    failed = talk.refused({"type": "response.steer", **steer})
    assert (failed["error"]["code"], failed["steer"]) == ("steering_not_supported", steer)
    assert talk.refused({"type": "response.steer"})["error"]["param"] == "previous_response_id"


def test_a_binary_message_is_read_as_text(talk: Talk) -> None:
    talk.send(json.dumps(CREATE).encode())
    assert talk.end()[-1]["type"] == "response.completed"


def test_a_message_that_is_too_long(start: Start, upstream: ScriptedUpstream, server: type[PenstockServer]) -> None:
    """A server that is given the limit ends the connection; elsewhere the app refuses the message."""
    served = start("--upstream", upstream.url, server=server, PENSTOCK_LIMITS_BODY_BYTES_MAX="10000")
    with Talk(served) as talk:
        try:
            error = talk.refused(CREATE | {"input": "x" * 10_000})
            assert (error["status"], error["error"]["code"]) == (413, "request_too_large")
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            assert closed.rcvd.code == 1009
            assert server is PenstockServer


# The handshake.


def refusal(server: PenstockServer, **headers: str) -> tuple[int, Json]:
    """The status and error with which it is refused."""
    with pytest.raises(InvalidStatus) as refused:
        Talk(server, **headers)
    response = refused.value.response
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"]
    return response.status_code, oracle.check_error(json.loads(response.body or b""))


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong"}])
def test_without_the_key(
    start: Start, upstream: ScriptedUpstream, server: type[PenstockServer], headers: dict[str, str]
) -> None:
    served = start("--upstream", upstream.url, server=server, PENSTOCK_API_KEYS="sk-right")
    status, error = refusal(served, **headers)
    assert (status, error["code"]) == (401, "invalid_api_key")
    with Talk(served, authorization="Bearer sk-right") as talk:
        assert talk.turn(model="text", input="Hi")[-1]["type"] == "response.completed"


@pytest.mark.parametrize("header", ["origin", "host"])
def test_from_a_foreign_page(served: PenstockServer, header: str) -> None:
    value = {"origin": "https://evil.example", "host": "evil.example"}[header]
    status, error = refusal(served, **{header: value})
    if header == "host" and not isinstance(served, MountedServer):  # that client sends its own Host as well
        assert (status, error["code"]) == (400, "malformed_request")
    else:
        assert (status, error["code"]) == (403, "forbidden_host")


def test_from_a_page_of_this_machine(served: PenstockServer) -> None:
    with Talk(served, origin="http://localhost:3000") as talk:
        assert talk.turn(model="text", input="Hi")[-1]["type"] == "response.completed"


def test_where_it_is_off(start: Start, upstream: ScriptedUpstream, server: type[PenstockServer]) -> None:
    served = start("--upstream", upstream.url, server=server, PENSTOCK_WEBSOCKET="false")
    status, error = refusal(served)
    assert (status, error["code"]) == (426, "upgrade_required")


def test_a_key_that_expires_meanwhile(start: Start, upstream: ScriptedUpstream) -> None:
    digest = hashlib.sha256(b"sk-short").hexdigest()
    for lifetime_s in (3, 15, 60):  # on a slow machine, the server may take longer to start than the key lasts
        expires = datetime.now(UTC) + timedelta(seconds=lifetime_s)
        key = f'[[keys]]\nname = "short"\nhash = "sha256:{digest}"\nexpires = {expires.isoformat()}\n'
        served = start("--upstream", upstream.url, toml=key)
        if expires - datetime.now(UTC) > timedelta(seconds=lifetime_s / 2):
            break
    with Talk(served, authorization="Bearer sk-short") as talk:
        assert talk.turn(model="text", input="Hi")[-1]["type"] == "response.completed"
        time.sleep(max((expires - datetime.now(UTC)).total_seconds() + 1, 0))
        error = talk.refused(CREATE)
        assert (error["status"], error["error"]["code"]) == (401, "invalid_api_key")


@shows("owners")
def test_owners(start: Start, upstream: ScriptedUpstream, server: type[PenstockServer]) -> None:
    env = {"PENSTOCK_API_KEYS": "sk-one,sk-two", "PENSTOCK_STORE": "memory://"}
    served = start("--upstream", upstream.url, server=server, **env)
    with Talk(served, authorization="Bearer sk-one") as one, Talk(served, authorization="Bearer sk-two") as two:
        stored = one.turn(model="text", input="Hi")[-1]["response"]["id"]
        error = two.refused(CREATE | {"previous_response_id": stored})
        assert error["error"]["code"] == "previous_response_not_found"
        one.turn(model="text", input="Hi", previous_response_id=stored)
