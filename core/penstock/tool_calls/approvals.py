"""Approvals of the history, for a chat model: a request for an approval is a call, and what became of it is its output.

An approved call has an item of its own, which comes later: behind the client's answer. The model wrote that call in the
turn of the request, so it stands there, and every turn has one message with all of its calls. Pure.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

from penstock.wire import InputItem, McpApprovalRequest, McpApprovalResponse, McpCall

_NOT_ANSWERED = "The call was not approved, and was not run."
_UNFINISHED = "The call was approved, but it has not ended."


def with_outcomes(items: Sequence[InputItem]) -> Sequence[InputItem]:
    """The items, with a call in the place of each request for an approval. Their number and their indexes stay."""
    # spec: mcp-approval-outcomes
    if McpApprovalRequest not in map(type, items):
        return items
    written: list[InputItem] = list(items)
    calls = {item.approval_request_id: n for n, item in enumerate(items) if isinstance(item, McpCall)}
    answers = {item.approval_request_id: item for item in items if isinstance(item, McpApprovalResponse)}
    again = _asked_again(items, answers, calls)
    repeated = set(again.values())
    for index, item in enumerate(items):
        if not isinstance(item, McpApprovalRequest) or index in repeated:
            continue
        last = index
        while last in again:
            last = again[last]
        request: Any = items[last]
        called = calls.get(request.id)
        if called is not None and request.id:
            written[index], written[called] = written[called], item
        else:
            written[index] = _unrun(request, answers.get(request.id or ""))
    return written


def _asked_again(
    items: Sequence[InputItem], answers: Mapping[str, McpApprovalResponse], calls: Container[Any]
) -> dict[int, int]:
    """The requests that were approved and asked again, as their tool had changed, each with the later one."""
    waiting: dict[tuple[str, str, str], int] = {}
    again: dict[int, int] = {}
    for index, item in enumerate(items):
        if not isinstance(item, McpApprovalRequest):
            continue
        key = (item.server_label, item.name, item.arguments)
        if key in waiting:
            again[waiting.pop(key)] = index
        answer = answers.get(item.id or "")
        if answer is not None and answer.approve and item.id not in calls:
            waiting[key] = index
    return again


def _unrun(request: McpApprovalRequest, answer: McpApprovalResponse | None) -> McpCall:
    """The call of a request that led to no call."""
    return McpCall(
        id=request.id,
        status="failed",
        server_label=request.server_label,
        name=request.name,
        arguments=request.arguments,
        output=_output(answer),
    )


def _output(answer: McpApprovalResponse | None) -> str:
    if answer is None:
        return _NOT_ANSWERED
    if answer.approve:
        return _UNFINISHED
    return f"The call was declined: {answer.reason}" if answer.reason else "The call was declined, and was not run."
