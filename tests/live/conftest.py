"""One scripted upstream for all live tests, the servers in front of it, and callers for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from support.caller import CALLERS, Caller
from support.server import PenstockServer
from support.upstream import ScriptedUpstream

FAILED = pytest.StashKey[bool]()
SOON = {"PENSTOCK_LIMITS_RETRY_BACKOFF_S": "0.02", "PENSTOCK_LIMITS_BREAKER_FAILURES": "1000"}
"""The servers of tests need not be polite to their upstream, which fails more often than any other."""

RUNNING_MAX = 16
"""How many servers run at once. An idle server still takes memory and CPU time, and the suite starts hundreds."""

Start = Callable[..., PenstockServer]


@pytest.fixture(scope="session")
def upstream_of_all() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as running:
        yield running


@pytest.fixture
def upstream(upstream_of_all: ScriptedUpstream) -> ScriptedUpstream:
    """It has received nothing yet."""
    upstream_of_all.forget()
    return upstream_of_all


class Servers:
    """Those that run, by what they were started with. Each must stop well."""

    def __init__(self) -> None:
        self._running: dict[str, PenstockServer] = {}
        self._stopping: list[Future[None]] = []
        self._threads = ThreadPoolExecutor(4)

    def get(self, kind: str, started: Callable[[], PenstockServer]) -> PenstockServer:
        """The server of that kind, which is the last that will be stopped."""
        server = self._running.pop(kind, None) or started()
        self._running[kind] = server
        while len(self._running) > RUNNING_MAX:
            self._stop(next(iter(self._running)))
        return server

    def stop(self) -> None:
        """Stop them all, and raise what was wrong with any of them."""
        for kind in list(self._running):
            self._stop(kind)
        self._threads.shutdown()
        for stopping in self._stopping:
            stopping.result()

    def _stop(self, kind: str) -> None:
        self._stopping.append(self._threads.submit(self._running.pop(kind).stop))


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    running = Servers()
    yield running
    running.stop()


@pytest.fixture
def start(servers: Servers, upstream_of_all: ScriptedUpstream, request: pytest.FixtureRequest) -> Iterator[Start]:
    """`start(*arguments, toml=…, server=…, PENSTOCK_…=…)`: a server of that kind.

    What it logs is shown where a test fails.
    """
    used: dict[PenstockServer, int] = {}

    def get(
        *arguments: str, toml: str = "", server: type[PenstockServer] = PenstockServer, **env: str
    ) -> PenstockServer:
        def started() -> PenstockServer:
            fresh = server(*arguments, toml=toml, env=SOON | env)
            known = len(upstream_of_all.requests)
            fresh.start()
            del upstream_of_all.requests[known:]  # a server that starts asks what is served
            return fresh

        running = servers.get(repr((arguments, toml, server.__name__, sorted(env.items()))), started)
        used.setdefault(running, len(running.lines))
        return running

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
