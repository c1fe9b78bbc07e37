"""Live options of the synthetic model with several workers: all have them, also one that starts later."""

from __future__ import annotations

import os
import signal

from live.test_metrics_of_workers import pids, pytestmark, serving
from requirements import shows
from support.raw import Connection, post
from support.server import PenstockServer
from support.waiting import until

__all__ = ["pytestmark"]

CONNECTIONS = 24
"""The kernel chooses the worker of each connection, so that all workers have some of so many."""


def lengths(server: PenstockServer) -> set[int]:
    """The lengths of the answers over new connections, each held until the last one is open."""
    connections = [Connection(server.url) for _ in range(CONNECTIONS)]
    try:
        for connection in connections:
            connection.post({"model": "synthetic", "input": "What is a penstock?", "store": False})
        return {connection.answer().json()["usage"]["output_tokens"] for connection in connections}
    finally:
        for connection in connections:
            connection.__exit__()


@shows("synthetic-live")
def test_all_workers_have_the_options_and_so_has_a_new_one() -> None:
    with serving() as server:
        assert post(server.base, {"tokens": 7}, "/admin/synthetic").json() == {"tokens": 7}
        assert lengths(server) == {7}
        before = pids(server)
        os.kill(max(before), signal.SIGKILL)
        until(lambda: len(pids(server) - before) == 1)
        until(lambda: post(server.base, {"tokens": 8}, "/admin/synthetic").status == 200)
        assert lengths(server) == {8}
        os.kill(min(before), signal.SIGKILL)
        until(lambda: len(pids(server) - before) == 2)
        assert lengths(server) == {8}
