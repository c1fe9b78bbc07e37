"""Replicas whose clocks differ by more than a lease: all go by the engine's clock."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from memory.cluster import ENV, LEASE_S, Cluster
from memory.conftest import Stage
from memory.judge import Peer
from memory.test_background import ended, hanging, under_way
from memory.test_deaths import TAKEN_OVER_S
from requirements import shows
from support.scripts import HELLO, OWN_USAGE, ROLE, chunk
from support.server import PenstockServer
from support.steps import Send, Sleep
from support.waiting import until

RUNS = 3
AHEAD_S = 10 * LEASE_S
MAIN = """
import sys, time
real, real_ns, ahead = time.time, time.time_ns, float(sys.argv.pop(1))
time.time = lambda: real() + ahead
time.time_ns = lambda: real_ns() + int(ahead * 1e9)
from penstock_adapters.cli import main
sys.exit(main())
"""

each_shared_engine = pytest.mark.parametrize("cluster_of_all", ["redis", "postgres"], indirect=True, scope="session")
"""SQLite's replicas run on one machine, which has one clock."""


class SkewedServer(PenstockServer):
    """A server whose clock is ahead, or behind."""

    def __init__(self, ahead_s: float, *arguments: str, env: dict[str, str]) -> None:
        super().__init__(*arguments, env=env)
        self.command = (sys.executable, "-c", MAIN, str(ahead_s), "serve", "--port", "0")


@contextmanager
def skewed(cluster: Cluster, ahead_s: float) -> Iterator[PenstockServer]:
    env = ENV | {"PENSTOCK_STORE": cluster.url}
    with SkewedServer(ahead_s, "--upstream", cluster.upstream.url, env=env) as server:
        yield server


LASTS_S = LEASE_S * 2.5
"""Longer than a lease, and the time between two looks for runs that no replica works on."""


@each_shared_engine
@pytest.mark.parametrize("ahead_s", [AHEAD_S, -AHEAD_S])
@shows("one-clock")
def test_no_healthy_run_is_taken_from_its_replica(cluster: Cluster, stage: Stage, ahead_s: float) -> None:
    with skewed(cluster, ahead_s) as other, cluster.peer(cluster.a) as a, cluster.peer(other) as b:
        model = stage(Send(ROLE, *HELLO), Sleep(LASTS_S), Send(chunk({}, "stop"), OWN_USAGE))
        made = [peer.create(model=model, input="Hello?", background=True) for peer in (a, b) for _ in range(RUNS)]
        ends = [ended(peer, each.id, LASTS_S + 15.0) for peer in (b, a) for each in made]
        assert {end.status for end in ends} == {"completed"}
        assert len([one for one in stage.upstream.completions if one.body["model"] == model]) == 2 * RUNS
        until(lambda: "which leases use" in other.log)


@each_shared_engine
@pytest.mark.parametrize("ahead_s", [AHEAD_S, -AHEAD_S])
@shows("one-clock")
def test_a_dead_replica_is_survived_in_time(cluster: Cluster, a: Peer, stage: Stage, ahead_s: float) -> None:
    other = SkewedServer(ahead_s, "--upstream", cluster.upstream.url, env=ENV | {"PENSTOCK_STORE": cluster.url})
    other.start()
    try:
        with cluster.peer(other) as b, hanging(b, stage) as (running, _):
            under_way(a, running)
    finally:
        other._kill()
    assert ended(a, running, TAKEN_OVER_S).status == "failed"
