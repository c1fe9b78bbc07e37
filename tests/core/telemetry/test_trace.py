"""Trace context: what is passed on of a client's headers, and what is not."""

from __future__ import annotations

import pytest

from penstock.telemetry import NO_TRACE, Trace, read_trace
from requirements import shows

TRACE, PARENT, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "b7ad6b7169203331"
GIVEN = f"00-{TRACE}-{PARENT}-01"


def passed_on(request_id: str = "req_1", **headers: str) -> dict[str, str]:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return dict(read_trace(given, request_id).headers(SPAN))


@shows("trace-context")
def test_a_call_is_a_child_of_the_clients_span() -> None:
    assert passed_on(traceparent=GIVEN, tracestate="a=1,b=2") == {
        "traceparent": f"00-{TRACE}-{SPAN}-01",
        "tracestate": "a=1,b=2",
    }
    assert passed_on(traceparent=GIVEN) == {"traceparent": f"00-{TRACE}-{SPAN}-01"}
    assert passed_on(traceparent=f"cc-{TRACE}-{PARENT}-00-more") == {"traceparent": f"00-{TRACE}-{SPAN}-00"}


@pytest.mark.parametrize(
    "given",
    [
        "",
        "00",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01x",
        f"{GIVEN}\n",
    ],
)
def test_what_is_no_trace_is_not_passed_on(given: str) -> None:
    assert passed_on(traceparent=given, tracestate="a=1") == {}


@pytest.mark.parametrize("state", ["a=1\r\nx: y", "é", "a" * 513, ""])
def test_a_state_that_could_harm_is_left_out(state: str) -> None:
    assert passed_on(traceparent=GIVEN, tracestate=state) == {"traceparent": f"00-{TRACE}-{SPAN}-01"}


@shows("trace-context")
def test_the_clients_own_id_is_passed_on_and_a_new_one_is_not() -> None:
    assert passed_on("mine-7", x_request_id="mine-7") == {"x-request-id": "mine-7"}
    assert passed_on("req_new", x_request_id="not valid") == {}
    assert read_trace({}, "req_new") is NO_TRACE == Trace()
