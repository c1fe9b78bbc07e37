"""Every test here runs in every host of the table. A host is started once, in front of one scripted upstream."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conformance.hosts.kit import BINARY, PAUSE_S, Host
from conformance.hosts.table import HOSTS
from support.missing import skipped_if_missing
from support.scripts import OWN_USAGE, ROLE, chunk, text
from support.steps import Expect, Raw, Reply, Script, Send, Sleep
from support.upstream import ScriptedUpstream


def started(host: Host, upstream: str, **variables: str) -> Host:
    """The host, started. One that is missing is skipped here and fails where `CI` is set."""
    with skipped_if_missing():
        host.start(upstream, **variables)
    return host


@pytest.fixture(scope="session")
def shared_upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as running:
        paused = (Send(ROLE, *text("One ")), Sleep(PAUSE_S), Send(*text("two"), chunk({}, "stop"), OWN_USAGE))
        running.add("paused", Script(paused, Expect()))
        running.add("binary", Script((Raw(BINARY),), Expect(text=None), done=False))
        running.add("with_cookies", Script((Reply(200, {"a": 1}, {"set-cookie": "a=b"}),), Expect(text=None)))
        yield running


@pytest.fixture
def upstream(shared_upstream: ScriptedUpstream) -> ScriptedUpstream:
    """The upstream of all hosts, which has not been asked for anything."""
    shared_upstream.forget()
    return shared_upstream


@pytest.fixture(scope="session", params=HOSTS)
def host(request: pytest.FixtureRequest, shared_upstream: ScriptedUpstream) -> Iterator[Host]:
    running = started(HOSTS[request.param](), shared_upstream.url)
    yield running
    running.stop()
