"""Metrics of several workers: one scrape has them all, whichever is asked, and whatever becomes of the others."""

from __future__ import annotations

import os
import select
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from requirements import shows
from support.metrics import Metrics, scrape
from support.raw import Connection, post
from support.server import PenstockServer
from support.waiting import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="workers are found in /proc"),
]

WORKERS = ("0", "1", "2")
REQUESTS = 12
SILENT_S = 5.0
"""After how long the worker that was asked must be the one that was stopped."""
STATUS = "penstock_requests_total"


@contextmanager
def serving(**env: str) -> Iterator[PenstockServer]:
    with (
        tempfile.TemporaryDirectory() as folder,
        PenstockServer("--workers", "3", env={"TMPDIR": folder} | env) as server,
    ):
        until(lambda: answering(server) == set(WORKERS))
        [sockets] = Path(folder).iterdir()
        assert sockets.stat().st_mode & 0o777 == 0o700
        yield server
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(20)
        assert not list(Path(folder).iterdir())


def answering(server: PenstockServer) -> set[str]:
    return scrape(server).labels(STATUS, "worker")


def pids(server: PenstockServer) -> set[int]:
    leader = server.process.pid
    return set(map(int, Path(f"/proc/{leader}/task/{leader}/children").read_text().split()))


def of_each(read: Metrics) -> dict[str, float]:
    """The requests that each worker has answered."""
    return {worker: read(STATUS, worker=worker, route="/v1/responses") for worker in read.labels(STATUS, "worker")}


def send_hello(server: PenstockServer) -> None:
    for _ in range(REQUESTS):
        assert post(server.url, {"model": "synthetic", "input": "Hi", "store": False}).status == 200


@shows("silent-siblings")
def test_one_scrape_has_all_workers() -> None:
    with serving() as server:
        send_hello(server)
        until(lambda: sum(of_each(scrape(server)).values()) == REQUESTS)
        read = scrape(server)
        assert all("worker" in sample.labels for sample in read.samples)
        assert read.labels("vllm:generation_tokens_total", "worker") == set(WORKERS)
        assert read.text.count("# TYPE penstock_requests_total counter") == 1


@shows("silent-siblings")
def test_a_silent_worker_is_left_out_and_counted() -> None:
    with serving(PENSTOCK_LIMITS_SIBLING_WAIT_S="0.2") as server, Connection(server.base) as connection:
        for pid in pids(server):
            os.kill(pid, signal.SIGSTOP)  # its socket accepts connections, and answers none
            try:
                connection.send("GET", "/metrics")
                if not select.select([connection.socket], [], [], SILENT_S)[0]:
                    os.kill(pid, signal.SIGCONT)  # it is the one that was asked
                    connection.answer()
                    continue
                read = Metrics(connection.answer().body.decode())
                assert len(read.labels(STATUS, "worker")) == len(WORKERS) - 1
                assert read("penstock_scrape_errors_total") >= 1
                break
            finally:
                os.kill(pid, signal.SIGCONT)
        until(lambda: answering(server) == set(WORKERS))


@shows("silent-siblings")
def test_a_killed_worker_is_replaced_in_its_slot_and_no_other_series_goes_down() -> None:
    with serving() as server:
        send_hello(server)
        until(lambda: sum(of_each(scrape(server)).values()) == REQUESTS)
        before = of_each(scrape(server))
        os.kill(max(pids(server)), signal.SIGKILL)
        until(lambda: "ended with -9" in server.log)
        after = until(lambda: found if len(found := of_each(scrape(server))) == len(WORKERS) else None)
        lower = {worker for worker in WORKERS if after[worker] < before[worker]}
        assert len(lower) <= 1
        assert all(after[worker] == 0 for worker in lower)
        assert sum(after[worker] == before[worker] for worker in WORKERS) >= len(WORKERS) - 1
