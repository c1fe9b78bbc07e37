"""The approvals of a context: which requests for an approval there are, and which this request answers.

It judges answers before anything runs. What was approved is called with the arguments of the stored request: the model
does not have to write them again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TypeAlias

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
            if item.id:
                self.requests[item.id] = (item, known)
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
    later = _Later(own)
    for index, item in enumerate(own):
        if isinstance(item, McpApprovalResponse) and not later.shows_read(item, index, past):
            answer = _judge(item, f"input[{index}].approval_request_id", past, servers)
            approved += () if answer is None else (answer,)
        past.read(item)
    return past, approved


class _Later:
    """What follows the answers of an input that contains the whole conversation: the last place of each such item.

    An earlier response has read an answer that its call follows, or the same question again, or what the model wrote.
    """

    def __init__(self, own: Sequence[InputItem]) -> None:
        self._calls: dict[str, int] = {}
        self._questions: dict[_Question, int] = {}
        self._written = -1
        for index, item in enumerate(own):
            if isinstance(item, McpCall) and item.approval_request_id:
                self._calls[item.approval_request_id] = index
            elif isinstance(item, McpApprovalRequest):
                self._questions[_question(item)] = index
            elif isinstance(item, Message) and item.role == "assistant":
                self._written = index

    def shows_read(self, answer: McpApprovalResponse, index: int, past: Past) -> bool:
        """Whether an earlier response has read the answer at this index."""
        request_id = answer.approval_request_id
        asked = past.requests.get(request_id)
        again = self._questions.get(_question(asked[0]), -1) if asked else -1
        return index < max(self._calls.get(request_id, -1), again, self._written)


_Question: TypeAlias = tuple[str, str, str]


def _question(request: McpApprovalRequest) -> _Question:
    """What the client is asked."""
    return request.server_label, request.name, request.arguments


def _judge(
    answer: McpApprovalResponse, param: str, past: Past, servers: Mapping[str, DeclaredServer]
) -> Approved | None:
    """The call that an answer approves. None for a refusal. Raises `ApiError` 400."""
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
