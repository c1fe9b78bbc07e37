"""A call of the model: its item, or the request for an approval in its place."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator

from msgspec.structs import replace

from penstock.ids import NewId
from penstock.ports import Cite, ItemDelta, Outcome
from penstock.transcript.deltas import ItemOpened, ItemStatusDelta, ItemTextDelta
from penstock.wire import McpApprovalRequest, McpCall

from .client import McpFailed, Server
from .tool_caller import INTERNAL_ERROR, ToolCaller, failed_outcome, new_item, read_arguments


class ModelCall:
    """A `ToolCall` of an MCP tool. A call that needs an approval has no item until its arguments are complete."""

    def __init__(
        self, caller: ToolCaller, server: Server, new_id: NewId, *, label: str, name: str, needs_approval: bool
    ) -> None:
        self.waits = False
        self._caller = caller
        self._server = server
        self._new_id = new_id
        self._needs_approval = needs_approval
        self._item = new_item(new_id(McpCall.id_prefix), label, name)
        self._pieces: list[str] = []
        self._is_open = False

    def begin(self) -> Iterable[ItemDelta | Outcome]:
        """The model has named the function."""
        return () if self._needs_approval else self._opened()

    def arguments(self, fragment: str) -> Iterable[ItemDelta | Outcome]:
        """The model has written a piece of the arguments."""
        self._pieces.append(fragment)
        return (ItemTextDelta(str(self._item.id), fragment),) if self._is_open else ()

    def close(self) -> Iterable[ItemDelta | Outcome]:
        """The arguments are complete: the client is asked, or the call can run."""
        written = "".join(self._pieces)
        missing = "" if written else "{}"
        if self._needs_approval and _is_object(written):
            yield from self._ask(written or missing)
            return
        if not self._is_open:
            yield from self._opened()
            missing = written or missing
        self._item = replace(self._item, arguments=written or missing)
        yield ItemTextDelta(str(self._item.id), missing, is_last=True)

    async def run(self, cite: Cite) -> AsyncGenerator[ItemDelta | Outcome]:
        """Call the tool."""
        yield await self._caller.outcome(self._server, self._item)

    def failed(self, message: str) -> Outcome:
        """The outcome of a call that was not run, or that was cut."""
        if not self._is_open:
            return Outcome(item=None, reply=message)
        item = replace(self._item, arguments="".join(self._pieces))
        return failed_outcome(item, McpFailed(message, code=INTERNAL_ERROR))

    def _opened(self) -> Iterator[ItemDelta | Outcome]:
        self._is_open = True
        yield ItemOpened(self._item)
        yield ItemStatusDelta(str(self._item.id), "in_progress")

    def _ask(self, arguments: str) -> Iterator[ItemDelta | Outcome]:
        """Ask the client. The request has no events of its own."""
        self.waits = True
        request = approval_request(self._new_id, self._item.server_label, self._item.name, arguments)
        yield ItemOpened(request)
        yield Outcome(item=request)


def approval_request(new_id: NewId, label: str, name: str, arguments: str) -> McpApprovalRequest:
    """A request for an approval."""
    request_id = new_id(McpApprovalRequest.id_prefix)
    return McpApprovalRequest(id=request_id, server_label=label, name=name, arguments=arguments)


def _is_object(arguments: str) -> bool:
    try:
        read_arguments(arguments)
    except McpFailed:
        return False
    return True
