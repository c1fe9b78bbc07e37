"""Calls of one server: how they are made, and how their items end.

It makes no call twice, and knows no model.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from penstock.json_codec import encode
from penstock.limits import Limits
from penstock.ports import Outcome
from penstock.tool_replies import without_markers
from penstock.wire import NULL, McpCall

from .client import McpClient, McpFailed, Server
from .replies import Scrubber, call_error, cut, execution_error, output_text, reply

INVALID_PARAMS = -32_602
"""JSON-RPC's code for wrong arguments, and MCP's for an unknown tool."""
INTERNAL_ERROR = -32_603
"""JSON-RPC's code for an error that has no other code."""

_decode_arguments = msgspec.json.Decoder(dict[str, Any]).decode


class ToolCaller:
    """Calls tools, within the limits. With `images`, a model gets images as images."""

    def __init__(self, client: McpClient, limits: Limits, *, images: bool) -> None:
        self._client = client
        self._limits = limits
        self._images = images

    async def outcome(self, server: Server, item: McpCall) -> Outcome:
        """The outcome of the call that an item describes."""
        try:
            arguments = read_arguments(item.arguments)
            return await self._called(server, item, arguments)
        except McpFailed as failed:
            return failed_outcome(item, await Scrubber(server).failure(failed))

    async def _called(self, server: Server, item: McpCall, arguments: Mapping[str, object]) -> Outcome:
        limits = self._limits
        timeout_s = limits.tool_call_s
        try:
            async with asyncio.timeout(timeout_s):
                result = await self._client.call_tool(server, item.name, arguments, timeout_s=timeout_s)
        except TimeoutError:
            raise McpFailed(f"The call took longer than {timeout_s:g} seconds.", code=INTERNAL_ERROR) from None
        result = await Scrubber(server).result(result)
        text = output_text(result, limits.mcp_output_chars_max)
        if result.is_error:
            error = execution_error(result, limits.mcp_output_chars_max)
            failure = f"The tool has failed: {without_markers(text)}"
            return Outcome(item=replace(item, status="failed", error=error), reply=failure)
        answer = reply(result, limits.mcp_output_chars_max, images=self._images)
        return Outcome(item=replace(item, status="completed", output=text), reply=answer or "The tool gave no output.")


def read_arguments(text: str) -> dict[str, Any]:
    """The arguments that a model wrote. Raises `McpFailed` for a text that is no JSON object: nothing is guessed."""
    try:
        return _decode_arguments(text or "{}")
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        message = f"The arguments are no JSON object: {cut(str(error), 200)}. Write them again."
        raise McpFailed(message, code=INVALID_PARAMS) from None


def new_item(item_id: str, label: str, name: str, arguments: str = "", request_id: str | None = None) -> McpCall:
    """The item of a call that begins."""
    return McpCall(
        id=item_id,
        status="in_progress",
        server_label=label,
        name=name,
        arguments=arguments,
        output=None,
        error=NULL,
        approval_request_id=request_id,
    )


def failed_outcome(item: McpCall, failed: McpFailed) -> Outcome:
    """The outcome of a call that failed. The model reads why, so that it can try another way."""
    return Outcome(
        item=replace(item, status="failed", error=call_error(failed)), reply=f"The call has failed: {failed.message}"
    )


def error_of(message: str) -> msgspec.Raw:
    """An error of an `mcp_list_tools` item, which is a text."""
    return msgspec.Raw(encode(message))
