"""Two families of hosted tools whose calls do what a test gives, and an upstream with several turns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from core.kit import FakeUpstream
from penstock.citations import WebSource
from penstock.engine import Policies
from penstock.engine.hosted_tools.registry import HostedTools
from penstock.errors import invalid
from penstock.ports import (
    Cite,
    Deltas,
    HostedFunction,
    ItemDelta,
    Outcome,
    ToolReply,
    ToolRequest,
    Turn,
)
from penstock.tool_calls import FunctionDefinition
from penstock.transcript.deltas import Delta, Finish, ItemOpened, ItemStatusDelta, ItemTextDelta, ToolCallDelta
from penstock.wire import McpApprovalResponse, McpCall, McpListTools, McpTool, Tool, WebSearchCall, WebSearchTool

Reply = Callable[[str], ToolReply | BaseException | asyncio.Event | None]
"""What a call gives for its arguments: a reply, an error to raise, a wait, or None for no outcome."""

SEARCH = {"type": "web_search"}
MAPS = {"type": "mcp", "server_label": "maps", "server_url": "https://maps.example/mcp", "require_approval": "never"}


class FakeTool:
    """A family: `reply` defines what its calls give."""

    def __init__(self, kind: type[Tool], session: Callable[[FakeTool, ToolRequest], Any], reply: Reply) -> None:
        self.types = frozenset({kind})
        self.answers = frozenset({McpApprovalResponse}) if kind is McpTool else frozenset()
        self.prepared: list[bool] = []
        self.refuses = False
        """Whether its sessions refuse their requests."""
        self.reply = reply
        self.requests: list[ToolRequest] = []
        self.runs: list[str] = []
        self.running = 0
        self.most_running = 0
        self.cancelled = 0
        self.closed = 0
        self._session = session

    def session(self, request: ToolRequest) -> Any:
        self.requests.append(request)
        return self._session(self, request)

    async def aclose(self) -> None:
        """Nothing is shared."""

    async def give(self, arguments: str) -> ToolReply | None:
        """What a call gives. It counts the calls that run."""
        self.runs.append(arguments)
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        try:
            await asyncio.sleep(0)
            given = self.reply(arguments)
            if isinstance(given, asyncio.Event):
                await given.wait()
                return "waited"
            if isinstance(given, BaseException):
                raise given
            return given
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1


class _Session:
    needs_opening = False
    waits = False
    approved: Sequence[Any] = ()
    names: Sequence[str] = ()

    def __init__(self, family: FakeTool, request: ToolRequest) -> None:
        self.family = family
        self.request = request

    @property
    def functions(self) -> list[HostedFunction]:
        return [
            HostedFunction(
                definition=FunctionDefinition(name=name, parameters=msgspec.Raw(b"{}")),
                tool=self.request.tools[0].tool,
                name=name.rpartition("__")[2],
            )
            for name in self.names
        ]

    async def prepare(self, *, again: bool) -> None:
        self.family.prepared.append(again)
        if self.family.refuses:
            raise invalid("No.", "tools")

    async def open(self) -> AsyncGenerator[ItemDelta | Outcome]:
        return
        yield

    async def aclose(self) -> None:
        self.family.closed += 1


class SearchSession(_Session):
    """Its items open when the arguments are complete."""

    names = ("web_search",)

    def call(self, function: HostedFunction) -> Any:
        return _SearchCall(self)


class _SearchCall:
    waits = False

    def __init__(self, session: SearchSession) -> None:
        self._session = session
        self._pieces: list[str] = []

    def begin(self) -> Iterable[ItemDelta | Outcome]:
        return ()

    def arguments(self, fragment: str) -> Iterable[ItemDelta | Outcome]:
        self._pieces.append(fragment)
        return ()

    def close(self) -> Iterable[ItemDelta | Outcome]:
        if "broken" in self._pieces:
            return [Outcome(item=None, reply="These arguments are not JSON.")]
        self._item = WebSearchCall(
            id=self._session.request.new_id("ws_"), status="in_progress", action=msgspec.Raw(b'{"type":"search"}')
        )
        return [ItemOpened(self._item), ItemStatusDelta(str(self._item.id), "in_progress")]

    async def run(self, cite: Cite) -> AsyncGenerator[ItemDelta | Outcome]:
        yield ItemStatusDelta(str(self._item.id), "searching")
        reply = await self._session.family.give("".join(self._pieces))
        if isinstance(reply, str) and "{n}" in reply:
            reply = reply.format(n=cite([WebSource(url="https://example.com/rivers", title="Rivers")]))
        if reply is not None:
            yield Outcome(item=replace(self._item, status="completed"), reply=reply)

    def failed(self, message: str) -> Outcome:
        return Outcome(item=replace(self._item, status="failed"), reply=message)


class McpSession(_Session):
    """It lists its tools first, and its items open when the function is named."""

    needs_opening = True
    names = ("maps__route", "maps__find")

    async def open(self) -> AsyncGenerator[ItemDelta | Outcome]:
        item = McpListTools(id=self.request.new_id("mcpl_"), server_label="maps", tools=msgspec.Raw(b"[]"))
        yield ItemOpened(item)
        yield ItemStatusDelta(str(item.id), "in_progress")
        yield Outcome(item=item)

    def call(self, function: HostedFunction) -> Any:
        return _McpCall(self, function.name)


class _McpCall:
    waits = False

    def __init__(self, session: McpSession, name: str) -> None:
        self._session = session
        self._item = McpCall(
            id=session.request.new_id("mcp_"), status="in_progress", server_label="maps", name=name, arguments=""
        )

    def begin(self) -> Iterable[ItemDelta | Outcome]:
        return [ItemOpened(self._item), ItemStatusDelta(str(self._item.id), "in_progress")]

    def arguments(self, fragment: str) -> Iterable[ItemDelta | Outcome]:
        self._item = replace(self._item, arguments=self._item.arguments + fragment)
        return [ItemTextDelta(str(self._item.id), fragment)]

    def close(self) -> Iterable[ItemDelta | Outcome]:
        return [ItemTextDelta(str(self._item.id), "", is_last=True)]

    async def run(self, cite: Cite) -> AsyncGenerator[ItemDelta | Outcome]:
        reply = await self._session.family.give(self._item.arguments)
        if reply is not None:
            yield Outcome(item=replace(self._item, status="completed", output="shown"), reply=reply)

    def failed(self, message: str) -> Outcome:
        return Outcome(item=replace(self._item, status="failed"), reply=message)


def search_tool(reply: Reply = lambda arguments: f"found {arguments}") -> FakeTool:
    return FakeTool(WebSearchTool, SearchSession, reply)


def maps_tool(reply: Reply = lambda arguments: f"read {arguments}") -> FakeTool:
    return FakeTool(McpTool, McpSession, reply)


def policies(*families: FakeTool, runs_max: int = 100, **options: Any) -> Policies:
    return Policies(tools=HostedTools(families, runs_max=runs_max), **options)


def called(index: int, name: str, *pieces: str, call_id: str | None = None) -> list[Delta]:
    """A call of the model, its arguments in pieces."""
    first = ToolCallDelta(index=index, call_id=call_id or f"call_{index}", name=name)
    return [first, *(ToolCallDelta(index=index, arguments=piece) for piece in pieces)]


class Turns(FakeUpstream):
    """An upstream whose turns are given one by one. The last one is given again and again."""

    def __init__(self, *turns: Sequence[Any]) -> None:
        super().__init__()
        self._turns = turns
        self._first = 0

    def restart(self) -> None:
        """Begin again with the first turn."""
        self._first = len(self.turns)

    async def open(self, turn: Turn) -> Deltas:
        number = min(len(self.turns) - self._first, len(self._turns) - 1)
        self.batches = tuple(self._turns[number])
        return await super().open(turn)


END: list[Delta] = [Finish()]
Batches = AsyncIterator[list[Delta]]
