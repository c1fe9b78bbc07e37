"""The plan cache: a plan from it is the plan that would be made, and it keeps no text of an input."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from core.engine.planning.test_plan import ECHOES
from core.kit import LIMITS, NOW_S, FakeUpstream, Json, at_once, decode, routes
from penstock.engine import Plan, Policies, make_plan, resolve
from penstock.engine.planning import plan_cache
from penstock.engine.planning.plan_cache import PlanCache
from penstock.errors import ApiError
from penstock.secrets import Secret
from requirements import shows
from support.scripts import WEATHER

INPUTS: list[Any] = ["Hi", "Ho", [{"type": "message", "role": "user", "content": "Hi"}]]
INPUTS += [
    [
        {"type": "message", "role": "user", "content": [{"type": "glow"}]},
        {"type": "message", "role": "user", "content": "a"},
    ]
]
INPUTS += [[{"type": "message", "role": "user", "content": [{"type": "text", "text": "b"}]}]]
INPUTS += [[{"type": "reasoning", "id": "rs_1", "summary": []}, {"type": "message", "role": "user", "content": "c"}]]
FIELDS = {name: st.sampled_from([asked for asked, _ in values]) for name, values in ECHOES.items() if name != "model"}
REQUESTS = st.fixed_dictionaries(
    {"model": st.sampled_from(["x", "y"]), "input": st.sampled_from(INPUTS)},
    optional={**FIELDS, "store": st.booleans(), "tools": st.sampled_from([[], [WEATHER]]), "odd": st.just(1)},
)
TO = routes(FakeUpstream())


def _arguments(number: int) -> Json:
    return {
        "bearer": Secret(f"key-{number}"),
        "response_id": f"resp_{number}",
        "created_at": NOW_S + number,
        "is_stored": number % 2 == 0,
        "seal": None,
    }


def _cached(cache: PlanCache, request: Json, number: int, client: str = "me") -> tuple[Any, Any]:
    """The plan by the cache, and the one that is made, or the messages of errors in their place."""
    decoded = decode(json.dumps(request).encode(), LIMITS)
    context = at_once(resolve(decoded))
    arguments = {**_arguments(number), "client": client}
    make = partial(make_plan, decoded, context, TO, Policies(), limits=LIMITS)
    return _called(cache.plan, decoded, context, **arguments), _called(make, **arguments)


def _called(make: Callable[..., Plan], *args: Any, **arguments: Any) -> Plan | str:
    try:
        return make(*args, **arguments)
    except ApiError as error:
        return error.message


def _as_made(plan: Any) -> Any:
    """The plan without what it shares with others."""
    return plan if isinstance(plan, str) else replace(plan, turn=replace(plan.turn, shared=None))


@pytest.mark.slow
@settings(max_examples=40)
@given(st.lists(st.tuples(REQUESTS, st.integers(0, 3)), min_size=1, max_size=4))
def test_a_plan_from_the_cache_is_the_plan_that_would_be_made(asked: list[tuple[Json, int]]) -> None:
    cache = PlanCache(TO, Policies(), LIMITS)
    for request, number in asked * 2:
        plan, made = _cached(cache, request, number)
        assert _as_made(plan) == made


def test_the_cache_keeps_no_input() -> None:
    cache = PlanCache(TO, Policies(), LIMITS)
    _cached(cache, {"model": "x", "input": "a secret of the client"}, 0)
    assert cache._made
    assert "a secret" not in repr(cache._made)


def test_a_plan_is_made_once_for_requests_that_differ_in_their_input() -> None:
    cache = PlanCache(TO, Policies(), LIMITS)
    first, _ = _cached(cache, {"model": "x", "input": "a", "temperature": 1}, 0)
    second, _ = _cached(cache, {"model": "x", "input": "b", "temperature": 1.0}, 0)
    other, _ = _cached(cache, {"model": "x", "input": "b", "temperature": 2}, 0)
    assert first.forms is second.forms
    assert first.forms is not other.forms
    assert [plan.turn.items[0].content for plan in (first, second)] == ["a", "b"]


@shows("read-once")
def test_no_client_gets_the_plan_of_another() -> None:
    cache = PlanCache(TO, Policies(), LIMITS)
    first, _ = _cached(cache, {"model": "x", "input": "a"}, 0)
    other, made = _cached(cache, {"model": "x", "input": "a"}, 0, client="other")
    assert _as_made(other) == made
    assert first.forms is not other.forms


@shows("bounded-caches")
def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_cache, "_KEYS_MAX", 8)
    cache = PlanCache(TO, Policies(), LIMITS)
    for number in range(12):
        _cached(cache, {"model": f"m{number}", "input": "a"}, 0)
        _cached(cache, {"model": "m", "input": "a", "max_output_tokens": number + 1}, 0)
    assert len(cache._made) <= 8
    assert max(map(len, cache._made.values())) <= 4
