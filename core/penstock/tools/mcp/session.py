"""The MCP servers of one response: their lists, their functions, the approved calls, and the calls of the model."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from penstock.errors import ApiError, invalid, quoted, untraced
from penstock.ids import Now
from penstock.limits import Limits
from penstock.ports import HostedFunction, ItemDelta, Marks, Outcome, ToolCall, ToolRequest
from penstock.transcript.deltas import ItemOpened, ItemStatusDelta
from penstock.wire import McpListTools, ToolChoiceMcp

from .approvals import Approved, answered, read_past
from .approved_call import ApprovedCall
from .client import McpFailed, RemoteTool
from .declared_servers import DeclaredServer
from .definitions import function, has_changed, item_tools, new_list
from .lister import Lister
from .model_call import ModelCall
from .tool_caller import INVALID_PARAMS, ToolCaller, error_of

_log = logging.getLogger("penstock.tools.mcp")


class McpSession:
    """The `ToolSession` of the family."""

    cites = False
    waits = False
    """Approved calls ask again by themselves."""

    def __init__(
        self,
        request: ToolRequest,
        servers: Sequence[DeclaredServer],
        *,
        lister: Lister,
        caller: ToolCaller,
        marks: Marks | None,
        limits: Limits,
        now_s: Now,
    ) -> None:
        self._request = request
        self._servers = servers
        self._lister = lister
        self._caller = caller
        self._marks = marks
        self._limits = limits
        self._now_s = now_s
        past, self._approved = read_past(request.earlier, request.own, {each.label: each for each in servers})
        self._check_approved()
        self._tools: dict[str, Sequence[RemoteTool]] = {
            each.label: past.lists[each.label] for each in servers if each.label in past.lists
        }
        """The tools of each server that is listed, by its label: of the context, or of this response."""
        self._failures: dict[str, McpFailed] = {}
        """Why servers are not listed, by their labels."""
        self.needs_opening = bool(self._approved) or len(self._tools) < len(servers)
        """Whether a server is to be listed, or a call was approved."""
        self.approved: Sequence[ToolCall] = ()
        self.functions: Sequence[HostedFunction] = self._offered()
        if not self.needs_opening:
            self._check_choice()

    async def prepare(self, *, again: bool) -> None:
        """Use the approvals, of which each counts once. Raises `ApiError` 400 for one that another request has used."""
        if again or self._marks is None or not self._is_of_stored_context():
            return
        expires_at = int(self._now_s() + self._limits.retention_s)
        for approved in self._approved:
            request_id = approved.request.id or ""
            if not await self._marks.mark_once(self._request.owner, request_id, expires_at=expires_at):
                raise answered(request_id, approved.param)

    async def open(self) -> AsyncGenerator[ItemDelta | Outcome]:
        """List the servers, at the same time. Raises `ApiError` where a list is a must."""
        unlisted = [each for each in self._servers if each.label not in self._tools]
        async with aclosing(self._list(unlisted)) as deltas:
            async for delta in deltas:
                yield delta
        self.functions = self._offered()
        self._check_choice()
        self._check_number()
        self.approved = [await self._approved_call(each) for each in self._approved]

    def call(self, function: HostedFunction) -> ToolCall:
        """A call of one of the functions."""
        tool: Any = function.tool
        declared = next(each for each in self._servers if each.label == tool.server_label)
        remote = next(each for each in self._tools[declared.label] if each.name == function.name)
        return ModelCall(
            self._caller,
            declared.server,
            self._request.new_id,
            label=declared.label,
            name=function.name,
            needs_approval=declared.approval.is_needed(remote),
        )

    async def aclose(self) -> None:
        """Nothing is left: the sessions with servers belong to all responses."""

    # The lists.

    async def _list(self, servers: Sequence[DeclaredServer]) -> AsyncGenerator[ItemDelta | Outcome]:
        """List servers: first all items begin, then each ends when its server has answered."""
        items = {each.label: new_list(self._request.new_id, each.label) for each in servers}
        asking = {asyncio.create_task(self._ask(each)): each for each in servers}
        try:
            for item in items.values():
                yield ItemOpened(item)
                yield ItemStatusDelta(str(item.id), "in_progress")
            async for declared in _as_done(asking):
                yield self._listed(declared, items[declared.label])
        finally:
            await _cancel(asking)

    async def _ask(self, declared: DeclaredServer) -> None:
        try:
            tools = await self._lister.tools(declared.server)
            self._tools[declared.label] = [tool for tool in tools if declared.allowed.matches(tool)]
        except McpFailed as failed:
            self._failures[declared.label] = untraced(failed)
            _log.warning("The MCP server %s was not listed: %s", declared.server.address, failed.message)

    def _listed(self, declared: DeclaredServer, item: McpListTools) -> Outcome:
        """The end of an item. It shows the tools that are allowed, and no others."""
        failed = self._failures.get(declared.label)
        if failed is not None:
            item.error = error_of(f"The tools of the server {quoted(declared.label)} are not known: {failed.message}")
        else:
            item.tools = item_tools(self._tools[declared.label])
        return Outcome(item=item)

    # The functions.

    def _offered(self) -> list[HostedFunction]:
        return [each for declared in self._servers for each in self._functions_of(declared)]

    def _functions_of(self, declared: DeclaredServer) -> Iterator[HostedFunction]:
        callers = declared.tool.allowed_callers
        if callers and "direct" not in callers:
            return
        about = declared.tool.server_description or ""
        for remote in self._tools.get(declared.label, ()):
            if declared.allowed.matches(remote):
                yield function(declared.tool, remote, about)
                about = ""

    def _check_choice(self) -> None:
        """Raise `ApiError` where the model must call a server that is not listed."""
        choice = self._request.request.tool_choice
        if not isinstance(choice, ToolChoiceMcp):
            return
        if choice.server_label in self._failures:
            failed = self._failures[choice.server_label]
            raise ApiError(
                f"tool_choice demands the server {quoted(choice.server_label)}: {failed.message}",
                status=424,
                code="mcp_list_tools_failed",
                param="tool_choice",
            )
        functions = [each for each in self.functions if _is_of(each, choice.server_label)]
        if not functions or (choice.name and choice.name not in [each.name for each in functions]):
            what = f"no tool {quoted(choice.name)}" if choice.name else "no tool"
            message = f"tool_choice: the server {quoted(choice.server_label)} has {what} that may be called."
            raise invalid(message, "tool_choice", "invalid_value")

    def _check_number(self) -> None:
        if len(self.functions) > self._limits.tools_max:
            message = f"The servers have more than {self._limits.tools_max} tools: name some in allowed_tools."
            raise invalid(message, "tools", "array_above_max_length")

    # The approved calls.

    def _check_approved(self) -> None:
        """Raise `ApiError` where more calls are approved than a response may make."""
        calls_max = self._limits.tool_calls_max
        if len(self._approved) > calls_max:
            message = f"More than {calls_max} calls are approved. Approve the others in another request."
            raise invalid(message, self._approved[calls_max].param, "array_above_max_length")

    def _is_of_stored_context(self) -> bool:
        request = self._request.request
        return bool(self._request.is_stored or request.previous_response_id or request.conversation)

    async def _approved_call(self, approved: Approved) -> ApprovedCall:
        """The call that the client has approved, or a question about it where its tool is another one by now."""
        now, failed = await self._definition(approved)
        call = ApprovedCall(self._caller, approved, self._request.new_id, failed)
        if approved.known is not None and now is not None and has_changed(approved.known, now):
            listed = self._tools.get(approved.declared.label, ())
            call.ask_again([*(tool for tool in listed if tool.name != now.name), now])
        return call

    async def _definition(self, approved: Approved) -> tuple[RemoteTool | None, McpFailed | None]:
        """The tool as it is now, or why it cannot be called."""
        declared, name = approved.declared, approved.request.name
        if failed := self._failures.get(declared.label):
            return None, failed
        try:
            tools = await self._lister.tools(declared.server, age_max_s=self._limits.mcp_list_fresh_s)
        except McpFailed as error:
            return None, untraced(error)
        now = next((tool for tool in tools if tool.name == name), None)
        if now is not None and declared.allowed.matches(now):
            return now, None
        reason = "lists no tool" if now is None else "may not be used for the tool"
        return None, McpFailed(f"The server {quoted(declared.label)} {reason} {quoted(name)}.", code=INVALID_PARAMS)


def _is_of(function: HostedFunction, label: str) -> bool:
    """Whether a function is of the server with this label."""
    return getattr(function.tool, "server_label", None) == label


async def _as_done(asking: Mapping[asyncio.Task[None], DeclaredServer]) -> AsyncIterator[DeclaredServer]:
    """The servers in the order in which they answer."""
    waiting = set(asking)
    while waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in [each for each in asking if each in done]:
            task.result()
            yield asking[task]


async def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel what still runs, and wait until it has ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
