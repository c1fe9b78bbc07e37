"""Background responses: accepted on one replica, watched, cancelled and deleted on the other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import openai
import pytest

from memory.cluster import LEASE_S, Cluster, rng_of
from memory.conftest import Stage
from memory.judge import Peer
from requirements import shows
from support.scripts import HELLO, OWN_USAGE, ROLE, chunk, text
from support.steps import Hang, Send, Sleep
from support.upstream import Received, ScriptedUpstream
from support.waiting import until

ASK: Any = {"model": "text", "input": "Hello?", "background": True}
NOTICED_S = LEASE_S / 3 + 15.0
"""How long a run goes on that was ended on another replica: until its lease is renewed."""


def ended(peer: Peer, response_id: str, timeout_s: float = 5.0) -> Any:
    """The response, once it has ended."""
    peers = peer.client.responses
    until(lambda: peers.retrieve(response_id).status not in ("queued", "in_progress"), timeout_s)
    return peers.retrieve(response_id)


def under_way(peer: Peer, response_id: str) -> None:
    """Wait until it has begun."""
    until(lambda: peer.client.responses.retrieve(response_id).status == "in_progress")


@contextmanager
def hanging(peer: Peer, stage: Stage, **ask: Any) -> Iterator[tuple[str, Received]]:
    """A response that runs and does not end, and its call of the upstream."""
    model = stage(Send(ROLE, *HELLO), Hang())
    made = peer.create(model=model, input="Hello?", background=True, **ask)
    received = until(lambda: next((one for one in stage.upstream.completions if one.body["model"] == model), None))
    assert received is not None
    yield made.id, received


def test_it_is_queued_and_completes(a: Peer, b: Peer) -> None:
    made = a.create(**ASK, metadata={"made": "on A"})
    assert (made.status, made.background, made.output) == ("queued", True, [])
    done = ended(b, made.id)
    assert (done.status, done.output_text, done.metadata) == ("completed", "Hello, world", {"made": "on A"})
    assert done.id == made.id
    assert a.client.responses.retrieve(made.id).to_dict() == done.to_dict()


def test_it_is_in_progress_meanwhile(a: Peer, b: Peer, stage: Stage) -> None:
    with hanging(a, stage) as (response_id, _):
        under_way(b, response_id)
        b.client.responses.cancel(response_id)


@pytest.mark.parametrize("model", ["length", "cut", "call", "server_error", "rate_limited", "html_error"])
def test_however_it_ends_it_ends(a: Peer, b: Peer, upstream: ScriptedUpstream, model: str) -> None:
    """What would have been a status is a failure here: no client was there to see it."""
    script = upstream.scripts[model]
    end = ended(b, a.create(model=model, input="Hello?", background=True, **script.ask).id)
    assert end.status == ("failed" if script.expect.http != 200 else script.expect.status)
    assert (end.error is not None) == (end.status == "failed")


@shows("unended-previous")
def test_it_is_chained_on_once_it_has_ended(a: Peer, b: Peer, stage: Stage, upstream: ScriptedUpstream) -> None:
    with hanging(a, stage) as (response_id, _):
        with pytest.raises(openai.BadRequestError) as caught:
            b.create(model="text", input="Two", previous_response_id=response_id)
        assert caught.value.code == "previous_response_not_found"
        b.client.responses.cancel(response_id)
    first = a.create(**ASK)
    ended(a, first.id)
    second = b.create(**ASK, previous_response_id=first.id)
    ended(a, second.id)
    assert [one["role"] for one in upstream.completions[-1].body["messages"]] == ["user", "assistant", "user"]


def test_it_must_be_stored(a: Peer, upstream: ScriptedUpstream) -> None:
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as caught:
            a.create(**ASK, store=False, stream=stream)
        assert caught.value.param == "store"
    assert not upstream.completions


# Cancel.


@pytest.mark.parametrize("on", ["A", "B"])
def test_cancel(a: Peer, b: Peer, stage: Stage, on: str) -> None:
    """On either replica; the upstream sees it soon, and again is as once."""
    with hanging(a, stage) as (response_id, received):
        under_way(b, response_id)
        peer = a if on == "A" else b
        cancelled = peer.client.responses.cancel(response_id)
        assert (cancelled.status, cancelled.error, cancelled.usage) == ("cancelled", None, None)
        received.wait_left(NOTICED_S)
        for again in (a, b):
            assert again.client.responses.cancel(response_id).to_dict() == cancelled.to_dict()
            assert again.client.responses.retrieve(response_id).to_dict() == cancelled.to_dict()


def test_cancel_of_what_has_ended(a: Peer, b: Peer) -> None:
    done = ended(b, a.create(**ASK).id)
    assert b.client.responses.cancel(done.id).to_dict() == done.to_dict()


def test_cancel_of_a_foreground_response(a: Peer, b: Peer) -> None:
    made = a.create(model="text", input="Hello?")
    with pytest.raises(openai.BadRequestError):
        b.client.responses.cancel(made.id)
    assert a.client.responses.retrieve(made.id).status == "completed"


@shows("cancelled")
def test_cancel_while_much_is_generated(a: Peer, b: Peer, stage: Stage) -> None:
    """Whatever was sent when it was cancelled, the follower's stream is one, and it ends with what is stored."""
    model = stage(Send(ROLE, *text(*"abcdefghij")), *[Send(*text(*"abcdefghij"))] * 100, Hang())
    for _ in range(4):
        made = a.create(model=model, input="Hello?", background=True)
        with b.client.responses.retrieve(made.id, stream=True) as stream:
            for event in stream:
                if event.type == "response.output_text.delta":
                    break
            cancelled = b.client.responses.cancel(made.id)
            *_, end = stream
        assert end.type == "response.failed"
        assert end.response.to_dict() == cancelled.to_dict() == a.client.responses.retrieve(made.id).to_dict()
        with a.client.responses.retrieve(made.id, stream=True) as again:  # the whole of it, judged
            *_, last = again
        assert last.to_dict() == end.to_dict()


@shows("cancel")
def test_cancel_races_the_end(cluster: Cluster, a: Peer, b: Peer, stage: Stage) -> None:
    """Whichever comes first decides; every client gets the same, and it stays so."""
    moments = rng_of(cluster.name)
    model = stage(Send(ROLE, *HELLO), Sleep(0.02), Send(chunk({}, "stop"), OWN_USAGE))
    for _ in range(15):
        made = a.create(model=model, input="Hello?", background=True)
        time.sleep(moments.uniform(0.0, 0.04))
        result = b.client.responses.cancel(made.id)
        assert result.status in ("completed", "cancelled")
        with a.client.responses.retrieve(made.id, stream=True) as stream:
            *_, end = stream
        assert end.response.to_dict() == result.to_dict() == b.client.responses.retrieve(made.id).to_dict()


@shows("cancel", "cancels-together")
@pytest.mark.parametrize("begun", [True, False], ids=["running", "queued"])
def test_cancels_that_come_together(cluster: Cluster, a: Peer, b: Peer, stage: Stage, begun: bool) -> None:
    """On both replicas, while it generates or waits: each is answered with the end."""
    model = stage(Send(ROLE, *text(*"abcdefghij")), *[Send(*text(*"abcdefghij"))] * 50, Hang())
    for _ in range(5):
        response_id: str = a.create(model=model, input="Hello?", background=True).id
        if begun:
            under_way(b, response_id)
        with ThreadPoolExecutor(12) as together:
            cancels = [together.submit(peer.client.responses.cancel, response_id) for peer in [a, b] * 6]
        result = [cancel.result().to_dict() for cancel in cancels]
        assert [one["status"] for one in result] == ["cancelled"] * 12
        assert all(one == result[0] for one in result)
        assert b.client.responses.retrieve(response_id).to_dict() == result[0]


@shows("cancels-together")
def test_cancel_against_delete(cluster: Cluster, a: Peer, b: Peer, stage: Stage) -> None:
    """A cancellation is answered with the end or with 404, and each follower gets one of the two."""
    model = stage(Send(ROLE, *HELLO), Hang())
    for _ in range(5):
        response_id = a.create(model=model, input="Hello?", background=True).id
        with b.client.responses.retrieve(response_id, stream=True) as stream, ThreadPoolExecutor(8) as together:
            next(stream)
            ends = [together.submit(peer.client.responses.cancel, response_id) for peer in [a, b] * 3]
            together.submit(b.client.responses.delete, response_id).result()
            for end in ends:
                try:
                    assert end.result().status == "cancelled"
                except openai.NotFoundError as error:
                    assert error.param == "response_id"
            *_, last = stream
        assert last.type in ("response.failed", "error")


def test_delete_while_it_runs(a: Peer, b: Peer, stage: Stage) -> None:
    """It is deleted at once, its upstream sees it soon, and a follower gets no more events."""
    for on in (b, a):
        with hanging(a, stage) as (response_id, received):
            on.client.responses.delete(response_id)
            for peer in (a, b):
                with pytest.raises(openai.NotFoundError):
                    peer.client.responses.retrieve(response_id)
                with pytest.raises(openai.NotFoundError):
                    peer.client.responses.cancel(response_id)
            received.wait_left(NOTICED_S)
            with pytest.raises(openai.NotFoundError):
                b.client.responses.retrieve(response_id)


# The queue.


def test_the_queue_has_a_limit(cluster: Cluster, b: Peer, stage: Stage) -> None:
    """One runs, one waits, one is refused; what is cancelled waits no longer, and what waited runs in its turn."""
    limits = {"PENSTOCK_LIMITS_BACKGROUND_RUNS_MAX": "1", "PENSTOCK_LIMITS_BACKGROUND_QUEUE_MAX": "1"}
    with cluster.replica(**limits) as small, cluster.peer(small) as peer, hanging(peer, stage) as (running, _):
        waiting = peer.create(**ASK)
        conversation = peer.client.conversations.create()
        with pytest.raises(openai.RateLimitError) as caught:
            peer.create(**ASK, conversation=conversation.id)
        assert caught.value.code == "rate_limit_exceeded"
        assert float(caught.value.response.headers["retry-after"]) > 0
        assert b.create(model="text", input="Free", conversation=conversation.id).status == "completed"
        assert b.client.responses.retrieve(waiting.id).status == "queued"
        assert peer.client.responses.cancel(waiting.id).status == "cancelled"
        second = peer.create(**ASK)
        peer.client.responses.cancel(running)
        assert ended(b, second.id).status == "completed"
        assert b.client.responses.retrieve(waiting.id).status == "cancelled"
    models = [one.body["model"] for one in stage.upstream.completions]
    assert models.count("text") == 2  # nothing was asked for what was cancelled while it waited


def test_many_at_once(a: Peer, b: Peer, stage: Stage) -> None:
    model = stage(Send(ROLE, *HELLO), Sleep(0.1), Send(chunk({}, "stop"), OWN_USAGE))
    made = [a.create(model=model, input=str(number), background=True).id for number in range(30)]
    assert {ended(b, one, 20.0).status for one in made} == {"completed"}
