"""The guard of the bench: one call too many makes it red, a bound that is far too high does too."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from bench.guard import __main__ as guard
from bench.guard.bounds import FILE, Bounds, Table, faults, python_fault, read_bounds
from bench.guard.counts import Counts, least
from bench.guard.inprocess import JSON, Hop
from bench.rounds import Effort

from requirements import shows


class WithOneMore(Hop):
    """A hop with a call that it does not need."""

    async def ask(self) -> bytes:
        self.needless()
        return await super().ask()

    def needless(self) -> None:
        pass


def counted(hop: type[Hop], folder: Path) -> Counts:
    async def count() -> Counts:
        made = hop(JSON, folder)
        try:
            return await least(made)
        finally:
            await made.aclose()

    return asyncio.run(count())


@shows("guarded-work")
def test_one_call_more_is_seen(tmp_path: Path) -> None:
    bound, planted = counted(Hop, tmp_path), counted(WithOneMore, tmp_path)
    limits = Bounds("3.11", frozenset(), {"json": {"calls": bound.calls}})
    assert list(faults({"json": {"calls": bound.calls}}, limits)) == []
    # The needless call, and `ask` of the class below.
    assert planted.calls >= bound.calls + 2
    [fault] = faults({"json": {"calls": planted.calls}}, limits)
    assert fault == f"json, calls: {planted.calls} is over the bound, {bound.calls}"


@shows("guarded-work")
def test_the_guard_fails_and_reports_where(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    bounds = read_bounds()
    monkeypatch.setattr(guard, "python_fault", lambda _: None)
    monkeypatch.setattr(guard, "count", lambda: bounds.table)
    assert guard.main(["--no-cpu"]) == 0
    more = {work: {name: number + 1 for name, number in counts.items()} for work, counts in bounds.table.items()}
    monkeypatch.setattr(guard, "count", lambda: more)
    assert guard.main(["--no-cpu"]) == 1
    messages = capsys.readouterr().err.splitlines()
    assert len(messages) == sum(map(len, bounds.table.values()))
    assert any(re.fullmatch(r"bench-guard: lone-delta, calls: \S+ is over the bound, \S+", line) for line in messages)


def test_another_python_is_no_silent_pass(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(guard, "read_bounds", lambda: Bounds("2.7", frozenset(), {}))
    assert guard.main([]) == 1
    assert "the bounds are those of Python 2.7" in capsys.readouterr().err
    assert python_fault(Bounds("2.7", frozenset(), {}))


@pytest.mark.parametrize(
    ("counts", "limits", "messages"),
    [
        ({"json": {"calls": 100}}, {"json": {"calls": 100}}, []),
        ({"json": {"calls": 90}}, {"json": {"calls": 100}}, []),
        (
            {"json": {"calls": 89}},
            {"json": {"calls": 100}},
            ["json, calls: 89 is far below the bound, 100: lower the bound to 92.6"],
        ),
        ({"json": {"calls": 9}}, {}, ["json, calls: there is no bound; set it to 9.4"]),
        ({}, {"json": {"calls": 9}}, ["json, calls: there is a bound, and nothing is counted"]),
    ],
)
def test_what_is_wrong_with_a_count(counts: Table, limits: Table, messages: list[str]) -> None:
    assert list(faults(counts, Bounds("3.11", frozenset(), limits))) == messages


def test_no_count_is_too_low_where_a_thread_takes_part() -> None:
    threaded = Bounds("3.11", frozenset({"stored-json"}), {"stored-json": {"calls": 100}, "json": {"calls": 100}})
    assert [fault.partition(",")[0] for fault in faults({"stored-json": {"calls": 50}}, threaded)] == ["json"]
    assert len(list(faults({"stored-json": {"calls": 101}, "json": {"calls": 101}}, threaded))) == 2
    assert read_bounds().threaded <= read_bounds().table.keys()


def test_every_kind_of_work_has_its_bounds_and_every_table_its_reason() -> None:
    assert read_bounds().table.keys() == {*guard.REQUESTS, *guard.DELTAS}
    tables = re.split(r"\n(?=\[)", FILE.read_text(encoding="utf-8"))[1:]
    assert all(re.search(r"^# \d{4}-\d\d-\d\d: \w", table, re.MULTILINE) for table in tables)


@pytest.mark.slow
def test_the_cpu_is_printed_beside_the_baselines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(guard, "CPU_EFFORT", Effort(seconds=0.2, rounds=1, connections=2))
    guard.print_cpu()
    printed = capsys.readouterr().out
    assert all(
        re.search(rf"^\| {server} \| [\d,]+", printed, re.MULTILINE) for server in ("bare", "tcp-relay", "penstock")
    )
