"""Every way in which a request may end, each as one function that makes such a request with a large body.

Pure clients: each checks that the request did end in its way, and leaves nothing open.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from support.raw import Answer, Connection
from support.scripts import DIED, OWN_USAGE, SCRIPTS, chunk
from support.server import PenstockServer
from support.sse import events
from support.steps import Cut, Expect, Flood, Json, Raw, Reply, Script, Send
from support.talk import Talk
from support.upstream import Received, ScriptedUpstream
from support.waiting import until

KEY = "sk-of-the-endings"
HEADERS = {"content-type": "application/json", "authorization": f"Bearer {KEY}"}
ENV = {
    "PENSTOCK_API_KEYS": KEY,
    "PENSTOCK_LIMITS_IDLE_S": "1",
    "PENSTOCK_LIMITS_TOTAL_S": "3",
    "PENSTOCK_LIMITS_RETRY_BACKOFF_S": "0.01",
    "PENSTOCK_LIMITS_BREAKER_FAILURES": "100000",
    "PENSTOCK_LIMITS_CATALOG_FRESH_S": "0.001",
}
"""For a server in which requests end in all these ways."""
CLOSED_PORT = "http://127.0.0.1:9/v1"
WORDS = "lorem ipsum "
RELAYED = ["relayed whole", "relayed stream", "relayed failed", "relayed cut", "relayed refused"]


def toml(url: str) -> str:
    """Its upstreams: one of each dialect, and one that is down, which another replaces for one model."""
    return f"""
[[upstreams]]
name = "relayed"
url = "{url}"
key = "sk-upstream"
dialect = "responses"
models = {RELAYED}

[[upstreams]]
name = "down"
url = "{CLOSED_PORT}"
key = "sk-upstream"
models = ["down", "no_role"]
priority = 1

[[upstreams]]
name = "chat"
url = "{url}"
key = "sk-upstream"
models = ["*", "no_role"]
priority = 2
"""


def add_scripts(upstream: ScriptedUpstream, size: int) -> None:
    """What the upstream must know beside everybody's scripts; a long answer has this size."""
    done = response([message(WORDS * (size // len(WORDS)))])
    failed = response([], status="failed", error={"code": "server_error", "message": "It broke."})
    vast = Flood(chunk({"content": "x" * 4_000}), size // 4_000)
    for name, script in {
        "wordy": Script((vast, Send(chunk({}, "stop"), OWN_USAGE)), Expect()),
        "wordy cut": Script((vast, Cut()), Expect()),
        "wordy error": Script((vast, Send(DIED)), Expect()),
        "relayed whole": Script((Raw(json.dumps(done).encode()),), Expect(), done=False, whole=done),
        "relayed stream": completion(STARTED, {"type": "response.completed", "response": done}),
        "relayed failed": completion(STARTED, {"type": "response.failed", "response": failed}),
        "relayed cut": Script((*completion(STARTED).steps, Cut()), Expect(), done=False),
        "relayed refused": Script((Reply(400, {"error": {"message": "no", "type": "x"}}),), Expect()),
    }.items():
        upstream.add(name, script)


def response(output: list[Json], **fields: Any) -> Json:
    head = {"id": "resp_theirs", "object": "response", "status": "completed", "model": "relayed"}
    return head | {"output": output, "usage": None} | fields


def message(text: str) -> Json:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}


STARTED: Json = {"type": "response.created", "sequence_number": 0, "response": response([], status="in_progress")}


def completion(*result: Json) -> Script:
    """A stream of the Responses API, or the Response at its end."""
    steps = tuple(Raw(f"data: {json.dumps(one)}\n\n".encode()) for one in result)
    return Script(steps, Expect(), done=False, whole=result[-1].get("response"))


@dataclass(frozen=True)
class Target:
    """A server, what is in front of it, and how long a request is."""

    server: PenstockServer
    upstream: ScriptedUpstream
    size: int

    @property
    def text(self) -> str:
        return WORDS * (self.size // len(WORDS))

    def body(self, model: str, **fields: Any) -> Json:
        return {"model": model, "input": self.text, "store": False, **fields}

    def asked_for(self, model: str) -> list[Received]:
        """What the upstream was asked so far for this model."""
        return [one for one in self.upstream.completions if one.body["model"] == model]

    @contextmanager
    def asked(self, body: Any, path: str = "/responses", **headers: str) -> Iterator[Connection]:
        """A request that is on its way."""
        with Connection(self.server.url) as connection:
            sent = body if isinstance(body, bytes) else json.dumps(body).encode()
            connection.send("POST", path, sent, HEADERS | headers)
            yield connection

    def answer(self, body: Any, path: str = "/responses", **headers: str) -> Answer:
        with self.asked(body, path, **headers) as connection:
            return connection.answer()

    def get(self, method: str, path: str) -> Answer:
        with Connection(self.server.url) as connection:
            connection.send(method, path, headers=HEADERS)
            return connection.answer()


Ending = Callable[[Target], None]
ENDINGS: dict[str, Ending] = {}


def ending(name: str) -> Callable[[Ending], Ending]:
    def named(function: Ending) -> Ending:
        ENDINGS[name] = function
        return function

    return named


def answers(name: str, status: int, model: str, path: str = "/responses", **fields: Any) -> None:
    """A request that is answered as a whole."""

    def answered(target: Target) -> None:
        answer = target.answer(target.body(model, **fields), path)
        assert answer.status == status, (answer.status, answer.body[:500])

    ENDINGS[name] = answered


def streams(name: str, status: str, model: str, **fields: Any) -> None:
    """A request that is answered by a stream, which ends so."""

    def streamed(target: Target) -> None:
        answer = target.answer(target.body(model, stream=True, **fields))
        last = events(answer.body)[-1]
        assert last["response"]["status"] == status, last

    ENDINGS[name] = streamed


# What ends well.

answers("JSON", 200, "text")
answers("long JSON", 200, "wordy")
answers("estimated JSON", 200, "usage_none")
answers("input tokens", 200, "text", "/responses/input_tokens")
answers("truncated", 200, "text", truncation="auto")
streams("stream", "completed", "text")
streams("long stream", "completed", "wordy")
streams("obfuscated stream", "completed", "text", stream_options={"include_obfuscation": True})
streams("calls", "completed", "parallel_calls", tools=SCRIPTS["parallel_calls"].ask["tools"])
streams("thoughts", "completed", "reasoning_content", include=["reasoning.encrypted_content"])
answers("compaction", 200, "text", "/responses/compact")
answers("a reply from the second attempt", 200, "flaky")
answers("a reply from the next upstream", 200, "no_role")
answers("relayed JSON", 200, "relayed whole")
streams("relayed stream", "completed", "relayed stream")

# What this server refuses.

answers("400 of a field", 400, "text", temperature="hot")
answers("400 of an item", 400, "text", input=[{"type": "function_call_output", "call_id": "none", "output": "x"}])
answers("400 of what is not there", 400, "text", previous_response_id="resp_none")
answers("404 of a path", 404, "text", "/nowhere")


@ending("400 of what is no JSON")
def _no_json(target: Target) -> None:
    assert target.answer(json.dumps(target.body("text")).encode()[:-1]).status == 400


@ending("a request in chunks")
def _chunks(target: Target) -> None:
    body = json.dumps(target.body("text")).encode()
    with Connection(target.server.url) as connection:
        connection.send("POST", "/responses", headers=HEADERS | {"content-length": "", "transfer-encoding": "chunked"})
        connection.socket.sendall(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        assert connection.answer().status == 200


@ending("401")
def _unknown_key(target: Target) -> None:
    assert target.answer(target.body("text"), authorization="Bearer sk-other").status == 401


@ending("415")
def _text(target: Target) -> None:
    assert target.answer(target.body("text"), **{"content-type": "text/plain"}).status == 415


# What its upstream refuses, or does not end.

for refused, reported in {
    "bad_request": 400,
    "too_long": 400,
    "unauthorized": 502,
    "rate_limited": 429,
    "server_error": 502,
    "html_error": 502,
    "html_as_200": 502,
    "error_as_200": 502,
    "relayed refused": 400,
    "down": 502,
    "cut": 502,
    "wordy cut": 502,
    "relayed cut": 502,
    "hang": 504,
}.items():
    answers(f"{refused}, asked for JSON", reported, refused)
for broken in (
    "cut",
    "cut_by_close",
    "cut_in_event",
    "cut_in_call",
    "silent_end",
    "error_midway",
    "not_json_midway",
    "hang_midway",
    "wordy cut",
    "wordy error",
    "relayed failed",
    "relayed cut",
):
    streams(f"{broken}, as a stream", "failed", broken, tools=SCRIPTS["cut_in_call"].ask["tools"])


answers("context size, of one that is down", 502, "down", truncation="auto")


@ending("models, one upstream is down")
def _models(target: Target) -> None:
    assert target.get("GET", "/models").status == 200


@ending("404 of a model")
def _unknown_model(target: Target) -> None:
    assert target.answer(target.body("/none")).status == 404


@ending("readiness, one upstream is down")
def _ready(target: Target) -> None:
    with Connection(target.server.base) as connection:
        connection.send("GET", "/readyz")
        assert connection.answer().status == 200


@ending("429, asked for a stream")
def _refused_stream(target: Target) -> None:
    assert target.answer(target.body("rate_limited", stream=True)).status == 429


# Relays.

for model, status in {
    "text": 200,
    "wordy": 200,
    "bad_request": 400,
    "unauthorized": 502,
    "rate_limited": 429,
    "server_error": 500,
    "down": 502,
    "hang": 504,
}.items():

    def _relayed(target: Target, model: str = model, status: int = status) -> None:
        body = {"model": model, "messages": [{"role": "user", "content": target.text}]}
        assert target.answer(body, "/chat/completions").status == status

    ENDINGS[f"relay of {model}"] = _relayed


@ending("relay that is cut")
def _cut_relay(target: Target) -> None:
    body = {"model": "cut", "stream": True, "messages": [{"role": "user", "content": target.text}]}
    with target.asked(body, "/chat/completions") as connection:
        try:
            answer = connection.answer()
        except ConnectionError:
            return
    raise AssertionError(f"it was not cut: {answer}")


@ending("relay of embeddings")
def _embeddings(target: Target) -> None:
    assert target.answer({"model": "text", "input": target.text}, "/embeddings").status == 200


# Clients that leave.


def leaves(
    name: str, model: str, *, stream: bool, begins: bool, path: str = "/responses", beside: Json | None = None
) -> None:
    """A client that leaves once the upstream has the request, or where the reply `begins`, has begun to answer."""

    def left(target: Target) -> None:
        body = target.body(model, stream=stream) | (beside or {})
        if path != "/responses":
            body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": target.text}]}
        with target.asked(body, path) as connection:
            if begins:
                _, headers = connection.head()
                next(connection.writes(headers))
            else:
                until(lambda: target.asked_for(model))
            connection.reset()
        asked = target.asked_for(model)
        until(lambda: all(one.left.is_set() or one.ended.is_set() for one in asked))

    ENDINGS[name] = left


leaves("left a stream", "hang_midway", stream=True, begins=True)
leaves("left a stream that has not begun", "hang", stream=True, begins=False)
leaves("left a long stream", "flood", stream=True, begins=True)
leaves("left JSON", "hang", stream=False, begins=False)
leaves("left a relay", "hang_midway", stream=True, begins=True, path="/chat/completions")


@ending("left in the middle of its request")
def _half_sent(target: Target) -> None:
    body = json.dumps(target.body("text")).encode()
    with Connection(target.server.url) as connection:
        connection.send("POST", "/responses", body[:-9], HEADERS | {"content-length": str(len(body))})


# WebSocket.


def websocket_turn(name: str, *expected: str, model: str, **fields: Any) -> None:
    """A turn over a WebSocket connection, and the last event of it."""

    def text(target: Target) -> None:
        with Talk(target.server, authorization=f"Bearer {KEY}") as talk:
            talk.create(**target.body(model, **fields))
            while (event := talk.receive())["type"] not in {*expected, "response.completed", "error"}:
                pass
            assert event["type"] in expected, event

    ENDINGS[f"WebSocket: {name}"] = text


websocket_turn("completed", "response.completed", model="text")
websocket_turn("completed at length", "response.completed", model="wordy")
websocket_turn("400", "error", model="text", temperature="hot")
websocket_turn("401 behind", "error", model="unauthorized")
websocket_turn("429", "error", model="rate_limited")
websocket_turn("500", "error", model="server_error")
websocket_turn("down", "error", model="down")
websocket_turn("cut", "response.failed", model="cut")
websocket_turn("hangs", "response.failed", model="hang_midway")
websocket_turn("left", "response.output_text.delta", model="hang_midway")


# Stored.


@ending("stored")
def _stored(target: Target) -> None:
    made = target.answer(target.body("text", store=True)).json()
    further = {"previous_response_id": made["id"]}
    again = target.answer(target.body("text", store=True, **further)).json()
    assert target.answer(target.body("cut", **further)).status == 502
    for response_id in (again["id"], made["id"]):
        assert target.get("GET", f"/responses/{response_id}/input_items").status == 200
        assert target.get("DELETE", f"/responses/{response_id}").status == 200


@ending("conversation")
def _conversation(target: Target) -> None:
    room = target.answer({}, "/conversations").json()["id"]
    for model, status in {"text": 200, "cut": 502, "bad_request": 400}.items():
        answer = target.answer(target.body(model, store=True, conversation=room))
        assert answer.status == status
        if status == 200:
            assert target.get("DELETE", f"/responses/{answer.json()['id']}").status == 200
    assert target.get("DELETE", f"/conversations/{room}").status == 200


def runs(name: str, status: str, model: str) -> None:
    """A background response that ends so, while its stream is followed."""

    def ran(target: Target) -> None:
        answer = target.answer(target.body(model, store=True, background=True, stream=True))
        last = events(answer.body)[-1]["response"]
        assert last["status"] == status
        assert target.get("DELETE", f"/responses/{last['id']}").status == 200

    ENDINGS[f"background: {name}"] = ran


runs("completed", "completed", "text")
runs("429", "failed", "rate_limited")
runs("cut", "failed", "cut")
runs("hangs", "failed", "hang_midway")


@ending("background: cancelled")
def _cancelled(target: Target) -> None:
    made = target.answer(target.body("hang_midway", store=True, background=True)).json()
    until(lambda: target.asked_for("hang_midway"))
    assert target.answer({}, f"/responses/{made['id']}/cancel").json()["status"] == "cancelled"
    assert target.get("DELETE", f"/responses/{made['id']}").status == 200
