"""When leases can be judged by a clock that may be set."""

import pytest

from penstock.engine.background.clock_jumps import ClockJumps
from requirements import shows

LEASE_S = 15.0
HOUR_S = 3_600.0


class Clocks:
    """A monotonic clock, and one that may be set."""

    def __init__(self) -> None:
        self.steady_s = 100.0
        self.offset_s = 1e9

    def may_judge(self, jumps: ClockJumps, *, after_s: float) -> bool:
        self.steady_s += after_s
        return jumps.may_judge()


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def jumps(clocks: Clocks) -> ClockJumps:
    return ClockJumps(lambda: clocks.steady_s + clocks.offset_s, LEASE_S, lambda: clocks.steady_s)


@shows("one-clock")
def test_after_a_jump_forward_all_have_the_time_to_renew(clocks: Clocks, jumps: ClockJumps) -> None:
    assert clocks.may_judge(jumps, after_s=5)
    clocks.offset_s += HOUR_S
    assert not clocks.may_judge(jumps, after_s=5)
    assert not clocks.may_judge(jumps, after_s=LEASE_S - 1)
    assert clocks.may_judge(jumps, after_s=1)


def test_another_jump_begins_that_time_anew(clocks: Clocks, jumps: ClockJumps) -> None:
    jumps.may_judge()
    for _ in range(2):
        clocks.offset_s += HOUR_S
        assert not clocks.may_judge(jumps, after_s=LEASE_S - 1)
    assert clocks.may_judge(jumps, after_s=LEASE_S)


@pytest.mark.parametrize("change_s", [-HOUR_S, 0.5, 0.0])
def test_a_clock_that_goes_back_or_drifts_prolongs_leases_only(
    clocks: Clocks, jumps: ClockJumps, change_s: float
) -> None:
    jumps.may_judge()
    clocks.offset_s += change_s
    assert clocks.may_judge(jumps, after_s=5)
