"""The circuit breaker: a table, a clock, and one request that finds out."""

import logging
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.engine.upstreams.breaker import _TABLE, Breaker, Failure, Outcome, State
from penstock.limits import Limits
from requirements import shows

LIMITS = Limits(breaker_failures=3, breaker_rest_s=10.0)


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def made(limits: Limits = LIMITS) -> tuple[Breaker, Clock]:
    clock = Clock()
    return Breaker("there", limits, clock), clock


def admitted(breaker: Breaker, client: str = "me") -> int:
    ticket = breaker.admit(client)
    assert ticket is not None
    return ticket


def fail(breaker: Breaker, request: object = None, client: str = "me") -> None:
    """A request is made and fails; each one is another, unless a test names it."""
    breaker.failed(admitted(breaker, client), Failure(client, object() if request is None else request))


def record(breaker: Breaker, end: str, ticket: int) -> None:
    """How an attempt ended."""
    breaker.failed(ticket, Failure("me", object())) if end == "failed" else getattr(breaker, end)(ticket)


def tripped() -> tuple[Breaker, Clock]:
    breaker, clock = made()
    for _ in range(LIMITS.breaker_failures):
        fail(breaker)
    return breaker, clock


def test_every_state_is_left_and_reached() -> None:
    for state in get_args(State):
        assert {was for (was, _), then in _TABLE.items() if then == state and was != state}
        assert {then for (was, _), then in _TABLE.items() if was == state} - {state}
    assert {outcome for _, outcome in _TABLE} == set(get_args(Outcome))


def test_it_opens_after_so_many_failures_in_a_row() -> None:
    breaker, _ = made()
    for _ in range(2):
        fail(breaker)
    breaker.answered(admitted(breaker))
    for _ in range(2):
        fail(breaker)
        assert breaker.state == "closed"
    fail(breaker)
    assert (breaker.state, breaker.admit("me"), breaker.wait_s("me")) == ("open", None, 10.0)


def test_an_open_breaker_lets_one_request_through_after_a_while() -> None:
    breaker, clock = tripped()
    clock.now_s += 9.9
    assert breaker.admit("me") is None
    clock.now_s += 0.2
    assert breaker.wait_s("me") == 0
    probe = admitted(breaker)
    assert (breaker.state, breaker.admit("me")) == ("probing", None)
    breaker.answered(probe)
    assert (breaker.state, breaker.wait_s("me")) == ("closed", 0)


def test_a_failed_probe_opens_the_breaker_again() -> None:
    breaker, clock = tripped()
    clock.now_s += 10
    fail(breaker)
    assert (breaker.state, breaker.wait_s("me")) == ("open", 10.0)


def test_a_probe_that_is_dropped_is_made_by_the_next_one() -> None:
    breaker, clock = tripped()
    clock.now_s += 10
    breaker.dropped(admitted(breaker))
    assert breaker.wait_s("me") == 0
    admitted(breaker)
    assert breaker.state == "probing"


def test_after_a_return_all_failures_count_anew() -> None:
    breaker, clock = tripped()
    clock.now_s += 10
    breaker.answered(admitted(breaker))
    for _ in range(2):
        fail(breaker)
    assert breaker.state == "closed"


@pytest.mark.parametrize("end", ["answered", "failed", "dropped"])
def test_outcomes_of_requests_before_the_breaker_opened_are_ignored(end: str) -> None:
    breaker, clock = made()
    old = admitted(breaker)
    for _ in range(3):
        fail(breaker)
    record(breaker, end, old)
    assert (breaker.state, breaker.wait_s("me")) == ("open", 10.0)
    clock.now_s += 10
    admitted(breaker)
    record(breaker, end, old)
    assert breaker.state == "probing"


def test_every_change_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "penstock.breaker"):
        breaker, clock = tripped()
        clock.now_s += 10
        breaker.answered(admitted(breaker))
    assert [record.getMessage() for record in caplog.records] == [
        "upstream there fails; no requests are sent to it for now",
        "upstream there gets one request, to see whether it works again",
        "upstream there answers again",
    ]


@shows("blameless-upstreams")
def test_one_request_counts_once_however_often_it_comes() -> None:
    breaker, _ = made()
    for _ in range(20):
        fail(breaker, "the same")
    fail(breaker, "another")
    assert breaker.state == "closed"
    fail(breaker, "the same", client="you")
    assert breaker.state == "open"


@shows("blameless-upstreams")
def test_one_clients_failures_reject_that_client_only() -> None:
    breaker, clock = tripped()
    assert (breaker.wait_s("me"), breaker.wait_s("you"), breaker.admit("me")) == (10.0, 0.0, None)
    several = [admitted(breaker, "you") for _ in range(3)]
    assert breaker.state == "open"
    breaker.answered(several[0])
    assert (breaker.state, breaker.wait_s("me")) == ("closed", 0.0)
    breaker, clock = tripped()
    fail(breaker, client="you")
    assert (breaker.wait_s("me"), breaker.wait_s("you"), breaker.admit("others")) == (10.0, 10.0, None)
    clock.now_s += 10
    admitted(breaker, "others")
    assert breaker.state == "probing"


def test_another_client_that_disconnects_changes_nothing() -> None:
    breaker, _ = tripped()
    breaker.dropped(admitted(breaker, "you"))
    assert (breaker.state, breaker.wait_s("me")) == ("open", 10.0)


def test_nor_does_it_wait_for_what_that_one_finds_out() -> None:
    breaker, clock = tripped()
    clock.now_s += 10
    probe = admitted(breaker, "me")
    assert (breaker.state, breaker.admit("me")) == ("probing", None)
    other = admitted(breaker, "you")
    breaker.failed(probe, Failure("me", object()))
    assert (breaker.state, breaker.wait_s("you")) == ("open", 0.0)
    breaker.answered(other)
    assert breaker.state == "open"
    breaker.answered(admitted(breaker, "you"))
    assert breaker.state == "closed"


STEPS = st.lists(
    st.one_of(
        st.just("ask"),
        st.tuples(st.sampled_from(["answered", "failed", "dropped"]), st.integers(0, 5)),
        st.floats(0, 12),
    ),
    max_size=60,
)


@given(STEPS)
def test_whatever_happens_it_lets_no_crowd_through(steps: list[str | tuple[str, int] | float]) -> None:
    """While it is not closed, at most one request is on its way that was let through since it opened; and it is
    never shut for longer than its rest once that one has ended."""
    breaker, clock = made()
    under_way: list[int] = []
    probes: set[int] = set()
    for step in steps:
        if isinstance(step, float):
            clock.now_s += step
        elif isinstance(step, tuple) and under_way:
            ticket = under_way.pop(step[1] % len(under_way))
            record(breaker, step[0], ticket)
            probes.discard(ticket)
        elif step == "ask" and (asked := breaker.admit("me")) is not None:
            under_way.append(asked)
            if breaker.state == "probing":
                probes.add(asked)
        assert breaker.state != "probing" or len(probes) == 1
        assert breaker.state != "probing" or breaker.wait_s("me") > 0
        assert breaker.wait_s("me") <= LIMITS.breaker_rest_s + 1e-6  # clocks are floating-point numbers
        if breaker.state == "open":
            probes.clear()
    if not probes:
        clock.now_s += LIMITS.breaker_rest_s
        assert breaker.admit("me") is not None
