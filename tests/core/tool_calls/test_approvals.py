"""Approvals of the history: calls stand where the model wrote them, and the number of items stays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.tool_calls.approvals import with_outcomes
from penstock.wire import InputItem, McpApprovalRequest, McpApprovalResponse, McpCall, Message
from requirements import shows


def request(n: int) -> McpApprovalRequest:
    return McpApprovalRequest(id=f"mcpr_{n}", server_label="s", name=f"f{n}", arguments=f"[{n}]")


def answer(n: int, *, approve: bool) -> McpApprovalResponse:
    return McpApprovalResponse(approval_request_id=f"mcpr_{n}", approve=approve)


def call(n: int) -> McpCall:
    return McpCall(
        id=f"mcp_{n}", server_label="s", name=f"f{n}", arguments=f"[{n}]", output="ok", approval_request_id=f"mcpr_{n}"
    )


def test_items_without_requests_are_the_same_object() -> None:
    items: list[InputItem] = [Message(role="user", content="Hi"), McpCall(server_label="s", name="f", arguments="{}")]
    assert with_outcomes(items) is items


@shows("mcp-approval-outcomes")
@given(st.lists(st.sampled_from(["run", "declined", "open", "lost"]), max_size=5), st.randoms())
def test_each_request_becomes_its_call(fates: list[str], order: object) -> None:
    """Whatever the order of answers and calls behind them, the calls stand in the order of the requests."""
    requests: list[InputItem] = [request(n) for n in range(len(fates))]
    rest: list[InputItem] = []
    for n, fate in enumerate(fates):
        if fate != "open":
            rest.append(answer(n, approve=fate != "declined"))
        if fate == "run":
            rest.append(call(n))
    order.shuffle(rest)  # type: ignore[attr-defined]
    items = [*requests, *rest, Message(role="user", content="Hi")]
    written = with_outcomes(items)
    assert len(written) == len(items)
    calls = written[: len(fates)]
    assert [item.name for item in calls if isinstance(item, McpCall)] == [f"f{n}" for n in range(len(fates))]
    assert not any(isinstance(item, McpCall) for item in written[len(fates) :])
    for fate, item in zip(fates, calls, strict=True):
        assert isinstance(item, McpCall)
        assert (item.output == "ok") is (fate == "run")
        assert item.arguments == f"[{item.name[1:]}]"


def test_a_call_that_was_asked_for_again_is_one_call() -> None:
    """The model has written it once, however often the client was asked."""
    first, second, third = (
        McpApprovalRequest(id=f"mcpr_{n}", server_label="s", name="f", arguments="{}") for n in range(3)
    )
    talk = Message(role="assistant", content="Done.")
    items: list[InputItem] = [first, answer(0, approve=True), second, answer(1, approve=True), call(1), talk, third]
    written = with_outcomes(items)
    assert [item for item in written if isinstance(item, McpCall)] == [items[4], written[6]]
    assert written[0] is items[4]
    declined = with_outcomes([first, answer(0, approve=True), second, answer(1, approve=False)])
    outcomes = [item.output for item in declined if isinstance(item, McpCall)]
    assert outcomes == ["The call was declined, and was not run."]
