"""Streams of background responses: followed on any replica, from any event on, with no gap and no repeat."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

from memory.cluster import Cluster
from memory.conftest import Stage
from memory.judge import Peer, check_stream
from memory.test_background import ended
from requirements import shows
from support.scripts import OWN_USAGE, PARIS, ROLE, WEATHER, call, chunk, text
from support.steps import Hang, Json, Send, Sleep, Step

TALK = [
    *(chunk({"reasoning_content": "Let me think."}),),
    *text("Grüße ", "你", "好"),
    *call(0, PARIS, call_id="call_a"),
]
"""A bit of everything."""


def slowly(pause_s: float) -> list[Step]:
    """The talk, chunk by chunk."""
    steps: list[Step] = [Send(ROLE)]
    for one in TALK:
        steps += [Sleep(pause_s), Send(one)]
    return [*steps, Send(chunk({}, "tool_calls"), OWN_USAGE)]


def start(peer: Peer, model: str) -> str:
    made: str = peer.create(model=model, input="Hello?", background=True, tools=[WEATHER]).id
    return made


def followed(peer: Peer, response_id: str, after: int | None = None) -> list[Json]:
    """The events as they come, from one on."""
    beyond: Any = {} if after is None else {"starting_after": after}
    with peer.client.responses.retrieve(response_id, stream=True, **beyond) as stream:
        return [event.to_dict() for event in stream]


@shows("replay")
def test_background_and_stream(a: Peer, b: Peer, stage: Stage) -> None:
    """One call starts and follows; what is followed later, and what is stored, is the same."""
    with a.client.responses.create(
        model=stage(*slowly(0.02)), input="Hello?", background=True, stream=True, tools=[WEATHER]
    ) as stream:
        events = [event.to_dict() for event in stream]
    assert [event["type"] for event in events[:2]] == ["response.created", "response.queued"]
    assert events[0]["response"]["status"] == "queued"
    response_id = events[0]["response"]["id"]
    assert followed(b, response_id) == followed(a, response_id) == events
    assert check_stream(events) == b.client.responses.retrieve(response_id).to_dict()


@shows("left-streams")
def test_a_client_that_disconnects_ends_nothing(a: Peer, b: Peer, stage: Stage) -> None:
    """And goes on where it was, on the other replica."""
    with a.client.responses.create(
        model=stage(*slowly(0.05)), input="Hello?", background=True, stream=True, tools=[WEATHER]
    ) as stream:
        seen = [next(stream).to_dict() for _ in range(6)]
    response_id = seen[0]["response"]["id"]
    rest = followed(b, response_id, seen[-1]["sequence_number"])
    assert check_stream([*seen, *rest])["status"] == "completed"
    assert followed(a, response_id) == [*seen, *rest]


@shows("resume", "cursors")
def test_at_every_cut(a: Peer, b: Peer, stage: Stage) -> None:
    """After the end: what is sent after event n is all that came after it, byte for byte as it was sent first."""
    response_id = start(a, stage(*slowly(0.0)))
    events = followed(a, response_id)
    for cut in range(-1, len(events) - 1):
        after = None if cut < 0 else cut
        assert followed(b, response_id, after) == events[cut + 1 :]
    assert check_stream(events)["status"] == "completed"


@shows("resume")
def test_at_every_cut_while_it_runs(cluster: Cluster, a: Peer, b: Peer, stage: Stage) -> None:
    """A follower for each cut, half of them on either replica, from before the run sends anything."""
    response_id = start(a, stage(*slowly(0.04)))
    cuts = [None, *range(20)]

    def follow(cut: int | None) -> list[Json]:
        with cluster.peer(cluster.a if (cut or 0) % 2 else cluster.b) as peer:
            return followed(peer, response_id, cut)

    with ThreadPoolExecutor(len(cuts)) as together:
        whole, *suffixes = together.map(follow, cuts)
    assert len(whole) > len(cuts)
    for cut, suffix in enumerate(suffixes):
        assert suffix == whole[cut + 1 :]
    assert check_stream(whole) == b.client.responses.retrieve(response_id).to_dict()


@shows("cursors")
@pytest.mark.parametrize("beyond", [0, 1, 1000])
def test_after_the_end(a: Peer, b: Peer, beyond: int) -> None:
    """Nothing is left to send; the stream ends well."""
    made = a.create(model="text", input="Hello?", background=True)
    events = followed(a, made.id)
    assert followed(b, made.id, events[-1]["sequence_number"] + beyond) == []


@pytest.mark.parametrize("true", ["true", "True", "1", "yes", "on"])
def test_any_yes_streams(b: Peer, a: Peer, true: str) -> None:
    made = a.create(model="text", input="Hello?", background=True)
    ended(b, made.id)
    b.client.responses.retrieve(made.id, extra_query={"stream": true})
    assert b.ears.received[-1].headers["content-type"].startswith("text/event-stream")
    raw = b.client.responses.with_raw_response.retrieve(made.id, extra_query={"stream": "false"})
    assert raw.headers["content-type"] == "application/json"


@pytest.mark.parametrize("query", ["x", "-1", "1.5"])
def test_starting_after_what_is_no_number(a: Peer, query: str) -> None:
    made = a.create(model="text", input="Hello?", background=True)
    with pytest.raises(openai.BadRequestError) as caught:
        a.client.responses.retrieve(made.id, extra_query={"stream": "true", "starting_after": query})
    assert caught.value.param == "starting_after"


@shows("replay")
def test_a_foreground_response_is_not_streamed_again(a: Peer, b: Peer) -> None:
    made = a.create(model="text", input="Hello?")
    with pytest.raises(openai.BadRequestError) as caught:
        b.client.responses.retrieve(made.id, stream=True)
    assert caught.value.param == "stream"


@shows("deleted-streams", "error-events")
@pytest.mark.parametrize("on", ["A", "B"])
def test_a_response_that_is_deleted_meanwhile(a: Peer, b: Peer, stage: Stage, on: str) -> None:
    """On either replica: the stream ends by an error that states it."""
    response_id = start(a, stage(*slowly(0.5)))
    with b.client.responses.retrieve(response_id, stream=True) as stream:
        next(stream)
        (a if on == "A" else b).client.responses.delete(response_id)
        *_, error = stream
    assert (error.type, error.code, error.param) == ("error", "response_deleted", "response_id")


@shows("deleted-streams", "error-events")
def test_a_response_that_is_deleted_while_it_is_queued(cluster: Cluster, b: Peer, stage: Stage) -> None:
    with cluster.replica(PENSTOCK_LIMITS_BACKGROUND_RUNS_MAX="1") as small, cluster.peer(small) as peer:
        running, waiting = (start(peer, stage(Hang())) for _ in range(2))
        with b.client.responses.retrieve(waiting, stream=True) as stream:
            peer.client.responses.delete(waiting)
            [error] = stream
        assert (error.type, error.code) == ("error", "response_deleted")
        peer.client.responses.cancel(running)


@shows("drained-in-order")
@pytest.mark.parametrize("begun", [True, False], ids=["running", "queued"])
def test_a_server_that_stops_ends_the_streams_of_its_followers(
    cluster: Cluster, a: Peer, b: Peer, stage: Stage, begun: bool
) -> None:
    """By an error; the response goes on, and a follower at another replica misses nothing."""
    steps = [*slowly(0.2)[:4], Sleep(4), *slowly(0.0)[4:]] if begun else [Sleep(4), *slowly(0.0)]
    server = cluster.replica(PENSTOCK_DRAIN_S="1")
    with server, cluster.peer(server) as peer:
        response_id = start(a, stage(*steps))
        seen = []
        with peer.client.responses.retrieve(response_id, stream=True) as stream:
            if begun:
                seen = [next(stream).to_dict() for _ in range(3)]
            server.process.send_signal(signal.SIGTERM)
            seen += [event.to_dict() for event in stream]
        assert server.process.wait(20) == 0
    error = seen.pop()
    assert (error["type"], error["code"]) == ("error", "server_stopping")
    assert "Traceback" not in server.log
    rest = followed(b, response_id, error["sequence_number"] if seen else None)
    assert check_stream([*seen, *rest])["status"] == "completed"
