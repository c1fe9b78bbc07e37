"""Several processes with one SQLite file: they write side by side, wake each other, and may be killed at any moment."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest

from conformance.kit import NOW, batch, claimed, running
from core.stores import worker
from core.stores.kit import Open, beside
from core.stores.worker import ME, events, turn
from penstock.stores.sqlite import schema

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
KILLS = 20


def start(path: Path, name: str, turns: int) -> subprocess.Popen[str]:
    paths = [str(ROOT / "core"), str(ROOT / "tests")]
    return subprocess.Popen(
        [sys.executable, worker.__file__, str(path), name, str(turns)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        stdout=subprocess.PIPE,
        text=True,
    )


def steps_of(lines: list[str]) -> dict[str, set[str]]:
    """The steps that were printed for each response."""
    steps: defaultdict[str, set[str]] = defaultdict(set)
    for line in lines:
        what, _, response_id = line.strip().partition(" ")
        steps[response_id].add(what)
    return steps


async def check(at: Open, steps: dict[str, set[str]]) -> None:
    """Everything that a process printed as done is there, and what is there is whole."""
    for response_id, done in steps.items():
        conversation_id = response_id.replace("resp", "conv")
        whole = turn(response_id, conversation_id, has_ended=True)
        row = await at.store.response(ME, response_id)
        if row is None:
            # The step behind the last one that was printed may have been done too, and at a fifth that is the end.
            assert "deleted" in done or ("settled" in done and int(response_id.rpartition("_")[2]) % 5 == 0)
        else:
            assert row == (whole if row.status == "completed" else turn(response_id, conversation_id, has_ended=False))
            assert row.status == "completed" or "settled" not in done
            log = await at.store.events(response_id, after=-1)
            assert log == events(response_id)[: len(log)]
            assert len(log) >= sum(step.startswith("event") for step in done)
        page = await at.store.page_items(ME, conversation_id)
        assert page is not None
        has_completed = row is None or row.status == "completed"
        assert page.items == (whole.input + whole.output if has_completed else [])


def test_killed_at_any_moment(tmp_path: Path) -> None:
    """Twenty times, in one file: the next process goes on with what the last one left."""
    path, rng = tmp_path / "store.db", random.Random(11)
    steps: dict[str, set[str]] = {}
    for kill in range(KILLS):
        process = start(path, str(kill), 0)
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(rng.uniform(0.0, 0.15))
        process.kill()
        rest = process.stdout.read()
        process.stdout.close()
        process.wait(60)
        assert process.returncode == -9
        lines = [line for line in (first + rest).splitlines(keepends=True) if line.endswith("\n")]
        steps |= steps_of(lines)
        if kill % 5 == 4:
            with Open(path) as at:
                at.do(check(at, steps))
                assert at.inside("PRAGMA integrity_check") == [("ok",)]
                assert at.inside("PRAGMA foreign_key_check") == []
    assert len(steps) > KILLS
    assert any("settled" in done for done in steps.values())


def test_processes_write_side_by_side(tmp_path: Path) -> None:
    """They start at once on an empty place, and none prevents the others from writing."""
    path = tmp_path / "store.db"
    processes = [start(path, name, 50) for name in ("a", "b", "c")]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    steps = steps_of("".join(outputs).splitlines())
    assert len(steps) == 150
    with Open(path) as at:
        at.do(check(at, steps))
        assert at.do(at.store.stats())["responses"] == 120


def test_who_waits_is_woken_by_another_process(tmp_path: Path) -> None:
    """Soon: the other's commit is looked for several times a second."""
    path = tmp_path / "store.db"
    known = running()
    with Open(path) as at, beside(path) as other:
        at.do(at.store.save(known))
        at.do(claimed(at.store, known))

        async def wait() -> float:
            waiting = asyncio.create_task(at.store.wait_for_events(known.id, after=-1, timeout_s=60))
            await asyncio.sleep(0.5)
            assert not waiting.done()
            began = time.monotonic()
            other.execute("INSERT INTO events SELECT number, 0, x'00' FROM responses WHERE id = ?", [known.id])
            await asyncio.wait_for(waiting, 5)
            return time.monotonic() - began

        assert at.do(wait()) < 1.0


def test_an_older_server_works_beside_a_newer_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration adds, and a process that has the file open already goes on."""
    path = tmp_path / "store.db"
    with Open(path) as old:
        monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, "ALTER TABLE responses ADD COLUMN more TEXT"))
        with Open(path) as new:
            known = running()
            assert old.do(old.store.save(known))
            assert new.do(new.store.response(ME, known.id)) == known
            claim = new.do(claimed(new.store, known, now=NOW))
            assert old.do(old.store.append_events(claim, batch(0)))
