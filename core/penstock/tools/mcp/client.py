"""The port to MCP servers: list the tools of a server, and call one.

It knows what the family needs of the protocol, and no version of it. A driver has the connections.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, TypeAlias

import msgspec

from penstock.egress import Target
from penstock.secrets import Secret

_OBJECT_BYTES = 500
"""The approximate memory of a server or a tool without its texts."""


class RemoteServer(msgspec.Struct, kw_only=True, frozen=True):
    """A server that is reached by HTTP, for one owner."""

    owner: str
    target: Target
    headers: tuple[tuple[str, Secret], ...] = ()
    """Headers of each request, `authorization` too."""
    is_own: bool = False
    """Whether it is the operator's, whose address is not judged."""

    @property
    def address(self) -> str:
        """Where it is, for the log: its URL without the path, which may be secret."""
        return self.target.origin

    @property
    def size(self) -> int:
        """The approximate memory that it takes."""
        texts = sum(len(name) + len(value.reveal()) for name, value in self.headers)
        return _OBJECT_BYTES + len(self.target.url) + texts

    def __repr__(self) -> str:
        return f"RemoteServer({self.address})"


class LocalServer(msgspec.Struct, kw_only=True, frozen=True):
    """A program of the operator, which is reached by its standard input and output."""

    owner: str
    command: str
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, Secret], ...] = ()

    @property
    def address(self) -> str:
        """The program, for the log."""
        return self.command

    @property
    def size(self) -> int:
        """The approximate memory that it takes. Its texts are those of the settings."""
        return _OBJECT_BYTES


Server: TypeAlias = RemoteServer | LocalServer
"""A server with everything that it is called with. Two that are equal may share a session."""


class RemoteTool(msgspec.Struct, kw_only=True, frozen=True):
    """A tool that a server lists."""

    name: str
    description: str | None = None
    input_schema: msgspec.Raw
    read_only: bool = False
    """Whether the tool changes nothing, by what the server states. It is a hint."""

    @property
    def size(self) -> int:
        """The approximate memory that it takes."""
        return _OBJECT_BYTES + len(self.name) + len(self.description or "") + memoryview(self.input_schema).nbytes


class ToolList(msgspec.Struct, kw_only=True, frozen=True):
    """The tools of a server, and for how many seconds the server allows to use the list again."""

    tools: Sequence[RemoteTool]
    fresh_s: float | None = None


class Block(msgspec.Struct, kw_only=True, frozen=True):
    """A block of the content of a result. `data` is base64."""

    kind: Literal["text", "image", "audio", "resource", "link"]
    text: str = ""
    """The text, also that of a resource; the description of a link."""
    data: str = ""
    mime_type: str = ""
    uri: str = ""
    name: str = ""


class CallResult(msgspec.Struct, kw_only=True, frozen=True):
    """The result of a call."""

    content: Sequence[Block]
    structured: msgspec.Raw | None = None
    is_error: bool = False
    """Whether the tool has failed, by its own statement."""


class McpFailed(Exception):
    """A server did not answer as it should. The message is for clients and models, and contains no secret."""

    def __init__(self, message: str, *, http_status: int | None = None, code: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.http_status = http_status
        """The status of the HTTP reply, where that is what was wrong."""
        self.code = code
        """The code of the JSON-RPC error otherwise."""


class McpClient(Protocol):
    """The driver. Its sessions are its own matter; it may be used by many responses at a time."""

    async def list_tools(self, server: Server, *, tools_max: int) -> ToolList:
        """The tools of a server, at most `tools_max`. Raises `McpFailed`. The caller bounds its time."""

    async def call_tool(
        self, server: Server, name: str, arguments: Mapping[str, object], *, timeout_s: float
    ) -> CallResult:
        """Call a tool. Raises `McpFailed`. A cancelled call is cancelled at the server too. None is repeated."""

    async def aclose(self) -> None:
        """End all sessions and programs. The next use begins new ones."""
