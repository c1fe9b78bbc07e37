"""The Worker in Pyodide, over HTTP: Cloudflare's SDK, the entry point, `fetch`, and a scripted upstream behind it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cloudflare.conftest import started
from cloudflare.host import Host, called
from cloudflare.wrangler import configuration
from requirements import shows
from support import oracle, sse
from support.raw import Answer, Connection
from support.scripts import OWN_USAGE, ROLE, chunk, text
from support.steps import Expect, Hang, Script, Send, Sleep
from support.upstream import ScriptedUpstream

KEY = {"authorization": "Bearer sk-worker", "content-type": "application/json"}
BODY_BYTES_MAX = 200_000
APART_S = 0.4
TOGETHER_S = 3.0
HEARTBEAT_S = 0.3
RETENTION_S = 60
END = (chunk({}, "stop"), OWN_USAGE)


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as running:
        yield running


@pytest.fixture(scope="module")
def host(upstream: ScriptedUpstream) -> Iterator[Host]:
    variables = configuration()["vars"] | {
        "PENSTOCK_API_KEYS": "sk-worker",
        "PENSTOCK_UPSTREAM": upstream.url,
        "UPSTREAM_KEY": "sk-upstream",
        "PENSTOCK_LIMITS_RETENTION_S": str(RETENTION_S),
        "PENSTOCK_LIMITS_BODY_BYTES_MAX": str(BODY_BYTES_MAX),
        "PENSTOCK_LIMITS_HEARTBEAT_S": str(HEARTBEAT_S),
    }
    with started(variables) as running:
        yield running


@pytest.fixture
def worker(host: Host, upstream: ScriptedUpstream) -> Iterator[Host]:
    """The Worker; its log has no error at the end of a test."""
    upstream.forget()
    yield host
    assert "Traceback" not in host.log, host.log
    assert "rejection" not in host.log, host.log


def get(worker: Host, path: str) -> Answer:
    return ask(worker, b"", path, method="GET", content_type="")


def ask(worker: Host, body: Any, path: str = "/responses", method: str = "POST", **headers: str) -> Answer:
    with Connection(worker.url) as connection:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.send(method, path, data, KEY | {name.replace("_", "-"): value for name, value in headers.items()})
        return connection.answer()


def refusal(answer: Answer) -> tuple[int, str | None, str | None]:
    """Status, code and parameter."""
    error = oracle.check_error(answer.json())
    return answer.status, error["code"], error["param"]


def test_a_response_as_json(worker: Host, upstream: ScriptedUpstream) -> None:
    answer = ask(worker, {"model": "text", "input": "Hello?"})
    assert answer.status == 200
    assert oracle.check_response(answer.json())["status"] == "completed"
    assert upstream.completion().headers["authorization"] == "Bearer sk-upstream"


def test_a_stream_arrives_as_it_is_made(worker: Host, upstream: ScriptedUpstream) -> None:
    script = Script((Send(ROLE, *text("One ")), Sleep(APART_S), Send(*text("two"), *END)), Expect())
    upstream.add("apart", script)
    with Connection(worker.url) as connection:
        connection.send(
            "POST", "/responses", json.dumps({"model": "apart", "input": "?", "stream": True}).encode(), KEY
        )
        _, headers = connection.head()
        arrived = [(time.monotonic(), piece) for piece in connection.writes(headers)]
    assert oracle.check_stream(sse.events(b"".join(piece for _, piece in arrived)))["status"] == "completed"
    one, two = (next(at for at, piece in arrived if word in piece) for word in (b'"One ', b'"two'))
    assert two - one > APART_S / 2


def test_requests_at_the_same_time(worker: Host, upstream: ScriptedUpstream) -> None:
    """Each has a service of its own."""
    script = Script((Send(ROLE, *text("One ")), Sleep(TOGETHER_S), Send(*text("two"), *END)), Expect())
    upstream.add("together", script)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: ask(worker, {"model": "together", "input": "?"}), range(6)))
    assert [answer.json()["output"][0]["content"][0]["text"] for answer in answers] == ["One two"] * 6
    arrived = [received.at for received in upstream.completions]
    assert max(arrived) - min(arrived) < TOGETHER_S, "the last one came after the end of the first"


def test_a_slow_upstream_has_heartbeats(worker: Host, upstream: ScriptedUpstream) -> None:
    """Each request has timers of its own, so they turn after the first request has ended, too."""
    upstream.add("slow start", Script((Send(ROLE), Sleep(4 * HEARTBEAT_S), Send(*text("Hi"), *END)), Expect()))
    for _ in range(2):
        answer = ask(worker, {"model": "slow start", "input": "?", "stream": True})
        assert answer.body.count(b": ") >= 2, answer.body


@shows("left-streams")
def test_the_upstream_sees_that_the_client_has_left(worker: Host, upstream: ScriptedUpstream) -> None:
    """A Worker gets no event for it; its next write fails, at the latest that of a heartbeat."""
    upstream.add("endless", Script((Send(ROLE, *text("One ")), Hang()), Expect()))
    with Connection(worker.url) as connection:
        connection.send(
            "POST", "/responses", json.dumps({"model": "endless", "input": "?", "stream": True}).encode(), KEY
        )
        _, headers = connection.head()
        next(connection.writes(headers))
        received = upstream.completion()
    received.wait_left()


def test_a_chain_in_d1(worker: Host, upstream: ScriptedUpstream) -> None:
    first = ask(worker, {"model": "text", "input": "One?"}).json()
    second = ask(worker, {"model": "text", "input": "Two?", "previous_response_id": first["id"], "stream": True})
    response = oracle.check_stream(sse.events(second.body))
    asked = [message["content"] for message in upstream.completion(1).body["messages"]]
    assert asked[0] == "One?"
    assert asked[-1] == "Two?"
    assert get(worker, f"/responses/{response['id']}").json() == response
    items = get(worker, f"/responses/{response['id']}/input_items").json()["data"]
    assert [item["role"] for item in items] == ["user", "assistant", "user"]
    assert ask(worker, b"", f"/responses/{first['id']}", method="DELETE").status == 200
    assert get(worker, f"/responses/{first['id']}").status == 404


def test_a_conversation_in_d1(worker: Host) -> None:
    talk = ask(worker, {}, "/conversations").json()["id"]
    for text_of_turn in ("One?", "Two?"):
        assert ask(worker, {"model": "text", "input": text_of_turn, "conversation": talk}).status == 200
    items = get(worker, f"/conversations/{talk}/items?order=asc").json()["data"]
    assert [item["role"] for item in items] == ["user", "assistant"] * 2


def test_a_cron_trigger_removes_what_has_expired(worker: Host) -> None:
    """What has not expired stays."""
    known = ask(worker, {"model": "text", "input": "?"}).json()["id"]
    called(worker, "run_cron_trigger")
    assert "removed 0 expired responses" in worker.log
    assert get(worker, f"/responses/{known}").status == 200


def test_an_upstream_that_fails(worker: Host) -> None:
    assert refusal(ask(worker, {"model": "rate_limited", "input": "?"}))[0] == 429
    answer = ask(worker, {"model": "cut", "input": "?", "stream": True})
    assert oracle.check_stream(sse.events(answer.body))["status"] == "failed"


def test_what_a_worker_cannot_do(worker: Host) -> None:
    background = {"model": "text", "input": "?", "background": True}
    assert refusal(ask(worker, background)) == (400, "unsupported_parameter", "background")
    upgrade = ask(worker, b"", upgrade="websocket", connection="upgrade", content_length="")
    assert upgrade.status in (405, 426)


@shows("exposed-functions")
def test_a_key_is_needed(worker: Host) -> None:
    assert refusal(ask(worker, {"model": "text", "input": "?"}, authorization=""))[:2] == (401, "invalid_api_key")


def test_the_body_has_a_bound(worker: Host) -> None:
    """With and without a length."""
    long = json.dumps({"model": "text", "input": "x" * (BODY_BYTES_MAX + 50_000)}).encode()
    assert refusal(ask(worker, long))[:2] == (413, "request_too_large")
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(long), long)
    answer = ask(worker, chunked, transfer_encoding="chunked", content_length="")
    assert refusal(answer)[:2] == (413, "request_too_large")
    assert ask(worker, {"model": "text", "input": "x" * (BODY_BYTES_MAX - 100)}).status == 200


def test_importing_a_worker_is_pure(tmp_path: Path) -> None:
    """The host forbids random numbers, timers and calls meanwhile, as Cloudflare does; it sees this one."""
    (tmp_path / "entry.py").write_text(
        "import os\nfrom penstock_adapters.cloudflare.entry_point import Default\nos.urandom(1)\n"
    )
    with pytest.raises(AssertionError, match="randomFillSync is called while the Worker is imported"):
        started({}, entry=tmp_path).__enter__()
