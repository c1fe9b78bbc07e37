"""An outage is a line when it begins, and a line when it is over."""

from __future__ import annotations

import logging

import pytest

from penstock.telemetry import OutageLog
from penstock.telemetry.outage import QUIET_S
from requirements import shows


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@shows("one-line-an-outage")
def test_an_outage_is_two_lines_however_many_requests_it_meets(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = Clock()
    outage = OutageLog(logging.getLogger("x"), "The store", clock)
    outage.succeeded()
    for second in range(10):
        clock.now_s = 100.0 + second
        for _ in range(100):
            outage.failed("the disk is full")
            outage.succeeded()
    clock.now_s = 109.0 + QUIET_S
    outage.succeeded()
    outage.succeeded()
    assert [record.getMessage() for record in caplog.records] == [
        "The store fails: the disk is full",
        f"The store works again after {9 + QUIET_S:.0f} s and 1000 failures",
    ]


def test_each_reason_is_a_line_and_the_next_outage_is_logged_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = Clock()
    outage = OutageLog(logging.getLogger("x"), "The store", clock)
    for reason in ("refused", "reset", "refused"):
        outage.failed(reason)
    clock.now_s += QUIET_S
    outage.succeeded()
    outage.failed("refused")
    messages = [record.getMessage().partition(" after")[0] for record in caplog.records]
    assert messages == [
        "The store fails: refused",
        "The store fails: reset",
        "The store works again",
        "The store fails: refused",
    ]


def test_reasons_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    outage = OutageLog(logging.getLogger("x"), "The store")
    for number in range(1_000):
        outage.failed(f"reason {number}")
    assert len(caplog.records) == 10
