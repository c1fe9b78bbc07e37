"""Replicas that are killed: what they ran is ended or begun again by another one, soon, and sent once.

`TEST_KILLS` sets how many are killed at a random moment of a stream, for each engine.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx2
import openai

from memory.cluster import LEASE_S, Cluster, each_engine, rng_of
from memory.conftest import Stage
from memory.judge import Peer, check_stream
from memory.test_background import ended, hanging
from memory.test_resuming import followed
from requirements import shows
from support.scripts import OWN_USAGE, ROLE, chunk, text
from support.server import PenstockServer
from support.steps import Hang, Json, Send, Sleep, Step

KILLS = int(os.environ.get("TEST_KILLS", "5"))
AT_ONCE = 5
STEPS_S = 1.2
TAKEN_OVER_S = LEASE_S * 4 / 3 + 15.0
"""The lease, the time until another one looks for responses without a lease, and what a busy machine takes."""


def slow_steps() -> list[Step]:
    pieces = text(*(f"{number} " for number in range(40)))
    steps: list[Step] = [Send(ROLE)]
    for piece in pieces:
        steps += [Send(piece), Sleep(STEPS_S / len(pieces))]
    return [*steps, Send(chunk({}, "stop"), OWN_USAGE)]


def seen_until_killed(peer: Peer, victim: PenstockServer, model: str, after_s: float, **ask: Any) -> list[Json]:
    """The events that a client of the replica saw before it died."""
    seen: list[Json] = []
    with suppress(httpx2.HTTPError, openai.APIError):
        for event in peer.client.responses.create(model=model, input="Hello?", background=True, stream=True, **ask):
            if not seen:
                threading.Timer(after_s, victim.process.kill).start()
            seen.append(event.to_dict())
    victim.process.wait(60)
    return seen


def die_and_be_survived(cluster: Cluster, victim: PenstockServer, model: str, after_s: float) -> str:
    """How the response ended that a replica died of; everything that is sent of it was checked."""
    died = cluster.peer(victim)
    seen = seen_until_killed(died, victim, model, after_s)
    died.client.close()
    killed = time.monotonic()
    response_id = seen[0]["response"]["id"]
    with cluster.peer(cluster.b) as peer:
        rest = followed(peer, response_id, seen[-1]["sequence_number"])
        assert time.monotonic() - killed < TAKEN_OVER_S + STEPS_S
        assert followed(peer, response_id) == [*seen, *rest]
        stored: Json = peer.client.responses.retrieve(response_id).to_dict()
    assert check_stream([*seen, *rest])["output"] == stored["output"]
    assert (seen + rest)[-1]["response"] == stored
    if stored["status"] == "failed":
        assert stored["error"]["code"] == "server_error"
        assert "process" in stored["error"]["message"]
    return str(stored["status"])


@shows("resume")
@each_engine
def test_killed_at_any_moment_of_a_stream(cluster: Cluster, stage: Stage) -> None:
    model = stage(*slow_steps())
    moments = rng_of(cluster.name)
    ends: list[str] = []
    while len(ends) < KILLS:
        with cluster.victims(min(AT_ONCE, KILLS - len(ends))) as victims, ThreadPoolExecutor() as together:
            after_s = [moments.uniform(0.0, STEPS_S) for _ in victims]
            ends += together.map(lambda one, s: die_and_be_survived(cluster, one, model, s), victims, after_s)
    assert set(ends) <= {"failed", "completed"}
    assert "failed" in ends


@shows("dead-runs")
@each_engine
def test_a_replica_that_dies_is_survived(cluster: Cluster, b: Peer, stage: Stage) -> None:
    """A follower elsewhere gets the end; what waited, and had no event yet, starts again, and is sent once.

    One that waited holds its conversation still, and writes to it once.
    """
    conversation = b.client.conversations.create()
    with cluster.victims(1) as (victim,), cluster.peer(victim) as peer, hanging(peer, stage) as (running, _):
        ask = {"model": "text", "input": "Hello?", "background": True}
        waiting = [peer.create(**ask).id, peer.create(**ask, conversation=conversation.id).id]
        with b.client.responses.retrieve(running, stream=True) as stream:
            next(event for event in stream if event.type == "response.output_text.delta")
            assert {b.client.responses.retrieve(one).status for one in waiting} == {"queued"}
            victim.process.kill()
            killed = time.monotonic()
            *_, end = stream
        assert time.monotonic() - killed < TAKEN_OVER_S
        for one in waiting:
            assert ended(b, one, TAKEN_OVER_S).output_text == "Hello, world"
            assert check_stream(followed(b, one))["status"] == "completed"
    assert (end.type, end.response.output_text) == ("response.failed", "Hello, world")
    assert end.response.to_dict() == b.client.responses.retrieve(running).to_dict()
    items = b.client.conversations.items.list(conversation.id, order="asc").data
    assert [item.role for item in items] == ["user", "assistant"]


@shows("signals")
@each_engine
def test_a_replica_that_stops_leaves_its_queue_to_others(cluster: Cluster, b: Peer, stage: Stage) -> None:
    """It gives its leases up, so that no other one waits for them to end."""
    small = cluster.replica(PENSTOCK_LIMITS_BACKGROUND_RUNS_MAX="1", PENSTOCK_DRAIN_S="1")
    with small, cluster.peer(small) as peer, hanging(peer, stage):
        waiting = peer.create(model="text", input="Hello?", background=True).id
        small.process.terminate()
        assert ended(b, waiting, TAKEN_OVER_S).output_text == "Hello, world"


@each_engine
def test_a_replica_that_was_only_asleep_changes_nothing(cluster: Cluster, b: Peer, stage: Stage) -> None:
    """It was given up for dead; when it wakes in the middle of its run it finds that out, and lets its upstream go."""
    with cluster.victims(1) as (victim,), cluster.peer(victim) as peer:
        made = peer.create(model=stage(*slow_steps(), Hang()), input="Hello?", background=True)
        with b.client.responses.retrieve(made.id, stream=True) as stream:
            next(event for event in stream if event.type == "response.output_text.delta")
            victim.process.send_signal(signal.SIGSTOP)
            *_, end = stream
        victim.process.send_signal(signal.SIGCONT)
        stage.upstream.completions[-1].wait_left()
        assert end.type == "response.failed"
        for one in (b, peer):
            assert one.client.responses.retrieve(made.id).to_dict() == end.response.to_dict()
            assert followed(one, made.id)[-1] == end.to_dict()
