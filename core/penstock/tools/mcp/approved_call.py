"""A call that the client has approved: it runs with the stored arguments, or the client is asked again."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence

from penstock.ids import NewId
from penstock.ports import Cite, ItemDelta, Outcome
from penstock.transcript.deltas import ItemOpened, ItemStatusDelta, ItemTextDelta
from penstock.wire import McpCall

from .approvals import Approved
from .client import McpFailed, RemoteTool
from .definitions import item_tools, new_list
from .model_call import approval_request
from .tool_caller import INTERNAL_ERROR, ToolCaller, failed_outcome, new_item


class ApprovedCall:
    """A `ToolCall` that no model writes again. `failed` is why its tool cannot be called, where that is known."""

    def __init__(self, caller: ToolCaller, approved: Approved, new_id: NewId, failed: McpFailed | None) -> None:
        self.waits = False
        self._caller = caller
        self._approved = approved
        self._new_id = new_id
        self._failure = failed
        self._tools: Sequence[RemoteTool] = ()
        request = approved.request
        # spec: mcp-stored-arguments
        self._item = new_item(
            new_id(McpCall.id_prefix), request.server_label, request.name, request.arguments, request.id or None
        )

    def ask_again(self, tools: Sequence[RemoteTool]) -> None:
        """The definition of the tool has changed: show the client these tools, and ask it once more."""
        # spec: mcp-changed-tool
        self.waits = True
        self._tools = tools

    def begin(self) -> Iterable[ItemDelta | Outcome]:
        """The call begins, with its arguments."""
        if self.waits:
            yield from self._ask()
            return
        item = self._item
        item_id, approved_id = str(item.id), self._approved.request.id or None
        yield ItemOpened(new_item(item_id, item.server_label, item.name, request_id=approved_id))
        yield ItemStatusDelta(item_id, "in_progress")
        yield ItemTextDelta(item_id, item.arguments, is_last=True)

    def arguments(self, fragment: str) -> Iterable[ItemDelta | Outcome]:
        """No model writes any."""
        return ()

    def close(self) -> Iterable[ItemDelta | Outcome]:
        """The arguments are complete from the beginning."""
        return ()

    async def run(self, cite: Cite) -> AsyncGenerator[ItemDelta | Outcome]:
        """Call the tool."""
        if self._failure is not None:
            yield failed_outcome(self._item, self._failure)
        else:
            yield await self._caller.outcome(self._approved.declared.server, self._item)

    def failed(self, message: str) -> Outcome:
        """The outcome of a call that was cut."""
        return failed_outcome(self._item, McpFailed(message, code=INTERNAL_ERROR))

    def _ask(self) -> Iterable[ItemDelta | Outcome]:
        request = self._approved.request
        item = new_list(self._new_id, request.server_label)
        yield ItemOpened(item)
        yield ItemStatusDelta(str(item.id), "in_progress")
        item.tools = item_tools(self._tools)
        yield Outcome(item=item)
        asked = approval_request(self._new_id, request.server_label, request.name, request.arguments)
        yield ItemOpened(asked)
        yield Outcome(item=asked)
