"""The log: a line for each request when it has ended, one for what was ignored or failed, and none by a client."""

from __future__ import annotations

import hashlib
import json
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

from live.conftest import Start
from live.test_disconnects import begin
from live.test_hosts import UvicornServer
from live.test_metrics import Changes
from requirements import shows
from support.raw import Connection, ask, post
from support.scripts import SCRIPTS
from support.server import PenstockServer
from support.steps import Expect, Reply, Script
from support.talk import Talk
from support.upstream import ScriptedUpstream
from support.waiting import until

Json = dict[str, Any]
BANNER = ("models: ", "store: ", "listening on ", "try: ")
KEYS = {"sk-first-of-all": "api_keys[0]", "sk-second-of-all": "api_keys[1]", "sk-of-alice": "alice", "sk-wrong": None}
TOML = """
log_format = "json"
api_keys = ["sk-first-of-all", "sk-second-of-all"]

[[keys]]
name = "alice"
hash = "sha256:{digest}"

[[upstreams]]
name = "scripted"
url = "{url}"
"""


def lines(server: PenstockServer, **wanted: Any) -> list[Json]:
    """The JSON lines that contain all of this."""
    found = [json.loads(line) for line in server.lines if line.startswith("{")]
    return [line for line in found if wanted.items() <= line.items()]


def line(server: PenstockServer, **wanted: Any) -> Json:
    """The only such line, once it is there."""
    until(lambda: lines(server, **wanted))
    [found] = lines(server, **wanted)
    return found


def access(server: PenstockServer, request_id: str, method: str = "POST") -> Json:
    return line(server, request_id=request_id, method=method)


@pytest.fixture
def logging_server(start: Start, upstream: ScriptedUpstream) -> PenstockServer:
    return start("--upstream", upstream.url, "--log-format", "json", PENSTOCK_STORE="memory://")


@pytest.fixture
def synthetic_log(start: Start) -> PenstockServer:
    return start("--log-format", "json")


def send(server: PenstockServer, body: Json, request_id: str, path: str = "/responses", **headers: str) -> int:
    """The status, the reply read to its end."""
    return post(
        server.url, {"model": "text", "input": "Hello?"} | body, path, x_request_id=request_id, **headers
    ).status


@shows("access-lines")
@pytest.mark.parametrize("stream", [True, False])
def test_a_request_is_one_line_with_its_facts(logging_server: PenstockServer, stream: bool) -> None:
    request_id = f"facts-{stream}"
    assert send(logging_server, {"stream": stream}, request_id) == 200
    reply = access(logging_server, request_id)
    wanted = {
        "level": "info",
        "path": "/v1/responses",
        "status": 200,
        "response": "completed",
        "model": "text",
        "upstream": "default",
    }
    assert wanted.items() <= reply.items()
    assert reply["response_id"].startswith("resp_")
    assert (reply["input_tokens"], reply["output_tokens"]) == SCRIPTS["text"].expect.tokens
    assert 0 < reply["duration_ms"] < 10_000
    assert ("first_event_ms" in reply) is stream
    assert reply.get("first_event_ms", 0) <= reply["duration_ms"]


@shows("access-lines")
@pytest.mark.parametrize(
    ("model", "ended"), [("cut", "failed"), ("error_midway", "failed"), ("length", "incomplete"), ("text", "completed")]
)
def test_a_stream_is_logged_by_its_end(logging_server: PenstockServer, model: str, ended: str) -> None:
    assert send(logging_server, {"model": model, "stream": True}, f"ended-{model}") == 200
    reply = access(logging_server, f"ended-{model}")
    assert (reply["status"], reply["response"]) == (200, ended)
    assert reply.get("error") == ("server_error" if ended == "failed" else None)
    assert reply.get("reason") == ("max_output_tokens" if ended == "incomplete" else None)


@shows("access-lines")
@pytest.mark.parametrize("path", ["/responses", "/chat/completions"])
def test_a_stream_that_the_server_cuts_has_failed(start: Start, path: str) -> None:
    server = start("--log-format", "json")
    body = {"model": "synthetic?disconnect_at=3", "input": "Hi", "messages": [{"role": "user", "content": "Hi"}]}
    del body["messages" if path == "/responses" else "input"]
    with pytest.raises(httpx2.RemoteProtocolError):
        httpx2.post(f"{server.url}{path}", json=body | {"stream": True}, headers={"x-request-id": f"cut-{path[1]}"})
    reply = access(server, f"cut-{path[1]}")
    assert (reply["status"], reply["response"], reply["error"]) == (200, "failed", "server_error")
    [failed, _] = lines(server, request_id=f"cut-{path[1]}", logger="penstock.access")
    assert failed["message"] == "failed: The connection was cut, as the options of the synthetic model ask."


@shows("access-lines")
@pytest.mark.parametrize("stream", [True, False])
def test_a_chat_is_logged_by_its_end_too(start: Start, stream: bool) -> None:
    server = start("--log-format", "json")
    body = {"model": "synthetic", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 3, "stream": stream}
    assert post(server.url, body, "/chat/completions", x_request_id=f"chat-{stream}").status == 200
    reply = access(server, f"chat-{stream}")
    wanted = {"response": "incomplete", "reason": "max_output_tokens", "input_tokens": 5, "output_tokens": 3}
    assert wanted.items() <= reply.items()
    assert ("first_event_ms" in reply) is stream


@shows("access-lines")
def test_a_stream_is_logged_when_it_has_ended(logging_server: PenstockServer, upstream: ScriptedUpstream) -> None:
    with Connection(logging_server.url) as connection:
        connection.post({"model": "hang_midway", "input": "Hi", "stream": True}, x_request_id="not-yet")
        _, headers = connection.head()
        next(connection.writes(headers))
        assert send(logging_server, {}, "meanwhile") == 200
        assert access(logging_server, "meanwhile")
        assert not lines(logging_server, request_id="not-yet")
    reply = access(logging_server, "not-yet")
    assert (reply["status"], reply["response"]) == (499, "cancelled")


@shows("access-lines")
@pytest.mark.parametrize(("model", "stream"), [("hang", False), ("hang", True)])
def test_a_client_that_disconnects_before_anything_came(
    logging_server: PenstockServer, upstream: ScriptedUpstream, model: str, stream: bool
) -> None:
    known = len(lines(logging_server, status=499))
    with begin(logging_server, model, stream=stream):
        upstream.completion()
    until(lambda: len(lines(logging_server, status=499)) == known + 1)


@shows("access-lines")
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("path", ["/responses", "/chat/completions"])
def test_a_response_whose_client_left_is_cancelled(
    logging_server: PenstockServer, upstream: ScriptedUpstream, path: str, stream: bool
) -> None:
    request_id = f"left{path.replace('/', '-')}-{stream}"
    text = {"input": "Hi"} if path == "/responses" else {"messages": []}
    asked = len(upstream.requests)
    with Connection(logging_server.url) as connection:
        connection.post({"model": "hang", "stream": stream} | text, path, x_request_id=request_id)
        until(lambda: len(upstream.requests) > asked)
    reply = access(logging_server, request_id)
    assert (reply["status"], reply["response"], reply["model"]) == (499, "cancelled", "hang")


@shows("access-lines")
@pytest.mark.parametrize(("model", "status"), [("synthetic?glow=7", 400), ("gpt-0", 404)])
@pytest.mark.parametrize("path", ["/responses", "/chat/completions", "/completions", "/embeddings", "/tokenize"])
def test_a_refused_model_is_in_the_lines(synthetic_log: PenstockServer, path: str, model: str, status: int) -> None:
    request_id = f"refused{path.replace('/', '-')}-{status}"
    base = synthetic_log.base if path == "/tokenize" else synthetic_log.url
    assert post(base, {"model": model, "input": "Hi"}, path, x_request_id=request_id).status == status
    assert access(synthetic_log, request_id)["model"] == model
    assert [each["model"] for each in lines(synthetic_log, request_id=request_id)] == [model, model]


@shows("access-lines")
def test_a_client_that_disconnects_before_it_has_asked(logging_server: PenstockServer) -> None:
    with Connection(logging_server.url) as connection:
        length = {"content-length": "100", "content-type": "application/json", "x-request-id": "half-said"}
        connection.send("POST", "/responses", b"{", length)
    assert access(logging_server, "half-said")["status"] == 499


@shows("access-lines")
def test_a_body_that_is_too_long_has_its_line(start: Start, upstream: ScriptedUpstream) -> None:
    server = start("--upstream", upstream.url, "--log-format", "json", PENSTOCK_LIMITS_BODY_BYTES_MAX="100")
    assert send(server, {"input": "a" * 100}, "too-long") == 413
    assert access(server, "too-long")["status"] == 413


@shows("access-lines")
@pytest.mark.parametrize("key", KEYS)
def test_a_key_is_reported_by_its_name(start: Start, upstream: ScriptedUpstream, key: str) -> None:
    server = start(toml=TOML.format(url=upstream.url, digest=hashlib.sha256(b"sk-of-alice").hexdigest()))
    request_id = f"by-{KEYS[key]}".strip("[]").replace("[", "-")
    assert send(server, {}, request_id, authorization=f"Bearer {key}") == (200 if KEYS[key] else 401)
    assert access(server, request_id).get("key") == KEYS[key]
    assert key not in server.log


@shows("access-lines")
def test_a_turn_over_websocket_has_its_line(logging_server: PenstockServer) -> None:
    with Talk(logging_server, x_request_id="talk") as talk:
        for model in ("text", "cut"):
            talk.turn(model=model, input="Hi")
        assert talk.refused({"type": "response.create", "model": "bad_request", "input": "Hi"})["status"] == 400
        assert talk.refused({"type": "response.other"})["status"] == 400
        until(lambda: len(lines(logging_server, request_id="talk", method="WEBSOCKET")) == 4)
        assert not lines(logging_server, request_id="talk", method="GET")
    turns = lines(logging_server, request_id="talk", method="WEBSOCKET")
    assert [(turn["status"], turn.get("response"), turn.get("model")) for turn in turns] == [
        (200, "completed", "text"),
        (200, "failed", "cut"),
        (400, None, "bad_request"),
        (400, None, None),
    ]
    assert access(logging_server, "talk", "GET")["status"] == 101


@shows("access-lines")
@pytest.mark.parametrize(("model", "ended"), [("text", "completed"), ("cut", "failed")])
def test_a_background_run_has_its_line(logging_server: PenstockServer, model: str, ended: str) -> None:
    request_id = f"behind-{model}"
    assert send(logging_server, {"model": model, "background": True}, request_id) == 200
    assert access(logging_server, request_id)["response"] == "queued"
    reply = access(logging_server, request_id, "BACKGROUND")
    assert (reply["response"], reply["model"], reply["upstream"]) == (ended, model, "default")
    assert "first_event_ms" in reply
    followed = ask(logging_server.url, "GET", f"/responses/{reply['response_id']}?stream=true")
    assert access(logging_server, followed.headers["x-request-id"], "GET")["response"] == ended


@shows("access-lines")
@pytest.mark.parametrize(("method", "path"), [("POST", "/responses/{id}/cancel"), ("DELETE", "/responses/{id}")])
def test_a_background_response_that_ends_before_it_runs_has_its_line(
    start: Start, upstream: ScriptedUpstream, method: str, path: str
) -> None:
    server = start(
        *("--upstream", upstream.url, "--log-format", "json"),
        PENSTOCK_STORE="memory://",
        PENSTOCK_LIMITS_BACKGROUND_RUNS_MAX="1",
    )
    running = post(server.url, {"model": "hang", "input": "Hi", "background": True}).json()["id"]
    body = {"model": "text", "input": "Hi", "background": True}
    waiting = post(server.url, body, x_request_id=f"waited-{method}").json()["id"]
    changes = Changes(server)
    assert ask(server.url, method, path.format(id=waiting)).status == 200
    reply = access(server, f"waited-{method}", "BACKGROUND")
    wanted = {"status": 200, "response": "cancelled", "model": "text", "response_id": waiting}
    assert wanted.items() <= reply.items()
    assert access(server, lines(server, path=f"/v1{path.format(id=waiting)}")[0]["request_id"], method)
    assert changes("penstock_requests_total", route="background", status="200") == 1
    assert changes("penstock_responses_total") == changes("penstock_responses_total", status="cancelled") == 1
    assert ask(server.url, "DELETE", f"/responses/{running}").status == 200


@shows("access-lines")
def test_a_follower_that_ends_by_an_error_is_no_plain_success(
    logging_server: PenstockServer, upstream: ScriptedUpstream
) -> None:
    started = post(logging_server.url, {"model": "hang_midway", "input": "Hi", "background": True}).json()
    upstream.completion()
    with Connection(logging_server.url) as connection:
        connection.send("GET", f"/responses/{started['id']}?stream=true", headers={"x-request-id": "following"})
        _, headers = connection.head()
        pieces = connection.writes(headers)
        next(pieces)
        assert ask(logging_server.url, "DELETE", f"/responses/{started['id']}").status == 200
        list(pieces)
    reply = access(logging_server, "following", "GET")
    assert (reply["status"], reply["error"]) == (200, "response_deleted")


@shows("access-lines")
def test_an_answer_without_an_event_has_no_first_one(start: Start) -> None:
    server = start("--upstream", "http://127.0.0.1:1/v1", "--log-format", "json", PENSTOCK_STORE="memory://")
    assert send(server, {"background": True}, "unanswered") == 200
    reply = access(server, "unanswered", "BACKGROUND")
    assert (reply["response"], reply["attempts"]) == ("failed", 3)
    assert "first_event_ms" not in reply


@shows("access-lines")
@pytest.mark.parametrize(("model", "status"), [("text", 200), ("bad_request", 400), ("cut", 200)])
def test_a_relayed_request_has_its_line(logging_server: PenstockServer, model: str, status: int) -> None:
    request_id = f"relayed-{model}"
    body = json.dumps({"model": model, "messages": [], "stream": True}).encode()
    headers = {"content-type": "application/json", "x-request-id": request_id}
    with Connection(logging_server.url) as connection:
        connection.send("POST", "/chat/completions", body, headers)
        assert connection.head()[0] == status
        with suppress(OSError, AssertionError, ValueError):  # one of them is cut
            connection.socket.settimeout(2)
            connection.file.read()
    reply = access(logging_server, request_id)
    assert (reply["status"], reply["model"], reply["upstream"]) == (status, model, "default")
    failures = [one["message"] for one in lines(logging_server, request_id=request_id) if one["level"] == "warning"]
    assert any("was cut" in message for message in failures) is (model == "cut")


@shows("log-of-what-is-missing")
def test_what_is_ignored_is_in_the_log(logging_server: PenstockServer) -> None:
    tools = [{"type": "web_search"}, {"type": "code_interpreter", "container": {"type": "auto"}}]
    assert send(logging_server, {"banana": 1, "apple": 2, "tools": tools}, "ignoring") == 200
    access(logging_server, "ignoring")
    messages = [one["message"] for one in lines(logging_server, request_id="ignoring", level="info")]
    assert messages == [
        "ignored parameters: apple, banana",
        "absent hosted tool: web_search",
        "absent hosted tool: code_interpreter",
        "POST /v1/responses 200",
    ]


@shows("log-of-what-is-missing")
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("model", "level", "message"),
    [
        ("cut", "warning", "failed: The upstream's reply was cut"),
        ("error_midway", "warning", "failed: "),
        ("server_error", "warning", "failed: The upstream failed with status 5"),
        ("bad_request", "info", "refused: The upstream refused the request: "),
    ],
)
def test_a_run_that_failed_is_in_the_log(
    logging_server: PenstockServer, model: str, level: str, message: str, stream: bool
) -> None:
    request_id = f"failing-{model}-{stream}"
    send(logging_server, {"model": model, "stream": stream}, request_id)
    access(logging_server, request_id)
    [result] = [one for one in lines(logging_server, request_id=request_id, level=level) if "code" in one]
    assert result["message"].startswith(message)
    assert (result["upstream"], result["model"]) == ("default", model)


@shows("log-of-what-is-missing")
def test_a_clients_mistake_is_logged_without_its_text(logging_server: PenstockServer) -> None:
    assert send(logging_server, {"temperature": "warm words"}, "wrong") == 400
    access(logging_server, "wrong")
    result = line(logging_server, request_id="wrong", message="refused")
    assert (result["level"], result["code"], result["param"]) == ("info", "invalid_type", "temperature")
    assert "warm words" not in logging_server.log


@shows("quiet-probes")
@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/health", "/livez", "/ping"])
def test_probes_are_quiet(start: Start, upstream: ScriptedUpstream, path: str) -> None:
    usual = start("--upstream", upstream.url, "--log-format", "json", PENSTOCK_STORE="memory://")
    detailed = start("--log-format", "json", "--log-level", "debug")
    for server in (usual, detailed):
        ask(server.base, "GET", path, headers={"x-request-id": f"probe{path[1:]}"})
        ask(server.base, "GET", "/v1/models", headers={"x-request-id": f"after-probe{path[1:]}"})
        access(server, f"after-probe{path[1:]}", "GET")
    assert not lines(usual, request_id=f"probe{path[1:]}")
    assert access(detailed, f"probe{path[1:]}", "GET")["level"] == "debug"


@shows("log-injection")
@pytest.mark.parametrize("form", ["text", "json"])
def test_no_client_writes_a_line_of_its_own(start: Start, upstream: ScriptedUpstream, form: str) -> None:
    """By a path, a model, a parameter or what an upstream repeats of them."""
    server = start("--upstream", upstream.url, "--log-format", form, "--log-level", "debug")
    forged = 'x\n2026-01-01 00:00:00,000 ERROR forged: \x1b[31m\r\u2028\x85\u202e\x7f="quoted"'
    path = "".join(f"%{byte:02x}" for byte in forged.encode())
    ask(server.base, "GET", f"/{path}", headers={"x-request-id": "forged-path"})
    for body in ({"model": forged}, {forged: 1}, {"input": [{"type": forged}]}, {"tools": [{"type": forged}]}):
        send(server, body, "forged-body")
    send(server, {}, "last-of-forged")
    until(lambda: "last-of-forged" in server.log)
    for written in "".join(server.lines).splitlines():
        assert written.isprintable()
        assert written.startswith(BANNER) or re.match(r"\d{4}-\d\d-\d\d \d\d:" if form == "text" else r"\{", written), (
            written
        )
        assert not written.startswith("2026-01-01")


@shows("json-logs")
def test_every_line_is_json(start: Start, upstream: ScriptedUpstream) -> None:
    """The banner's and uvicorn's too."""
    server = start("--upstream", upstream.url, "--log-format", "json", PENSTOCK_LIMITS_CONNECT_S="9")
    with Connection(server.url) as connection:
        connection.socket.sendall(b"\x00\x01 rubbish\r\n\r\n")
        connection.file.read()
    send(server, {}, "after-rubbish")
    access(server, "after-rubbish")
    for written in server.lines:
        decoded = json.loads(written)
        assert {"time", "level", "logger", "message"} <= decoded.keys()


ODD_LIBRARY = """
import sys, threading, time, warnings

class Broken:
    def __del__(self):
        raise ValueError("of a finalizer")

def work():
    while threading.excepthook is threading.__excepthook__:
        time.sleep(0.01)
    warnings.warn("of a library")
    Broken()
    raise KeyError("of a thread")

if "serve" in sys.orig_argv:
    threading.Thread(target=work, daemon=True).start()
"""


class BrokenServer(PenstockServer):
    """A server in which a library is broken."""

    logs_tracebacks = True


@shows("json-logs")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_python_itself_writes_is_json(start: Start, tmp_path: Path, workers: str) -> None:
    """Warnings, and exceptions that nothing catches."""
    (tmp_path / "sitecustomize.py").write_text(ODD_LIBRARY)
    arguments = ("--log-format", "json", "--workers", workers)
    server = start(*arguments, server=BrokenServer, PENSTOCK_STORE="none://", PYTHONPATH=str(tmp_path))
    until(lambda: "of a thread" in server.log)
    found = {each["logger"]: f"{each['message']}{each.get('traceback')}" for each in map(json.loads, server.lines)}
    assert "of a library" in found["py.warnings"]
    assert all(part in server.log for part in ("of a finalizer", "Traceback"))
    assert "KeyError: 'of a thread'" in found["penstock.uncaught"]


@shows("upstream-errors")
@pytest.mark.parametrize(("status", "level"), [(400, "info"), (422, "info"), (429, "info"), (404, "warning")])
@pytest.mark.parametrize("path", ["/responses", "/chat/completions"])
def test_an_upstreams_error_is_in_the_log(
    logging_server: PenstockServer, upstream: ScriptedUpstream, status: int, level: str, path: str
) -> None:
    text = {"detail": f"no such thing {'long ' * 200}"}
    model = upstream.add(f"refusing {status} {path}", Script((Reply(status, text),), Expect(http=status)))
    request_id = f"refused-{status}-{path[1:5]}"
    fields = {"messages": []} if path == "/chat/completions" else {}
    assert send(logging_server, {"model": model, **fields}, request_id, path) in (status, 400)
    access(logging_server, request_id)
    result = line(logging_server, request_id=request_id, upstream_status=status)
    assert (result["level"], result["upstream"]) == (level, "default")
    assert result["url"] == f"{upstream.url}/chat/completions"
    assert "no such thing long" in result["message"]
    assert len(result["message"]) < 600


@shows("upstream-errors")
def test_an_upstream_that_is_not_there_is_in_the_log(start: Start) -> None:
    server = start("--upstream", "http://127.0.0.1:1/v1", "--log-format", "json", PENSTOCK_LIMITS_RETRIES_MAX="0")
    assert send(server, {}, "no-upstream") == 502
    result = line(server, request_id="no-upstream", url="http://127.0.0.1:1/v1/chat/completions")
    assert (result["level"], result["upstream"]) == ("warning", "default")
    assert result["message"].startswith("upstream default failed: ")


@shows("masked-turns")
@pytest.mark.parametrize("path", ["/responses", "/chat/completions"])
def test_the_debug_log_has_the_outline_of_a_turn_without_texts(
    start: Start, upstream: ScriptedUpstream, path: str
) -> None:
    server = start("--upstream", upstream.url, "--log-format", "json", "--log-level", "debug")
    text = "the words of a person"
    tool = {"type": "function", "name": "get_weather", "parameters": {"type": "object", "title": text}}
    body: Json = {"input": text, "instructions": text, "tools": [tool], "temperature": 0.25}
    if path == "/chat/completions":
        body = {"messages": [{"role": "user", "content": text}], "temperature": 0.25}
    assert send(server, body, f"masked-{path[1:5]}", path) == 200
    access(server, f"masked-{path[1:5]}")
    [result] = [one for one in lines(server, request_id=f"masked-{path[1:5]}") if "body" in one]
    assert (result["level"], result["body"]["model"], result["body"]["temperature"]) == ("debug", "text", 0.25)
    assert result["body"]["messages"][-1] == {"role": "user", "content": f"<{len(text)} chars>"}
    assert text not in server.log


@shows("json-logs", "access-lines")
def test_the_factory_logs_as_the_server_does(start: Start, upstream: ScriptedUpstream) -> None:
    env = {"PENSTOCK_UPSTREAM": upstream.url, "PENSTOCK_LOG_FORMAT": "json"}
    server = start(server=UvicornServer, **env)
    assert send(server, {}, "by-uvicorn") == 200
    assert access(server, "by-uvicorn")["model"] == "text"


@shows("upstream-errors")
@pytest.mark.parametrize("path", ["/responses", "/chat/completions"])
def test_a_rejected_key_is_reported_with_its_owner(start: Start, upstream: ScriptedUpstream, path: str) -> None:
    keyed = start("--upstream", upstream.url, "--upstream-key-env", "CLOUD", CLOUD="sk-cloud")
    plain = start("--upstream", upstream.url)
    body: Json = {"model": "unauthorized"} | ({"messages": []} if path == "/chat/completions" else {"input": "Hi"})
    for server, words in ((keyed, "the API key that is configured for it"), (plain, "none is configured for it")):
        result = post(server.url, body, path).json()["error"]["message"]
        assert words in result
        assert "--upstream-key-env" in result


@shows("access-lines")
def test_what_is_refused_before_it_is_read_has_its_line(logging_server: PenstockServer) -> None:
    with Connection(logging_server.url) as connection:
        connection.send("GET", "/models", headers={"x-request-id": "never-read", "x-long": "a" * 100_000})
        assert connection.head()[0] == 431
    result = line(logging_server, request_id="never-read")
    assert (result["status"], result["level"]) == (431, "info")


@shows("access-lines")
def test_each_of_many_requests_has_a_line_when_the_server_has_stopped(logging_server: PenstockServer) -> None:
    ids = [f"many-{number}" for number in range(100)]
    with ThreadPoolExecutor(8) as pool:
        assert {*pool.map(lambda request_id: send(logging_server, {}, request_id), ids)} == {200}
    logging_server.stop()
    logged = [json.loads(line)["request_id"] for line in logging_server.lines if '"many-' in line]
    assert sorted(logged) == sorted(ids)
