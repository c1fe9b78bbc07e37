"""Engines that are restarted under load: requests fail clearly or succeed, and what was acknowledged is there."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import openai
import pytest

from conformance.engines import Postgres, Redis
from conformance.servers import Process
from memory.cluster import KEY, Cluster, begun, url_of
from memory.conftest import Stage
from memory.judge import Peer
from memory.test_background import ended
from requirements import shows
from support.raw import Connection
from support.scripts import HELLO, OWN_USAGE, ROLE, chunk
from support.server import PenstockServer
from support.steps import Hang, Send, Sleep
from support.upstream import ScriptedUpstream
from support.waiting import until

CALLERS = 3
ENOUGH = 5
"""So many requests succeed before the engine is restarted, and again afterwards."""
RECOVERED_S = 20.0
STOPPED_S = 25.0
"""The drain, and what the connections to an engine that is away may take."""
ALWAYS = ("--appendonly", "yes", "--appendfsync", "always")


class Restarted:
    """An engine of its own that a test may restart."""

    def __init__(
        self, kind: type[Redis] | type[Postgres], in_order: int, at_once: int, options: tuple[str, ...]
    ) -> None:
        self.engine = kind()
        self.in_order, self.at_once = in_order, at_once
        """The signals at which it ends with all that it has, and without."""
        begun(self.engine)
        if options:
            self.end(at_once)
            self.begin(*options)

    def end(self, how: int) -> None:
        running = self.engine.process.running
        running.send_signal(how)
        running.wait(60)

    def begin(self, *options: str) -> None:
        """Start it again, at the same port, in front of the same files."""
        arguments = self.engine.process.running.args
        assert isinstance(arguments, list)
        self.engine.process = Process([*arguments, *options], self.engine.directory)
        self.engine.process.until(self.answers)

    def answers(self) -> bool:
        engine = self.engine
        return engine._ask("PING") == "+PONG" if isinstance(engine, Redis) else engine._ask("SELECT 1") == "1"


ENGINES = {
    "redis": lambda: Restarted(Redis, signal.SIGTERM, signal.SIGKILL, ALWAYS),
    "postgres": lambda: Restarted(Postgres, signal.SIGINT, signal.SIGQUIT, ()),
}
"""Redis as it has to be for an acknowledgement to outlive its process."""


@dataclass
class Load:
    """Callers that ask one thing after the other, and note the answers."""

    server: PenstockServer
    cluster: Cluster
    slow: str
    stopped: threading.Event = field(default_factory=threading.Event)
    acknowledged: list[dict[str, object]] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)

    def ask(self, number: int) -> None:
        """One caller: a chain in the foreground, and something in the background beside it."""
        previous: str | None = None
        with self.cluster.peer(self.server) as peer, self.stopping():
            while not self.stopped.is_set():
                try:
                    made = peer.create(model="text", input=f"Caller {number}", previous_response_id=previous)
                    self.acknowledged.append(made.to_dict())
                    previous = made.id
                    self.accepted.append(peer.create(model=self.slow, input="Hello?", background=True).id)
                except openai.InternalServerError as error:
                    self.refused.append(error.status_code)
                    self.stopped.wait(0.05)

    @contextmanager
    def stopping(self) -> Iterator[None]:
        """When one ends, for whatever reason, all of them do."""
        try:
            yield
        finally:
            self.stopped.set()

    def more(self, answers: list[Any], count: int = ENOUGH) -> None:
        """Wait until so many more requests were answered like that."""
        known = len(answers)
        until(lambda: len(answers) >= known + count or self.stopped.is_set(), RECOVERED_S)


@pytest.fixture(params=ENGINES)
def restarted(request: pytest.FixtureRequest) -> Iterator[Restarted]:
    restarted = ENGINES[request.param]()
    yield restarted
    restarted.engine.stop()


def test_nothing_acknowledged_is_lost(restarted: Restarted, upstream: ScriptedUpstream, stage: Stage) -> None:
    """It is stopped until requests are refused; then it is killed and starts again at once."""
    url = url_of(restarted.engine, restarted.engine.location())
    cluster = Cluster(restarted.engine.name, url, upstream)
    slow = stage(Send(ROLE, *HELLO), Sleep(0.2), Send(chunk({}, "stop"), OWN_USAGE))
    with cluster.victims(1) as (server,), ThreadPoolExecutor(CALLERS) as together:
        load = Load(server, cluster, slow)
        callers = [together.submit(load.ask, number) for number in range(CALLERS)]
        with load.stopping():
            load.more(load.acknowledged)
            restarted.end(restarted.in_order)
            load.more(load.refused, 1)
            restarted.begin()
            load.more(load.acknowledged)
            restarted.end(restarted.at_once)
            restarted.begin()
            load.more(load.acknowledged)
        for caller in callers:
            caller.result()
        with cluster.peer(server) as peer:
            check(peer, load)


@shows("signals")
def test_a_server_stops_while_its_store_is_away(restarted: Restarted, upstream: ScriptedUpstream, stage: Stage) -> None:
    """With a response that runs, one that waits and one that is followed: soon, and with 0."""
    url = url_of(restarted.engine, restarted.engine.location())
    cluster = Cluster(restarted.engine.name, url, upstream)
    with cluster.victims(1) as (server,), cluster.peer(server) as peer:
        running, _ = (peer.create(model=stage(Hang()), input="Hello?", background=True).id for _ in range(2))
        with Connection(server.url) as follower:
            follower.send("GET", f"/responses/{running}?stream=true", headers={"authorization": f"Bearer {KEY}"})
            follower.head()
            restarted.end(restarted.at_once)
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(STOPPED_S) == 0
    assert "Exception in ASGI application" not in server.log


def check(peer: Peer, load: Load) -> None:
    """All that was acknowledged is there as it was answered, and all that was accepted ends."""
    for result in load.acknowledged:
        assert peer.client.responses.retrieve(str(result["id"])).to_dict() == result
    assert {ended(peer, one, RECOVERED_S).status for one in load.accepted} <= {"completed", "failed"}
    assert set(load.refused) <= {500, 503}
