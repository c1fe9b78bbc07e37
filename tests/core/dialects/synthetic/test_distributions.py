"""Distributions of the synthetic model: their text form, their bounds, and that their draws follow them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import erf, exp, lgamma, log, sqrt

import pytest

from penstock.dialects.synthetic.options.distributions import (
    Constant,
    Distribution,
    DistributionError,
    Gamma,
    Lognormal,
    Normal,
    Quantiles,
    QuantileTable,
    Uniform,
    parse,
    read_table,
)
from penstock.dialects.synthetic.seeded_random import SeededRandom, numbered
from requirements import shows

DRAWS = 100_000
CRITICAL = 1.63
"""Kolmogorov's critical value at 1 %, for the largest distance times the square root of the number of draws."""
STRIDE = 50
"""Every so many sorted draws are compared; what lies between them adds at most STRIDE / DRAWS to the distance."""
TABLE = QuantileTable("gaps", (10.0, 20.0, 25.0, 80.0))


def normal_cdf(z: float) -> float:
    return (1 + erf(z / sqrt(2))) / 2


def gamma_cdf(shape: float, x: float) -> float:
    """The regularized lower incomplete gamma function, by its series."""
    if x <= 0:
        return 0.0
    term = total = 1 / shape
    n = shape
    while term > total * 1e-12:
        n += 1
        term *= x / n
        total += term
    return total * exp(shape * log(x) - x - lgamma(shape))


def table_cdf(x: float) -> float:
    values = TABLE.values
    for index, (low, high) in enumerate(pairwise(values)):
        if x < high:
            return (index + (x - low) / (high - low)) / (len(values) - 1)
    return 1.0


CASES: list[tuple[str, Callable[[float], float]]] = [
    ("uniform(10,30)", lambda x: (x - 10) / 20),
    ("normal(500,50)", lambda x: normal_cdf((x - 500) / 50)),
    ("lognormal(120,0.3)", lambda x: normal_cdf(log(x / 120) / 0.3)),
    ("gamma(2.5,8)", lambda x: gamma_cdf(2.5, x / 8)),
    ("gamma(1,20)", lambda x: 1 - exp(-x / 20)),
    ("gamma(0.4,20)", lambda x: gamma_cdf(0.4, x / 20)),
    ("quantiles(gaps)", table_cdf),
]


def draws(distribution: Distribution, count: int, seed: int = 7) -> list[float]:
    random = SeededRandom(numbered(seed, 0), b"test")
    return [distribution.draw(random) for _ in range(count)]


@shows("synthetic-distributions")
@pytest.mark.parametrize(("text", "cdf"), CASES)
def test_draws_follow_the_distribution(text: str, cdf: Callable[[float], float]) -> None:
    drawn = sorted(draws(parse(text, {"gaps": TABLE}), DRAWS))
    distance = max(abs(cdf(drawn[at]) - (at + 0.5) / DRAWS) for at in range(0, DRAWS, STRIDE))
    assert (distance + STRIDE / DRAWS) * sqrt(DRAWS) < CRITICAL


def test_another_distribution_is_seen() -> None:
    drawn = sorted(draws(Normal(500.0, 51.0), DRAWS))
    distance = max(abs(normal_cdf((x - 500) / 50) - at / DRAWS) for at, x in enumerate(drawn))
    assert distance * sqrt(DRAWS) > CRITICAL


@shows("synthetic-distributions")
def test_draws_repeat() -> None:
    assert draws(Gamma(2.0, 10.0), 5) == draws(Gamma(2.0, 10.0), 5)
    assert draws(Gamma(2.0, 10.0), 5) != draws(Gamma(2.0, 10.0), 5, seed=8)
    assert draws(Uniform(0.0, 1.0), 3) == [0.7891952149782665, 0.3780955947683715, 0.17678567248508537]


@pytest.mark.parametrize("text", [text for text, _ in CASES])
def test_min_and_max_bound_the_draws(text: str) -> None:
    bounded = parse(text.replace(")", ",12,15)"), {"gaps": TABLE})
    drawn = draws(bounded, 1_000)
    assert min(drawn) >= 12
    assert max(drawn) <= 15


def test_no_draw_is_negative() -> None:
    assert min(draws(Normal(1.0, 50.0), 1_000)) == 0


@pytest.mark.parametrize(
    ("text", "distribution"),
    [
        ("20", Constant(20.0)),
        (" 1.5e2 ", Constant(150.0)),
        ("constant(3)", Constant(3.0)),
        ("uniform(10, 20.5)", Uniform(10.0, 20.5)),
        ("normal(20,4,5)", Normal(20.0, 4.0, min=5.0)),
        ("lognormal(120,0.3,5,900)", Lognormal(120.0, 0.3, min=5.0, max=900.0)),
        ("lognormal(median=120, sigma=.3, max=900)", Lognormal(120.0, 0.3, max=900.0)),
        ("gamma(2,10)", Gamma(2.0, 10.0)),
        ("quantiles(gaps, max=50)", Quantiles(TABLE, max=50.0)),
    ],
)
def test_texts(text: str, distribution: Distribution) -> None:
    assert parse(text, {"gaps": TABLE}) == distribution
    assert parse(str(distribution), {"gaps": TABLE}) == distribution


@pytest.mark.parametrize(
    ("distribution", "text"),
    [
        (Constant(20.0), "20"),
        (Lognormal(120.0, 0.3, max=900.0), "lognormal(120,0.3,max=900)"),
        (Quantiles(TABLE), "quantiles(gaps)"),
    ],
)
def test_written_texts(distribution: Distribution, text: str) -> None:
    assert str(distribution) == text


@shows("synthetic-distributions")
@pytest.mark.parametrize(
    ("text", "offset", "reason"),
    [
        ("", 0, "'' is not a number"),
        ("fast", 0, "'fast' is not a number"),
        ("nan", 0, "not a number"),
        ("inf", 0, "not a number"),
        ("-1", 0, "'-1' is not from 0 to 1,000,000,000"),
        ("1e999", 0, "'1e999' is not from 0"),
        ("1_000", 0, "not a number"),
        ("zipf(2)", 0, "There is no distribution 'zipf', only constant, uniform"),
        ("uniform(1,2", 11, "A ')' is missing"),
        ("uniform(1,2)x", 13, "A ')' is missing"),
        ("uniform(1, x)", 11, "'x' is not a number"),
        ("uniform(1,)", 10, "'' is not a number"),
        ("uniform(1)", 9, "The parameter 'high' of uniform is missing"),
        ("uniform(1,2,3,4,5)", 16, "Uniform has no further parameter '5'"),
        ("uniform(1,2,low=3)", 12, "Uniform has no further parameter 'low=3'"),
        ("uniform(1,2,top=3)", 12, "Uniform has no further parameter 'top=3'"),
        ("  uniform(9,2)", 2, "'low' is greater than 'high'"),
        ("uniform(1,2,9,8)", 0, "'min' is greater than 'max'"),
        ("lognormal(100,11)", 0, "'sigma' is not from 0 to 10"),
        ("gamma(0,1)", 0, "'shape' is not from 0.01 to 1000000"),
        ("quantiles(other)", 10, "There is no table 'other'"),
        ("normal(uniform(1,2),3)", 7, "'uniform(1' is not a number"),
    ],
)
def test_mistakes(text: str, offset: int, reason: str) -> None:
    with pytest.raises(DistributionError) as caught:
        parse(text)
    assert reason in caught.value.message
    assert caught.value.offset == offset


def test_a_long_mistake_is_cut() -> None:
    with pytest.raises(DistributionError) as caught:
        parse("9" * 10_000 + "x")
    assert len(caught.value.message) < 200


@shows("synthetic-distributions")
def test_a_table_is_the_measured_values() -> None:
    table = read_table("gaps", "# ms\n30\n10 # the first token\n\n20\n")
    assert table == QuantileTable("gaps", (10.0, 20.0, 30.0))
    assert min(draws(Quantiles(table), 1_000)) >= 10


def test_a_long_table_is_reduced() -> None:
    table = read_table("gaps", "\n".join(map(str, range(5_001))))
    assert len(table.values) == 1_001
    assert table.values[:3] == (0.0, 5.0, 10.0)
    assert table.values[-1] == 5_000


@pytest.mark.parametrize(
    ("text", "reason"), [("1\nx", "Line 2: 'x' is not a number"), ("1", "has 1 values"), ("1\n-2", "Line 2")]
)
def test_mistakes_in_tables(text: str, reason: str) -> None:
    with pytest.raises(DistributionError, match=reason):
        read_table("gaps", text)
