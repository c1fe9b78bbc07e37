"""Live options: set in all workers at once, and known to a worker that starts later."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from penstock.dialects.synthetic.options import Constant
from penstock.engine.upstreams.synthetic.upstream import SyntheticUpstream
from penstock.errors import ApiError
from penstock.ports.siblings import Answer, SiblingReply
from requirements import shows


class Workers:
    """Several workers in one process: each is asked by the others. A silent one answers nothing."""

    def __init__(self) -> None:
        self.answers: dict[str, dict[str, Answer]] = {}
        self.silent: set[str] = set()

    def siblings(self, worker: str) -> Siblings:
        self.answers[worker] = {}
        return Siblings(self, worker)


class Siblings:
    def __init__(self, workers: Workers, worker: str) -> None:
        self._workers = workers
        self.worker = worker

    def answer(self, path: str, answer: Answer) -> None:
        self._workers.answers[self.worker][path] = answer

    async def ask(self, path: str, body: bytes = b"") -> list[SiblingReply]:
        return [
            SiblingReply(worker, None if worker in self._workers.silent else answers[path](body))
            for worker, answers in self._workers.answers.items()
            if worker != self.worker
        ]


def worker(workers: Workers, name: str) -> SyntheticUpstream:
    return SyntheticUpstream(profiles={"slow": "tokens=9"}, siblings=workers.siblings(name))


def tokens(upstream: SyntheticUpstream) -> Any:
    return upstream.options("synthetic", "").tokens


@shows("synthetic-live")
def test_all_workers_have_the_options_that_were_set_last() -> None:
    workers = Workers()
    first, second = worker(workers, "0"), worker(workers, "1")
    asyncio.run(first.live.set(b'{"tokens": 5, "ttft_ms": "uniform(1,2)"}'))
    assert tokens(first) == tokens(second) == Constant(value=5)
    assert first.live.body == second.live.body == b'{"tokens":5,"ttft_ms":"uniform(1,2)"}'
    asyncio.run(second.live.set(b'{"profile": "slow"}'))
    assert tokens(first) == tokens(second) == Constant(value=9)
    asyncio.run(first.live.set(b"{}"))
    assert tokens(first) is tokens(second) is None


@shows("synthetic-live")
def test_a_worker_that_starts_later_asks_its_siblings() -> None:
    workers = Workers()
    asyncio.run(worker(workers, "0").live.set(b'{"tokens": 5}'))
    later = worker(workers, "1")
    assert tokens(later) is None
    asyncio.run(later.live.join())
    assert tokens(later) == Constant(value=5)


def test_a_silent_worker_is_reported() -> None:
    workers = Workers()
    first, _ = worker(workers, "0"), worker(workers, "1")
    workers.silent.add("1")
    with pytest.raises(ApiError, match=r"These workers did not answer, and may have other options: 1\.") as raised:
        asyncio.run(first.live.set(b'{"tokens": 5}'))
    assert raised.value.status == 503
    assert tokens(first) == Constant(value=5)


def test_what_a_sibling_sends_wrongly_changes_nothing() -> None:
    workers = Workers()
    first = worker(workers, "0")
    answer = workers.answers["0"]["/admin/synthetic"]
    for body in (b"x", b"[]", b'{"version": 1, "given": {"new": 1}}', b'{"version": 0, "given": {"tokens": 1}}'):
        assert answer(body) == b'{"version":0,"given":{}}'
    assert tokens(first) is None


@shows("synthetic-live")
@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"[]", None),
        (b"7", None),
        (b'{"tokens": true}', "tokens"),
        (b'{"tokens": [5]}', "tokens"),
        (b'{"tokens": NaN}', None),
        (b'{"tokens": null}', "tokens"),
        (b'{"tokens": 5', None),
        (b" " * 20_000, None),
        (b'{"tokens": 5, "tokens": 6}', "tokens"),
        (b'{"tokns": 5}', "tokns"),
        (b'{"tokens": "x"}', "tokens"),
        (b'{"tokens": 1e400}', "tokens"),
        (b'{"seed": "1&tokens=5"}', "seed"),
        (b'{"seed=1&tokens": 5}', "seed=1&tokens"),
        (b'{"profile": "fast"}', "profile"),
        (b'{"": 5}', ""),
    ],
)
def test_a_wrong_body_changes_nothing(body: bytes, param: str | None) -> None:
    upstream = worker(Workers(), "0")
    asyncio.run(upstream.live.set(b'{"tokens": 3}'))
    with pytest.raises(ApiError) as raised:
        asyncio.run(upstream.live.set(body))
    assert (raised.value.status, raised.value.param) == (400, param)
    assert tokens(upstream) == Constant(value=3)


def test_a_wrong_option_is_named_once() -> None:
    with pytest.raises(ApiError) as raised:
        asyncio.run(worker(Workers(), "0").live.set(b'{"tokens": -1}'))
    assert raised.value.message == "Invalid value for 'tokens': '-1' is not from 0 to 1,000,000,000."


def test_the_header_and_the_name_override_them_and_requests_are_numbered_anew() -> None:
    upstream = worker(Workers(), "0")
    assert upstream.options("synthetic?seed=1", "").tokens is None
    asyncio.run(upstream.live.set(b'{"tokens": 3, "seed": 9}'))
    assert upstream.options("synthetic?seed=1", "").tokens == Constant(value=3)
    assert upstream.options("synthetic?seed=1", "").seed == 1
    assert upstream.options("synthetic", "tokens=4").tokens == Constant(value=4)
