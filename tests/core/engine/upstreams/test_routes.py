"""Which upstream serves a model."""

from typing import Any

import pytest

from core.kit import FakeUpstream
from penstock.engine import Route, Routes
from penstock.engine.upstreams.pool import Pool
from penstock.errors import ApiError


def route(name: str, *models: str, **fields: Any) -> Route:
    return Route(name=name, upstream=FakeUpstream(), models=models, **fields)


ROUTES = Routes(
    [
        route("small", "tiny", "mini-*"),
        route("big", "huge", "mini-9", aliases={"gpt-5": "huge"}),
        route("other", "mini-?", "huge"),
        route("odd", "[ab]*"),
    ],
    "tiny",
)

CHOSEN: dict[str | None, tuple[str, str]] = {
    None: ("tiny", "small"),
    "tiny": ("tiny", "small"),
    "mini-1": ("mini-1", "small"),
    "mini-9": ("mini-9", "big"),
    "huge": ("huge", "big"),
    "gpt-5": ("gpt-5", "big"),
    "abc": ("abc", "odd"),
    "[ab]*": ("[ab]*", ""),
    "Tiny": ("Tiny", ""),
    "tiny-2": ("tiny-2", ""),
    "gpt-5-mini": ("gpt-5-mini", ""),
}


@pytest.mark.parametrize(("model", "chosen"), CHOSEN.items(), ids=map(repr, CHOSEN))
def test_exact_names_go_first_then_patterns_in_order(model: str | None, chosen: tuple[str, str]) -> None:
    if chosen[1]:
        name, found = ROUTES.choose(model)
        assert (name, found.name) == chosen
        assert found.serves(name)
        return
    with pytest.raises(ApiError, match="does not exist") as caught:
        ROUTES.choose(model)
    assert (caught.value.status, caught.value.code, caught.value.param) == (404, "model_not_found", "model")


def test_an_empty_name_is_not_the_default() -> None:
    with pytest.raises(ApiError, match="does not exist") as caught:
        ROUTES.choose("")
    assert (caught.value.status, caught.value.code, caught.value.param) == (400, "model_not_found", "model")


def serving(routes: Routes, model: str) -> list[str]:
    """Who is asked for a model, in order."""
    pool = routes.choose(model)[1].upstream
    assert isinstance(pool, Pool)
    return [member.breaker.name for member in pool._members]


def test_those_that_name_a_model_serve_it_and_else_those_whose_patterns_fit() -> None:
    assert serving(ROUTES, "huge") == ["big", "other"]
    assert serving(ROUTES, "mini-1") == ["small", "other"]
    assert serving(ROUTES, "mini-9") == ["big"]


def test_a_route_that_fits_twice_is_asked_once() -> None:
    routes = Routes([route("a", "x", "x", aliases={"x": "y"}), route("b", "z*", "*z")])
    assert (serving(routes, "x"), serving(routes, "zz")) == (["a"], ["b"])


def test_priorities_come_first_and_the_order_decides_the_rest() -> None:
    routes = Routes([route("a", "*"), route("b", "*", priority=2), route("c", "*", priority=-1), route("d", "*")])
    assert serving(routes, "x") == ["c", "b", "a", "d"]
    assert routes.choose("x")[1].name == "c"


def test_the_clients_key_is_taken_where_any_upstream_may_have_it() -> None:
    routes = Routes([route("a", "x"), route("b", "x", takes_bearer=True), route("c", "y")])
    assert [routes.choose(model)[1].takes_bearer for model in "xy"] == [True, False]


def test_without_a_default_the_client_must_name_a_model() -> None:
    with pytest.raises(ApiError) as caught:
        Routes([route("any", "*")]).choose(None)
    assert (caught.value.status, caught.value.code, caught.value.param) == (400, "missing_required_parameter", "model")


def test_the_names_that_are_known_without_asking() -> None:
    named = {name: each.name for name, each in ROUTES.named_models().items()}
    assert named == {"tiny": "small", "huge": "big", "mini-9": "big", "gpt-5": "big"}
    assert [each.has_patterns for each in ROUTES.all] == [True, False, True, True]
