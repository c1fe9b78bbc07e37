"""Results and errors of the SDK as structs of the core."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from mcp.shared.exceptions import MCPError
from mcp_types import version
from pydantic import ValidationError

from penstock.json_codec import encode
from penstock.tools.mcp.client import Block, CallResult, McpFailed, RemoteTool, ToolList

from .exchange import Exchange

_INTERNAL_ERROR = -32_603
_PLACEHOLDERS = frozenset({"Server returned an error response", "Not Found", "Session terminated"})
"""The messages that the SDK has for an HTTP status, which it does not report."""
_ERROR_STATUS = 400
_SERVER_ERROR = 500
_REFUSALS = frozenset({401, 403, 407, 429})
"""Statuses that count more than what the reply contains."""
_MS_PER_S = 1_000


def tool(listed: Any) -> RemoteTool:
    """A tool of a list."""
    hints = listed.annotations
    return RemoteTool(
        name=listed.name,
        description=listed.description,
        input_schema=msgspec.Raw(encode({"properties": {}} | listed.input_schema)),  # some models need properties
        read_only=bool(hints and hints.read_only_hint),
    )


def tool_list(tools: Iterable[RemoteTool], first: Any, protocol_version: str) -> ToolList:
    """A list. Servers of the older protocol do not state how long it is fresh."""
    states_it = protocol_version in version.MODERN_PROTOCOL_VERSIONS
    return ToolList(tools=list(tools), fresh_s=first.ttl_ms / _MS_PER_S if states_it else None)


def call_result(result: Any) -> CallResult:
    """The result of a call."""
    has_structure = "structured_content" in result.model_fields_set and result.structured_content is not None
    return CallResult(
        content=[_BLOCKS[block.type](block) for block in result.content],
        structured=msgspec.Raw(encode(result.structured_content)) if has_structure else None,
        is_error=result.is_error,
    )


def _media(kind: Any) -> Callable[[Any], Block]:
    return lambda block: Block(kind=kind, data=block.data, mime_type=block.mime_type)


def _resource(block: Any) -> Block:
    inner = block.resource
    return Block(
        kind="resource",
        uri=str(inner.uri),
        mime_type=inner.mime_type or "",
        text=getattr(inner, "text", ""),
        data=getattr(inner, "blob", ""),
    )


def _link(block: Any) -> Block:
    return Block(
        kind="link",
        uri=str(block.uri),
        name=block.name,
        text=block.description or "",
        mime_type=block.mime_type or "",
    )


_BLOCKS: dict[str, Callable[[Any], Block]] = {
    "text": lambda block: Block(kind="text", text=block.text),
    "image": _media("image"),
    "audio": _media("audio"),
    "resource": _resource,
    "resource_link": _link,
}


def failure(error: BaseException, exchange: Exchange) -> McpFailed:
    """Why a call failed: what the transport knows, else the status, else the server's error."""
    if isinstance(error, McpFailed):
        return error
    if exchange.failure is not None:
        return exchange.failure
    status = exchange.status
    if status is not None and status >= _ERROR_STATUS and _is_about_status(error, status):
        return McpFailed(f"The server has answered with the HTTP status {status}.", http_status=status)
    known = (_known(each) for each in _leaves(error))
    return next(
        filter(None, known), McpFailed("The server's answer does not follow the protocol.", code=_INTERNAL_ERROR)
    )


def _known(error: BaseException) -> McpFailed | None:
    """The failure that an error of the SDK stands for."""
    if isinstance(error, MCPError):
        return McpFailed(error.message or "The server has reported an error.", code=error.code)
    if isinstance(error, OSError):  # by HTTP, the transport has answered it
        return McpFailed("The program of the server cannot be started.", code=_INTERNAL_ERROR)
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        fault = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        return McpFailed(f"The server's answer does not follow the protocol: {fault}.", code=_INTERNAL_ERROR)
    return None


def _is_about_status(error: BaseException, status: int) -> bool:
    if status in _REFUSALS or status >= _SERVER_ERROR:
        return True
    errors = [each for each in _leaves(error) if isinstance(each, MCPError)]
    return not errors or errors[0].message in _PLACEHOLDERS


def _leaves(error: BaseException) -> Iterable[BaseException]:
    """The errors in a group, at every depth: the SDK's task groups nest them."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error
