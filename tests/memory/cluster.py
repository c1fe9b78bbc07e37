"""Replicas in front of one place: two that stay, and more for those tests that need one of their own."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from conformance.engines import ENGINES, Engine
from memory.judge import Peer
from support.missing import skipped_if_missing
from support.server import PenstockServer
from support.upstream import ScriptedUpstream

LEASE_S = 2.0
KEY, OTHER_KEY = "sk-one", "sk-two"
ENV = {
    "PENSTOCK_API_KEYS": f"{KEY},{OTHER_KEY}",
    "PENSTOCK_LIMITS_LEASE_S": str(LEASE_S),
    "PENSTOCK_LIMITS_WRITER_LOCK_S": str(LEASE_S),
    "PENSTOCK_LIMITS_RETRY_BACKOFF_S": "0.02",
}
ENGINE_NAMES = {"sqlite, one server": "sqlite", "sqlite": "sqlite", "redis": "redis", "postgres": "postgres"}
"""What a cluster may stand in front of, and the engine there. With one server, A is B."""

each_engine = pytest.mark.parametrize("cluster_of_all", ["sqlite", "redis", "postgres"], indirect=True, scope="session")
"""For what takes long: one cluster of each engine will do."""


@dataclass
class Cluster:
    """Replicas A and B, and the upstream that they share."""

    name: str
    url: str
    upstream: ScriptedUpstream
    contents: Callable[[], bytes] = bytes
    """What the rows there contain."""
    running: list[PenstockServer] = field(default_factory=list)

    @property
    def a(self) -> PenstockServer:
        return self.running[0]

    @property
    def b(self) -> PenstockServer:
        return self.running[-1]

    def replica(self, **env: str) -> PenstockServer:
        """One more; the test that starts it ends it."""
        return PenstockServer("--upstream", self.upstream.url, env=ENV | {"PENSTOCK_STORE": self.url} | env)

    @contextmanager
    def victims(self, count: int) -> Iterator[list[PenstockServer]]:
        """Replicas that a test kills; nothing is left of them afterwards."""
        victims = [self.replica(PENSTOCK_LIMITS_BACKGROUND_RUNS_MAX="1") for _ in range(count)]
        try:
            at_once(victims, PenstockServer.start)
            yield victims
        finally:
            for victim in victims:
                victim._kill()

    def peer(self, server: PenstockServer, key: str = KEY) -> Peer:
        return Peer(server.url, key)


def at_once(servers: list[PenstockServer], do: Callable[[PenstockServer], None]) -> None:
    """Do it to all of them at the same time."""
    with ThreadPoolExecutor() as together:
        list(together.map(do, servers))


def begun(engine: Engine) -> Engine:
    """The engine, started. One that is missing is skipped here and fails where `CI` is set."""
    with skipped_if_missing():
        engine.start()
    return engine


def url_of(engine: Engine, location: str) -> str:
    """A place as `PENSTOCK_STORE` names it."""
    return f"sqlite:///{location}" if engine.name == "sqlite" else location


@contextmanager
def cluster_in(name: str, upstream: ScriptedUpstream) -> Iterator[Cluster]:
    """A cluster in front of an empty place; at its end every replica must stop well."""
    engine = begun(ENGINES[ENGINE_NAMES[name]]())
    location = engine.location()
    cluster = Cluster(name, url_of(engine, location), upstream, lambda: engine.contents(location))
    cluster.running = [cluster.replica() for _ in range(1 if name.endswith("one server") else 2)]
    try:
        at_once(cluster.running, PenstockServer.start)
        yield cluster
        at_once(cluster.running, PenstockServer.stop)
    finally:
        engine.stop()


def rng_of(seed: str) -> random.Random:
    """Moments that are any, and the same again."""
    return random.Random(seed)
