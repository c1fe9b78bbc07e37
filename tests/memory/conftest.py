"""Two replicas, A and B, in front of one engine, once a session for each engine; and callers of theirs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from memory.cluster import ENGINE_NAMES, OTHER_KEY, Cluster, cluster_in
from memory.judge import Peer
from support.steps import Expect, Script, Step
from support.upstream import ScriptedUpstream

FAILED = pytest.StashKey[bool]()


@pytest.fixture(scope="session")
def upstream_of_all() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as running:
        yield running


@pytest.fixture(scope="session", params=ENGINE_NAMES)
def cluster_of_all(upstream_of_all: ScriptedUpstream, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with cluster_in(request.param, upstream_of_all) as cluster:
        yield cluster


@pytest.fixture
def upstream(upstream_of_all: ScriptedUpstream) -> ScriptedUpstream:
    """It has received nothing yet."""
    upstream_of_all.forget()
    return upstream_of_all


@pytest.fixture
def cluster(cluster_of_all: Cluster, upstream: ScriptedUpstream, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Its replicas; what they log is shown where a test fails."""
    known = [len(server.lines) for server in cluster_of_all.running]
    yield cluster_of_all
    if request.node.stash.get(FAILED, False):
        for server, lines in zip(cluster_of_all.running, known, strict=True):
            print("".join(server.lines[lines:]))  # noqa: T201 - pytest shows it with the failure


@pytest.fixture
def a(cluster: Cluster) -> Iterator[Peer]:
    """A caller of replica A."""
    with cluster.peer(cluster.a) as peer:
        yield peer


@pytest.fixture
def b(cluster: Cluster) -> Iterator[Peer]:
    """The same caller at replica B."""
    with cluster.peer(cluster.b) as peer:
        yield peer


@pytest.fixture
def other_owner(cluster: Cluster) -> Iterator[Peer]:
    """Another caller, at replica A."""
    with cluster.peer(cluster.a, OTHER_KEY) as peer:
        yield peer


class Stage:
    """Scripts of one test's own, each the model of a name that no other test asks for."""

    numbers = count()

    def __init__(self, upstream: ScriptedUpstream) -> None:
        self.upstream = upstream

    def __call__(self, *steps: Step) -> str:
        return self.upstream.add(f"staged-{next(self.numbers)}", Script(steps, Expect()))


@pytest.fixture
def stage(upstream: ScriptedUpstream) -> Stage:
    """`stage(*steps)`: the model that does so."""
    return Stage(upstream)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report
