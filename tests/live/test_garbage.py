"""Whichever way a request ends, its memory is free at once: no reference cycle holds a body, a buffer or a reply."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from live.test_disconnects import resident_bytes
from requirements import shows
from support.endings import ENDINGS, ENV, Target, add_scripts, toml
from support.uncollected import UncollectedServer
from support.upstream import ScriptedUpstream

SMALL, LARGE = 100_000, 1_000_000
REQUESTS = int(os.environ.get("REQUESTS_OF_EACH_ENDING", "3"))
"""A few, for time's sake. With 300, which take some 20 minutes, a leak of one kind alone is seen."""
AT_ONCE = 4
GROWTH_MAX = 1.5


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as upstream:
        add_scripts(upstream, SMALL)
        yield upstream


@pytest.fixture(scope="module")
def server(upstream: ScriptedUpstream) -> Iterator[UncollectedServer]:
    with UncollectedServer("--store", "memory://", toml=toml(upstream.url), env=ENV) as server:
        yield server


@shows("memory", "freed-at-once")
@pytest.mark.parametrize("name", ENDINGS)
def test_nothing_is_left_to_collect(server: UncollectedServer, upstream: ScriptedUpstream, name: str) -> None:
    """The second time: what is made once is made."""
    for _ in range(2):
        server.garbage()
        upstream.forget()
        ENDINGS[name](Target(server, upstream, SMALL))
    assert not server.garbage()


@shows("memory", "freed-at-once")
def test_memory_stays_at_its_level(server: UncollectedServer, upstream: ScriptedUpstream) -> None:
    target = Target(server, upstream, LARGE)

    def memory_after(times: int) -> int:
        """The server's memory after so many requests of every ending, some at a time."""
        with ThreadPoolExecutor(AT_ONCE) as clients:
            for _ in range(times):
                upstream.forget()
                list(clients.map(lambda name: ENDINGS[name](target), ENDINGS))
        return resident_bytes(server)

    level = memory_after(1)
    assert memory_after(REQUESTS) <= GROWTH_MAX * level
