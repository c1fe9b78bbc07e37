"""What the tests of the MCP family share: servers with given answers, requests, and the deltas of a session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from itertools import count
from typing import Any

import msgspec

from core.kit import Json
from penstock.egress import Egress
from penstock.json_codec import encode
from penstock.limits import Limits
from penstock.ports import DeclaredTool, HostedFunction, ItemDelta, Marks, Outcome, ToolRequest
from penstock.stores.memory import MemoryStore
from penstock.tools.mcp.client import Block, CallResult, McpFailed, RemoteServer, RemoteTool, Server, ToolList
from penstock.tools.mcp.family import McpTools
from penstock.tools.mcp.own_servers import OwnServers
from penstock.tools.mcp.session import McpSession
from penstock.transcript.deltas import ItemOpened, ItemStatusDelta, ItemTextDelta
from penstock.wire import CreateResponse, InputItem, Item

SCHEMA = msgspec.Raw(b'{"type":"object","properties":{"q":{"type":"string"}}}')
URL = "https://mcp.example.com/path-canary?key=query-canary"
_items = msgspec.json.Decoder(list[InputItem])


def remote(name: str = "roll", **fields: Any) -> RemoteTool:
    return RemoteTool(**{"name": name, "description": f"To {name}", "input_schema": SCHEMA} | fields)


def result_of(*texts: str, **fields: Any) -> CallResult:
    """A result of these texts."""
    return CallResult(content=[Block(kind="text", text=text) for text in texts], **fields)


class Servers:
    """An `McpClient` whose servers are known by the host of their URL."""

    def __init__(self, tools: Mapping[str, Any] | None = None, result: Any = None) -> None:
        self.tools: dict[str, Any] = dict(tools or {"mcp.example.com": [remote()]})
        """The tools of each host, or the error of its list."""
        self.result: Any = result or result_of("4")
        """The result of every call, or its error, or what makes it of the name and the arguments."""
        self.listed: list[str] = []
        self.called: list[tuple[str, str, Mapping[str, object]]] = []
        self.delays: dict[str, float] = {}
        self.fresh_s: float | None = None
        self.cancelled = 0
        self.closed = 0

    async def list_tools(self, server: Server, *, tools_max: int) -> ToolList:
        host = _host(server)
        self.listed.append(host)
        await asyncio.sleep(self.delays.get(host, 0))
        tools = self.tools[host]
        if isinstance(tools, Exception):
            raise tools
        return ToolList(tools=tools[:tools_max], fresh_s=self.fresh_s)

    async def call_tool(
        self, server: Server, name: str, arguments: Mapping[str, object], *, timeout_s: float
    ) -> CallResult:
        self.called.append((_host(server), name, arguments))
        try:
            await asyncio.sleep(self.delays.get(name, 0))
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        result = self.result(name, arguments) if callable(self.result) else self.result
        if isinstance(result, Exception):
            raise result
        assert isinstance(result, CallResult)
        return result

    async def aclose(self) -> None:
        self.closed += 1


def _host(server: Server) -> str:
    return server.target.host if isinstance(server, RemoteServer) else server.command


def mcp(label: str = "dice", **fields: Any) -> Json:
    """A tool of a request."""
    where = {} if {"connector_id", "tunnel_id", "server_url"} & fields.keys() else {"server_url": URL}
    return {"type": "mcp", "server_label": label, **where, **fields}


def free(label: str = "dice", **fields: Any) -> Json:
    """A tool whose calls need no approval."""
    return mcp(label, require_approval="never", **fields)


def items(*given: Json) -> list[InputItem]:
    return _items.decode(msgspec.json.encode(given))


def family(
    client: Servers | None = None,
    *,
    limits: Limits | None = None,
    own: OwnServers | None = None,
    marks: Marks | None = None,
    allow: Sequence[str] = (),
    images: bool = True,
) -> McpTools:
    return McpTools(
        client or Servers(),
        limits or Limits(),
        egress=Egress(allow),
        own=own or OwnServers(),
        marks=marks,
        images=images,
    )


def asked(
    *tools: Json, earlier: Iterable[Json] = (), own: Iterable[Json] = (), owner: str = "me", **fields: Any
) -> ToolRequest:
    """What the family gets of a request with these tools and items."""
    body = {"model": "m", "input": list(own) or "Hi", "tools": tools, **fields}
    request = msgspec.json.decode(msgspec.json.encode(body), type=CreateResponse)
    numbers = count(1)
    return ToolRequest(
        response_id="resp_1",
        owner=owner,
        request=request,
        tools=[DeclaredTool(tool, f"tools[{n}]") for n, tool in enumerate(request.tools or ())],
        earlier=items(*earlier),
        own=items(*own) if own else [],
        is_stored=request.store is not False,
        new_id=lambda prefix: f"{prefix}{next(numbers)}",
    )


def as_json(item: Item) -> Json:
    decoded: Json = msgspec.json.decode(encode(item))
    return decoded


def word(step: ItemDelta | Outcome) -> Any:
    """A step in few words: what a client sees of it."""
    if isinstance(step, ItemOpened):
        return ("added", str(step.item.id))
    if isinstance(step, ItemStatusDelta):
        return (step.status, step.item_id)
    if isinstance(step, ItemTextDelta):
        return ("text" if step.text else "", "last" if step.is_last else "", step.item_id)
    return ("done", str(step.item.id) if step.item else None)


async def opened(session: McpSession) -> list[ItemDelta | Outcome]:
    return [step async for step in session.open()]


async def collected(steps: AsyncIterable[ItemDelta | Outcome]) -> list[ItemDelta | Outcome]:
    return [step async for step in steps]


def outcomes(steps: Iterable[ItemDelta | Outcome]) -> list[Outcome]:
    return [step for step in steps if isinstance(step, Outcome)]


def no_sources(sources: Sequence[object]) -> int:
    assert not sources
    return 1


async def run_approved(session: McpSession) -> list[ItemDelta | Outcome]:
    """The steps of all approved calls, one after the other."""
    steps: list[ItemDelta | Outcome] = []
    for call in session.approved:
        steps += [*call.begin(), *call.close()]
        if not call.waits:
            steps += await collected(call.run(no_sources))
    return steps


async def called(session: McpSession, arguments: str = '{"q":"a"}', index: int = 0) -> tuple[list[Any], Any]:
    """A whole call of one of the functions: its steps, and the call."""
    function: HostedFunction = session.functions[index]
    call = session.call(function)
    steps = [*call.begin(), *(step for piece in arguments for step in call.arguments(piece)), *call.close()]
    if not call.waits:
        steps += await collected(call.run(no_sources))
    return steps, call


def failure(status: int | None = None) -> McpFailed:
    return McpFailed("It is away.", http_status=status, code=0 if status else -32000)


def memory() -> MemoryStore:
    return MemoryStore()
