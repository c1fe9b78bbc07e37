"""The port to hosted tools: tools that this server runs itself, for models that know functions only.

A family of tools is one `HostedTool`. For each response that has tools of the family it begins one `ToolSession`, and
that makes one `ToolCall` for each call of the model. They give deltas of items, and never events: the reducer alone
opens and closes items, and the transcript alone numbers events.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from typing import Protocol, TypeAlias

import msgspec
from msgspec.structs import replace

from penstock.citations import Source
from penstock.ids import NewId
from penstock.tool_calls import FunctionDefinition
from penstock.transcript.deltas import ItemOpened, ItemStatusDelta, ItemTextDelta
from penstock.wire import ContentPart, CreateResponse, InputItem, Item, OutputItem, Tool


class DeclaredTool(msgspec.Struct, frozen=True):
    """A tool of the request or of its context, and the parameter that contains it, such as `tools[2]`."""

    tool: Tool
    param: str

    @property
    def is_of_request(self) -> bool:
        """Whether it is in the `tools` of the request. Those in items of the context have other parameters."""
        return self.param.startswith("tools[")


class ToolRequest(msgspec.Struct, kw_only=True):
    """What a family may know of a response: its request and its context, but no upstream and no transcript."""

    response_id: str
    owner: str
    request: CreateResponse
    tools: Sequence[DeclaredTool]
    """The tools of the family, in order. There may be none where an item answers a call of the family."""
    earlier: Sequence[InputItem]
    """The resolved context before the items of this request, the oldest first."""
    own: Sequence[InputItem]
    """The items of this request. Where `input` is a list, each has the same index there."""
    is_stored: bool
    new_id: NewId

    def with_tools(self, tools: Sequence[DeclaredTool]) -> ToolRequest:
        """The same request, with the tools of another family."""
        return replace(self, tools=tools)


class HostedFunction(msgspec.Struct, kw_only=True, frozen=True):
    """A function that the model is offered for a hosted tool."""

    definition: FunctionDefinition
    tool: Tool
    """The tool that declared it."""
    name: str = ""
    """The name that a `tool_choice` may use beside the type of the tool: for MCP, that of the server's tool."""


ToolReply: TypeAlias = str | list[ContentPart]
"""What the model reads of a call."""


class Outcome(msgspec.Struct, kw_only=True):
    """The end of one item, or of one call that has none. Each item that was opened gets exactly one."""

    item: OutputItem | None
    """The item in its final form. None for a call that has no item: only the model reads its reply."""
    reply: ToolReply = ""
    """What the model reads. It is stored with the item, and no client gets it. Empty for items that are no calls."""


Cite: TypeAlias = Callable[[Sequence[Source]], int]
"""Registers sources. Returns the number of the first; the others follow it."""

ItemDelta: TypeAlias = ItemOpened | ItemStatusDelta | ItemTextDelta
"""A step of an item that is open."""


class ToolCall(Protocol):
    """One call of the model. The steps come in this order: `begin`, `arguments`, `close`, `run`."""

    @property
    def waits(self) -> bool:
        """After `close`: whether it waits for the client's approval. It is not run then, and the response ends."""

    def begin(self) -> Iterable[ItemDelta | Outcome]:
        """The model has named the function."""

    def arguments(self, fragment: str) -> Iterable[ItemDelta | Outcome]:
        """The model has written a piece of the arguments."""

    def close(self) -> Iterable[ItemDelta | Outcome]:
        """The arguments are complete."""

    def run(self, cite: Cite) -> AsyncGenerator[ItemDelta | Outcome]:
        """Run the call. The last delta is its only `Outcome`, else `failed` is called.

        What the model may cite is given to `cite`, and stands in the reply under the numbers that it returns. It is
        cancelled when its time is over. An exception is a bug.
        """

    def failed(self, message: str) -> Outcome:
        """The outcome of a call that was not run, or whose run gave none. The message is for the model and clients."""


class ToolSession(Protocol):
    """The tools of one family for one response."""

    @property
    def needs_opening(self) -> bool:
        """Whether `open` has something to do. Else `functions` are known without it."""

    @property
    def functions(self) -> Sequence[HostedFunction]:
        """The functions that the model is offered, once the session is open."""

    @property
    def approved(self) -> Sequence[ToolCall]:
        """The calls that the client has approved, once the session is open. They run before the first turn."""

    @property
    def waits(self) -> bool:
        """Once the session is open: whether the client is to be asked again. The response ends without a turn then."""

    async def prepare(self, *, again: bool) -> None:
        """The last check before the response begins. Raises `ApiError` 400.

        `again` is whether it was called for the same response before, as for one that runs in the background.
        """

    def open(self) -> AsyncGenerator[ItemDelta | Outcome]:
        """Before all calls: list remote tools. Raises `ApiError` to fail the response."""

    def call(self, function: HostedFunction) -> ToolCall:
        """A call of one of its functions."""

    async def aclose(self) -> None:
        """The response has ended somehow. Called once, also where `open` was not. It takes a second at most."""


class HostedTool(Protocol):
    """A family of tools that this server runs."""

    @property
    def types(self) -> frozenset[type[Tool]]:
        """The classes of the tools."""

    @property
    def answers(self) -> frozenset[type[Item]]:
        """The classes of items by which a client answers a call. A session is made for them even without a tool."""

    def session(self, request: ToolRequest) -> ToolSession:
        """The session of a response. It does no I/O. Raises `ApiError` 400, which names the parameter.

        It may be called for a request that is not run, such as one whose tokens are counted; then the session is not
        closed.
        """

    async def aclose(self) -> None:
        """Close what is shared by all responses. The next use opens it again."""
