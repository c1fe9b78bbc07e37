"""Fitting: how much room there is, by whose count, and what is reported where the size is unknown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from core.kit import LIMITS, FakeUpstream, Json, plan, routes
from penstock.engine import Plan
from penstock.engine.context.estimate import estimate_input
from penstock.engine.context.fitting import fit
from penstock.errors import ApiError
from penstock.ports import Turn

TALK = [{"role": "user" if n % 2 == 0 else "assistant", "content": f"{n:02d} " + "word " * 20} for n in range(21)]


def fitted(
    size: int | None, count: Callable[[Turn], int | None] = lambda turn: None, leading: int = 0, **fields: Any
) -> Plan:
    upstream = FakeUpstream()
    upstream.size, upstream.count = size, count
    request: Json = {"input": TALK, "truncation": "auto", **fields}
    planned = plan(to=routes(upstream), **request)
    planned.leading = leading
    return asyncio.run(fit(planned, LIMITS))


def left(planned: Plan) -> list[int]:
    """Which of the talk is left."""
    return [int(item.content[:2]) for item in planned.turn.items]


def words(turn: Turn) -> int:
    """A tokenizer to which every word is a token."""
    return sum(len(item.content.split()) for item in turn.items)


def test_a_request_within_the_context_is_not_changed() -> None:
    planned = fitted(100_000)
    assert (left(planned), planned.ignored) == (list(range(21)), [])


def test_the_newest_that_fit_are_left() -> None:
    planned = fitted(400)
    assert planned.ignored == []
    assert left(planned) == list(range(21))[-len(left(planned)) :]
    assert 1 < len(left(planned)) < 21
    assert estimate_input(planned.turn) < 400


def test_room_is_left_for_the_answer_and_for_the_instructions() -> None:
    assert len(left(fitted(400, max_output_tokens=200))) < len(left(fitted(400)))
    assert len(left(fitted(400, instructions="word " * 100))) < len(left(fitted(400)))


def test_the_question_remains_where_nothing_fits() -> None:
    assert left(fitted(10)) == [20]
    assert left(fitted(10, max_output_tokens=1000)) == [20]


def test_leading_items_stay() -> None:
    assert left(fitted(10, leading=2)) == [0, 1, 20]


def test_the_size_is_unknown() -> None:
    planned = fitted(None)
    assert (left(planned), planned.ignored) == (list(range(21)), ["truncation"])


def test_the_upstreams_own_count_decides() -> None:
    planned = fitted(100, words)
    assert words(planned.turn) <= 99
    assert len(left(planned)) >= 3
    assert left(fitted(21 * 21 + 1, words)) == list(range(21))


def test_an_upstream_that_cannot_count_is_done_without() -> None:
    def refuse(turn: Turn) -> int:
        raise ApiError("no such route", status=404)

    assert left(fitted(400, refuse)) == left(fitted(400))


@pytest.mark.parametrize("size", [10, 100, 300])
def test_few_questions_are_asked(size: int) -> None:
    asked: list[int] = []

    def count(turn: Turn) -> int:
        asked.append(len(turn.items))
        return words(turn) * 3

    fitted(size, count)
    assert len(asked) <= 3


def test_what_surely_fits_is_not_counted() -> None:
    def count(turn: Turn) -> int:
        raise AssertionError("it was asked")

    assert left(fitted(1_000_000, count)) == list(range(21))
