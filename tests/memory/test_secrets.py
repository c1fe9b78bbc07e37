"""Secrets of requests that run in the background: in no row, event, log line or reply, and there when a run begins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from memory import cluster as clusters
from memory.cluster import LEASE_S, Cluster, at_once, each_engine
from memory.conftest import Stage
from memory.test_background import hanging
from requirements import shows
from support import raw
from support.server import PenstockServer
from support.upstream import ScriptedUpstream
from support.waiting import until

CANARY = "canary-1e9d5b7c"
"""How every secret begins."""
KEY, NEW_KEY = "A" * 42 + "E", "B" * 42 + "E"
CALLER = {"authorization": f"Bearer {clusters.KEY}"}
POLICY = {
    "type": "allowlist",
    "allowed_domains": ["a.example"],
    "domain_secrets": [{"domain": "a.example", "name": "TOKEN", "value": f"{CANARY}-1"}],
}
NEW_TOOL = {"type": "new", "authorization": f"{CANARY}-2", "headers": {"x": f"{CANARY}-3"}, "Api_Key": f"{CANARY}-4"}
ASK: dict[str, Any] = {
    "model": "text",
    "input": [
        {"role": "user", "content": "Where is the mine?"},
        {"type": "additional_tools", "role": "developer", "tools": [NEW_TOOL]},
    ],
    "tools": [
        NEW_TOOL,
        {"type": "code_interpreter", "container": {"type": "auto", "network_policy": POLICY}},
        {"type": "shell", "environment": {"type": "container_auto", "network_policy": POLICY}},
    ],
    "background": True,
    "credentials": {"token": f"{CANARY}-5"},
}


def made(server: PenstockServer, **fields: Any) -> tuple[str, bytes]:
    """The id of a response that was asked for, and the reply."""
    answer = raw.post(server.url, ASK | fields, **CALLER)
    assert answer.status == 200
    return answer.json()["id"], answer.body


def read(server: PenstockServer, path: str, method: str = "GET") -> raw.Answer:
    return raw.ask(server.url, method, f"/responses/{path}", headers=CALLER)


def ended(server: PenstockServer, response_id: str) -> Any:
    until(lambda: read(server, response_id).json()["status"] not in ("queued", "in_progress"), LEASE_S * 4)
    return read(server, response_id).json()


@contextmanager
def busy(cluster: Cluster, stage: Stage, **env: str) -> Iterator[PenstockServer]:
    """A replica that works on something else, so that whatever is asked of it waits. In the end it is killed."""
    server = cluster.replica(PENSTOCK_LIMITS_BACKGROUND_RUNS_MAX="1", **env)
    server.start()
    try:
        with cluster.peer(server) as peer, hanging(peer, stage):
            yield server
    finally:
        server._kill()


@shows("stored-secrets", "sealed-requests")
@each_engine
def test_a_secret_is_in_no_row_log_or_reply(cluster: Cluster, stage: Stage) -> None:
    """While the response waits, and after its end; its words are in the rows, as ever.

    The lease is long: a busy machine renews it late, and another replica would run what waits.
    """
    with busy(cluster, stage, PENSTOCK_LIMITS_LEASE_S="60") as server:
        response_id, reply = made(server)
        waiting = cluster.contents()
        assert b"sealed pnsk1." in waiting
        assert b"Where is the mine?" in waiting
        items = read(server, f"{response_id}/input_items").body
        read(server, f"{response_id}/cancel", "POST")
        cancelled = cluster.contents()
        result = [reply, items, read(server, response_id).body, read(server, f"{response_id}?stream=true").body]
        assert all(b"<redacted>" in each for each in result)
        everything = b"".join([waiting, cancelled, *result, server.log.encode()])
    assert CANARY.encode() not in everything


@shows("sealed-requests")
@each_engine
def test_it_runs_as_it_was_asked(cluster: Cluster, upstream: ScriptedUpstream) -> None:
    response_id, _ = made(cluster.a)
    assert ended(cluster.b, response_id)["status"] == "completed"
    assert upstream.completion().body["messages"][-1]["content"] == "Where is the mine?"
    assert CANARY.encode() not in cluster.contents()
    assert CANARY not in cluster.a.log


def taken_over(cluster: Cluster, stage: Stage, keys: str, other_keys: str) -> tuple[Any, str]:
    """How a response ends that waited at a replica with these keys, which died; and what the other one logs."""
    with busy(cluster, stage, PENSTOCK_SEAL_KEYS=keys) as server:
        response_id, _ = made(server)
    with cluster.replica(PENSTOCK_SEAL_KEYS=other_keys) as heir:
        return ended(heir, response_id), heir.log


@pytest.fixture
def alone(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster without its replicas, which have keys of their own and could take the response over."""
    at_once(cluster.running, PenstockServer.stop)
    yield cluster
    cluster.running = [cluster.replica() for _ in cluster.running]
    at_once(cluster.running, PenstockServer.start)


@shows("sealed-requests")
@each_engine
def test_another_replica_takes_it_over_though_the_keys_were_rotated(alone: Cluster, stage: Stage) -> None:
    done, _ = taken_over(alone, stage, KEY, f"{NEW_KEY},{KEY}")
    assert done["status"] == "completed"


@shows("sealed-requests")
@each_engine
def test_a_replica_without_the_key_fails_it_and_reports_why(alone: Cluster, stage: Stage) -> None:
    done, log = taken_over(alone, stage, KEY, NEW_KEY)
    assert (done["status"], done["error"]["code"]) == ("failed", "server_error")
    assert "sealed with a key" in done["error"]["message"]
    assert f"{done['id']} cannot run: its request was sealed with a key that is not in seal_keys" in log


@each_engine
def test_what_holds_no_secret_is_stored_as_it_is(cluster: Cluster, stage: Stage) -> None:
    """So that a replica that takes it over can run it, whatever its keys are."""
    with busy(cluster, stage) as server:
        response_id, _ = made(server, tools=[], input="Hi", credentials=None, safety_identifier="plain-as-ever")
        contents = cluster.contents()
        assert b"plain-as-ever" in contents
        assert b"sealed pnsk1." not in contents
        read(server, f"{response_id}/cancel", "POST")
