"""An upstream that repeats our keys in its errors: none of them reaches a client, the log or a row, on any way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from live.conftest import Start
from requirements import shows
from support import raw
from support.scripts import HELLO, ROLE
from support.server import PenstockServer
from support.steps import Expect, Json, Raw, Reply, Script, Send, Sleep, Step
from support.talk import Talk
from support.upstream import ScriptedUpstream
from support.waiting import until

KEY = "sk-canary-0123456789abcdef"
TOKEN = "tok/canary+9876543210=="
CLIENT = "sk-of-the-client"
TOOL = "canary-of-a-tool-4711"
CANARY = "canary"
ECHO = f"Wrong header 'Authorization: Bearer {KEY}', x-token {TOKEN}"
ERROR: Json = {"message": ECHO, "type": "invalid_request_error", "param": f"p.{KEY}", "code": f"c_{KEY}"}
ESCAPED = json.dumps({"error": ERROR}).replace("/", "\\/")
HEADERS = {"openai-organization": KEY, "x-ratelimit-reset": TOKEN, "x-echo": KEY}
STATUSES = [400, 401, 403, 404, 409, 413, 422, 429, 500, 503]
TOML = """
[[upstreams]]
name = "echo"
url = "{url}"
dialect = "{dialect}"
{key}
headers = {{ "x-token" = "Token {token}" }}
"""


def served(start: Start, upstream: ScriptedUpstream, dialect: str = "chat_completions", **env: str) -> PenstockServer:
    """With a key of its own."""
    toml = TOML.format(url=upstream.url, dialect=dialect, token=TOKEN, key=f'key = "{KEY}"')
    return start("--log-level", "debug", toml=toml, **env)


def passing_on(start: Start, upstream: ScriptedUpstream, dialect: str = "chat_completions") -> PenstockServer:
    """With the clients' keys."""
    return start("--log-level", "debug", toml=TOML.format(url=upstream.url, dialect=dialect, token=TOKEN, key=""))


SERVED = {"our key": (served, CLIENT), "the client's": (passing_on, KEY)}
"""How the upstream gets the key, and which one the client sends."""


def ask(server: PenstockServer, model: str, path: str = "/responses", key: str = CLIENT, **fields: Any) -> raw.Answer:
    tool: Json = {"type": "new", "authorization": TOOL}
    what: Json = {"input": "Hi", "tools": [tool]} if path == "/responses" else {"messages": []}
    return raw.post(server.url, {"model": model} | what | fields, path, authorization=f"Bearer {key}")


def assert_hidden(server: PenstockServer, *answers: raw.Answer) -> None:
    for answer in answers:
        assert CANARY not in repr(answer)
    assert CANARY not in server.log


def echoing(upstream: ScriptedUpstream, *steps: Step, **options: Any) -> str:
    """A model that sends this, whose name no other test uses."""
    return upstream.add(f"echo {len(upstream.scripts)}", Script(steps, Expect(), **options))


@shows("masked-keys", "masked-echoes")
@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize(
    "body", [{"error": ERROR}, {"detail": ECHO}, ECHO, ESCAPED], ids=["error", "detail", "text", "escaped"]
)
@pytest.mark.parametrize("which", SERVED)
def test_an_error_before_the_first_event(
    start: Start, upstream: ScriptedUpstream, status: int, body: Any, which: str
) -> None:
    serve, key = SERVED[which]
    server = serve(start, upstream)
    model = echoing(upstream, Reply(status, body, HEADERS))
    answers = [ask(server, model, key=key, stream=stream) for stream in (False, True)]
    assert {answer.status for answer in answers} <= {status, 400, 502}
    assert_hidden(server, *answers)
    relayed = ask(server, model, "/chat/completions", key)
    assert KEY not in repr(relayed)
    assert TOKEN not in repr(relayed)


LINES = [f"data: {json.dumps({'error': ERROR})}\n\n", f"data: {ESCAPED}\n\n"]


@shows("masked-keys")
@pytest.mark.parametrize("text", LINES, ids=["plain", "escaped"])
@pytest.mark.parametrize("which", SERVED)
@pytest.mark.parametrize("piece_bytes", [None, 7])
def test_an_error_in_mid_stream(
    start: Start, upstream: ScriptedUpstream, text: str, which: str, piece_bytes: int | None
) -> None:
    serve, key = SERVED[which]
    server = serve(start, upstream)
    model = echoing(upstream, Send(ROLE, *HELLO), Raw(text.encode()), piece_bytes=piece_bytes)
    answer = ask(server, model, key=key, stream=True)
    assert b"response.failed" in answer.body
    assert b"***" in answer.body
    assert_hidden(server, answer)


@shows("masked-keys")
@pytest.mark.parametrize("piece_bytes", [None, 1, 7])
@pytest.mark.parametrize("status", [200, 400])
def test_a_relayed_stream(start: Start, upstream: ScriptedUpstream, status: int, piece_bytes: int | None) -> None:
    """However its pieces are cut; each byte comes, and asterisks for the key's."""
    server = served(start, upstream)
    text = f"data: {json.dumps({'error': {'message': f'{KEY} and {TOKEN}'}})}\n\n".encode()
    step: Step = Raw(text) if status == 200 else Reply(status, text.decode(), {"content-type": "text/event-stream"})
    model = echoing(upstream, step, done=False, piece_bytes=piece_bytes)
    answer = ask(server, model, "/chat/completions", stream=True)
    assert answer.status == status
    assert len(answer.body) == len(text)
    assert answer.body.startswith(b'data: {"error": {"message": "***')
    assert_hidden(server, answer)


def test_a_relayed_reply_is_the_clients_with_its_own_key_in_it(start: Start, upstream: ScriptedUpstream) -> None:
    """A good reply is not searched for what the client knows anyway."""
    server = passing_on(start, upstream)
    model = echoing(upstream, Reply(200, {"choices": [], "echo": KEY}))
    answer = ask(server, model, "/chat/completions", KEY)
    assert (answer.status, answer.json()["echo"]) == (200, KEY)


EVENTS: dict[str, list[Json]] = {
    "an error": [{"type": "error", "message": ECHO, "code": f"c_{KEY}", "param": None}],
    "a nested one": [{"type": "error", "error": ERROR}],
    "a failure": [
        {"type": "response.failed", "response": {"status": "failed", "error": {"code": f"c_{KEY}", "message": ECHO}}}
    ],
}


@shows("masked-keys")
@pytest.mark.parametrize("events", EVENTS.values(), ids=EVENTS)
@pytest.mark.parametrize("which", SERVED)
def test_an_upstream_of_the_responses_api(
    start: Start, upstream: ScriptedUpstream, events: list[Json], which: str
) -> None:
    serve, key = SERVED[which]
    server = serve(start, upstream, "responses")
    model = echoing(upstream, *(Raw(f"data: {json.dumps(event)}\n\n".encode()) for event in events))
    streamed, whole = (ask(server, model, key=key, stream=stream) for stream in (True, False))
    assert b"***" in streamed.body
    assert_hidden(server, streamed, whole)  # a JSON request has the upstream send JSON: events are no reply to it


@shows("masked-keys")
@pytest.mark.parametrize("which", SERVED)
def test_a_json_response_of_an_upstream_with_the_responses_dialect(
    start: Start, upstream: ScriptedUpstream, which: str
) -> None:
    serve, key = SERVED[which]
    server = serve(start, upstream, "responses")
    failed: Json = {"id": "resp_1", "object": "response", "status": "failed", "output": [], "error": ERROR}
    whole = ask(server, echoing(upstream, Reply(200, failed)), key=key)
    assert "***" in whole.json()["error"]["message"]
    assert_hidden(server, whole)


@shows("masked-keys")
@pytest.mark.parametrize("step", [Reply(400, {"error": ERROR}), Reply(503, {"error": ERROR}), Raw(LINES[0].encode())])
def test_the_background_and_its_rows(start: Start, upstream: ScriptedUpstream, step: Step) -> None:
    server = served(start, upstream, PENSTOCK_STORE="sqlite:///rows.db")
    caller = {"authorization": f"Bearer {CLIENT}"}
    path = f"/responses/{ask(server, echoing(upstream, step), background=True).json()['id']}"
    until(lambda: raw.ask(server.url, "GET", path, headers=caller).json()["status"] == "failed")
    assert_hidden(server, *(raw.ask(server.url, "GET", path + query, headers=caller) for query in ("", "?stream=true")))
    files = [file.read_bytes() for file in server.directory.glob("rows.db*")]
    assert files
    assert not [data for data in files if CANARY.encode() in data]


@shows("masked-keys")
@pytest.mark.parametrize("step", [Reply(400, {"error": ERROR}), Raw(LINES[0].encode())])
def test_a_websocket(start: Start, upstream: ScriptedUpstream, step: Step) -> None:
    server = served(start, upstream)
    model = echoing(upstream, step)
    with Talk(server, authorization=f"Bearer {CLIENT}") as talk:
        talk.create(model=model, input="Hi")
        text = [talk.receive()]
        while text[-1]["type"] not in ("error", "response.failed"):
            text.append(talk.receive())
    assert "***" in json.dumps(text)
    assert CANARY not in json.dumps(text)
    assert CANARY not in server.log


@shows("masked-keys")
@pytest.mark.parametrize("step", [Reply(400, {"detail": f"No {TOOL}"}), Raw(LINES[0].replace(KEY, TOOL).encode())])
@pytest.mark.parametrize("stream", [True, False])
def test_the_secrets_of_tools(start: Start, upstream: ScriptedUpstream, step: Step, stream: bool) -> None:
    """An upstream that runs tools may repeat what they were given."""
    server = served(start, upstream)
    answer = ask(server, echoing(upstream, step), stream=stream)
    assert_hidden(server, answer)


@shows("masked-keys")
def test_an_error_that_comes_after_the_stream_began(start: Start, upstream: ScriptedUpstream) -> None:
    server = served(start, upstream, PENSTOCK_LIMITS_HEAD_WAIT_S="0.05")
    answer = ask(server, echoing(upstream, Sleep(0.3), Reply(400, {"error": ERROR})), stream=True)
    assert b"response.failed" in answer.body
    assert_hidden(server, answer)
