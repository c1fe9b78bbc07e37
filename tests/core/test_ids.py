"""Ids: what new ones are like, and what can be none at all."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from penstock.ids import may_be_id, new_id, random_digits
from requirements import shows


def test_a_new_id_can_be_one_and_comes_once() -> None:
    made = {new_id("resp_") for _ in range(1_000)}
    assert len(made) == 1_000
    assert all(may_be_id(text) and len(text) == 53 for text in made)


def test_threads_never_get_the_same_digits() -> None:
    with ThreadPoolExecutor(8) as threads:
        given = list(threads.map(lambda _: [random_digits() for _ in range(500)], range(8)))
    assert len({digits for each in given for digits in each}) == 4_000


@shows("random-after-fork")
def test_a_forked_process_gives_other_ids_than_its_parent() -> None:
    new_id("resp_")  # what is drawn with it would be the child's, too
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writes, "\n".join(random_digits() for _ in range(20)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writes)
    with os.fdopen(reads) as pipe:
        given = set(pipe.read().split())
    assert len(given) == 20
    assert given.isdisjoint(random_digits() for _ in range(200))


@shows("ordered-ids")
def test_later_ids_are_greater_and_their_random_part_never_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first eight digits are the second, as in OpenAI's own ids; then come four of its fraction."""
    monkeypatch.setattr(time, "time", iter([0x67CCD2BE + n / 4 for n in range(6)]).__next__)
    made = [new_id("msg_") for _ in range(6)]
    assert [text[4:12] for text in made] == ["67ccd2be"] * 4 + ["67ccd2bf"] * 2
    assert [text[12:16] for text in made] == ["0000", "4000", "8000", "c000", "0000", "4000"]
    assert made == sorted(made)
    assert len({text[16:] for text in made}) == 6
    assert all(len(bytes.fromhex(text[16:])) * 8 >= 128 for text in made)


@pytest.mark.parametrize("now_s", [-1.0, 0.0, 2.0**32 - 0.5, 2.0**32])
def test_a_clock_that_is_wrong_makes_ids_of_the_same_form(monkeypatch: pytest.MonkeyPatch, now_s: float) -> None:
    monkeypatch.setattr(time, "time", lambda: now_s)
    made = new_id("conv_")
    assert may_be_id(made)
    assert len(bytes.fromhex(made[5:])) == 24


@pytest.mark.parametrize("text", ["", "a b", "a/b", "a\0b", "é", "x" * 257, "'; drop table responses", "\ud800"])
def test_what_no_store_is_asked_for(text: str) -> None:
    assert not may_be_id(text)


@pytest.mark.parametrize("text", [".", ".."])
def test_what_leads_somewhere_else_in_a_path(text: str) -> None:
    assert not may_be_id(text)
    assert may_be_id(f"{text}a")
    assert may_be_id(f"a{text}")
