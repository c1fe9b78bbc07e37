"""One scripted upstream for all live tests, the servers in front of it, and callers for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.caller import CALLERS, Caller
from support.server import PenstockServer
from support.upstream import ScriptedUpstream

FAILED = pytest.StashKey[bool]()
SOON = {"PENSTOCK_LIMITS_RETRY_BACKOFF_S": "0.02", "PENSTOCK_LIMITS_BREAKER_FAILURES": "1000"}
"""The servers of tests need not be polite to their upstream, which fails more often than any other."""

Start = Callable[..., PenstockServer]


@pytest.fixture(scope="session")
def upstream_of_all() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as running:
        yield running


@pytest.fixture
def upstream(upstream_of_all: ScriptedUpstream) -> ScriptedUpstream:
    """It has heard nothing yet."""
    upstream_of_all.forget()
    return upstream_of_all


@pytest.fixture(scope="session")
def servers() -> Iterator[dict[str, PenstockServer]]:
    """Those that were started so far, by what they were started with. Each must stop well."""
    running: dict[str, PenstockServer] = {}
    yield running
    with ThreadPoolExecutor(16) as together:
        list(together.map(PenstockServer.stop, running.values()))


@pytest.fixture
def start(
    servers: dict[str, PenstockServer], upstream_of_all: ScriptedUpstream, request: pytest.FixtureRequest
) -> Iterator[Start]:
    """`start(*arguments, toml=…, server=…, PENSTOCK_…=…)`: a server of that kind.

    What it logs is shown where a test fails.
    """
    used: dict[PenstockServer, int] = {}

    def get(
        *arguments: str, toml: str = "", server: type[PenstockServer] = PenstockServer, **env: str
    ) -> PenstockServer:
        kind = repr((arguments, toml, server.__name__, sorted(env.items())))
        if kind not in servers:
            fresh = server(*arguments, toml=toml, env=SOON | env)
            known = len(upstream_of_all.requests)
            fresh.start()
            del upstream_of_all.requests[known:]  # a server that starts asks what is served
            servers[kind] = fresh
        used.setdefault(servers[kind], len(servers[kind].lines))
        return servers[kind]

    yield get
    if request.node.stash.get(FAILED, False):
        for server, known in used.items():
            print("".join(server.lines[known:]))  # noqa: T201 - pytest shows it with the failure


@pytest.fixture
def server(start: Start, upstream: ScriptedUpstream) -> PenstockServer:
    """In front of the scripted upstream, as a user would start it."""
    return start("--upstream", upstream.url)


@pytest.fixture
def synthetic(start: Start) -> PenstockServer:
    """With the model that is built in."""
    return start()


@pytest.fixture(params=CALLERS)
def caller(server: PenstockServer, request: pytest.FixtureRequest) -> Iterator[Caller]:
    """The package's client, sync and async."""
    with CALLERS[request.param](server.url) as caller:
        yield caller


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report
