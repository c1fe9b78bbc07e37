"""The approvals of a context: which requests for an approval there are, and which this request answers.

It judges answers before anything runs. What was approved is called with the arguments of the stored request: the model
does not have to write them again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

import msgspec

from penstock.errors import invalid, quoted
from penstock.wire import InputItem, McpApprovalRequest, McpApprovalResponse, McpCall, McpListTools, Message

from .client import RemoteTool
from .declared_servers import DeclaredServer
from .definitions import listed


class Approved(msgspec.Struct, kw_only=True, eq=False):
    """A call that the client has approved."""

    request: McpApprovalRequest
    declared: DeclaredServer
    param: str
    known: RemoteTool | None
    """The definition that was listed before the client was asked. None where the context has none."""


class Past(msgspec.Struct):
    """What a context contains about MCP, up to the item that is read."""

    lists: dict[str, list[RemoteTool]] = {}
    """The tools of each server, by its label, as they were listed last."""
    requests: dict[str, tuple[McpApprovalRequest, RemoteTool | None]] = {}
    """The requests for an approval by id, each with the definition that the client saw."""
    answered: set[str] = set()
    """The ids of the requests that have an answer, or a call."""

    def read(self, item: InputItem) -> None:
        """Read the next item."""
        if isinstance(item, McpListTools):
            tools = listed(item)
            if tools is not None:
                self.lists[item.server_label] = tools
        elif isinstance(item, McpApprovalRequest):
            seen = self.lists.get(item.server_label, ())
            known = next((tool for tool in seen if tool.name == item.name), None)
            self.requests[item.id or ""] = (item, known)
        elif isinstance(item, McpApprovalResponse | McpCall) and item.approval_request_id:
            self.answered.add(item.approval_request_id)


_READ = frozenset({McpListTools, McpApprovalRequest, McpApprovalResponse, McpCall})


def read_past(
    earlier: Sequence[InputItem], own: Sequence[InputItem], servers: Mapping[str, DeclaredServer]
) -> tuple[Past, list[Approved]]:
    """What the context contains, and the calls that its last items approve.

    Raises `ApiError` 400 for an answer to no request, to one that has an answer, or about a server that is not in
    `tools`.
    """
    past = Past()
    approved: list[Approved] = []
    if _READ.isdisjoint(map(type, chain(earlier, own))):
        return past, approved
    for item in earlier:
        past.read(item)
    for index, item in enumerate(own):
        if isinstance(item, McpApprovalResponse) and not _is_of_the_past(item, past, own[index + 1 :]):
            answer = _judge(item, f"input[{index}].approval_request_id", past, servers)
            approved += () if answer is None else (answer,)
        past.read(item)
    return past, approved


def _is_of_the_past(answer: McpApprovalResponse, past: Past, later: Sequence[InputItem]) -> bool:
    """Whether an earlier response has read an answer, in an input that contains the whole conversation.

    Then its call follows, or the same question again, or what the model wrote after it.
    """
    known = past.requests.get(answer.approval_request_id)
    asked = known and (known[0].server_label, known[0].name, known[0].arguments)
    for item in later:
        if isinstance(item, McpCall) and item.approval_request_id == answer.approval_request_id:
            return True
        if isinstance(item, McpApprovalRequest) and (item.server_label, item.name, item.arguments) == asked:
            return True
        if isinstance(item, Message) and item.role == "assistant":
            return True
    return False


def _judge(
    answer: McpApprovalResponse, param: str, past: Past, servers: Mapping[str, DeclaredServer]
) -> Approved | None:
    """The call that an answer approves. None for a refusal."""
    # spec: mcp-approval-once
    request_id = answer.approval_request_id
    if request_id not in past.requests:
        raise invalid(f"There is no approval request {quoted(request_id)} in the context.", param)
    if request_id in past.answered:
        raise answered(request_id, param)
    if not answer.approve:
        return None
    request, known = past.requests[request_id]
    if request.server_label not in servers:
        label = quoted(request.server_label)
        message = f"The server {label} of this request is not in tools: send the tool again, with its headers."
        raise invalid(message, param)
    return Approved(request=request, declared=servers[request.server_label], param=param, known=known)


def answered(request_id: str, param: str) -> Exception:
    """The error for a second answer to a request: 400."""
    return invalid(f"The approval request {quoted(request_id)} has been answered already.", param)
