"""What a call gave: for the model, for the client, and as an error of its item. Pure."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from penstock.json_codec import encode
from penstock.patterns import lazy_pattern
from penstock.ports import ToolReply
from penstock.secrets import REDACTED
from penstock.tool_replies import without_markers
from penstock.wire import InputImage, InputText

from .client import Block, CallResult, LocalServer, McpFailed, Server, ToolList

_IMAGE_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""The images that models take."""
_BASE64 = lazy_pattern(r"[A-Za-z0-9+/=_-]*")
_BASE64_CHARS, _BASE64_BYTES = 4, 3
_KB = 1_000
_SECRET_CHARS_MIN = 8
"""Shorter secrets stay where a server repeats them: they are also parts of words."""
_MESSAGE_CHARS_MAX = 2_000
_LONG_CHARS = 100_000
"""From how many characters on a pass over texts takes a while."""


def output_text(result: CallResult, chars_max: int) -> str:
    """The result as one text. Structured content is the text where no block has one."""
    texts = [_as_text(block) for block in result.content]
    if result.structured is not None and not any(block.kind in ("text", "resource") for block in result.content):
        texts.append(bytes(result.structured).decode())
    return cut("\n".join(texts), chars_max)


def reply(result: CallResult, chars_max: int, *, images: bool) -> ToolReply:
    """What the model reads: the text, and images as parts of their own where the model takes images."""
    pictures = [block for block in result.content if _is_image(block)] if images else []
    others = [block for block in result.content if not (images and _is_image(block))]
    text = without_markers(output_text(replace(result, content=others), chars_max))
    if not pictures:
        return text
    parts: list[Any] = [InputText(text=text)] if text else []
    return parts + [InputImage(image_url=f"data:{block.mime_type};base64,{block.data}") for block in pictures]


def execution_error(result: CallResult, chars_max: int) -> msgspec.Raw:
    """The error of an item whose tool has failed. Its content is there as text."""
    content = [{"type": "text", "text": text} for text in _cut_together(map(_as_text, result.content), chars_max)]
    return msgspec.Raw(encode({"type": "mcp_tool_execution_error", "content": content}))


def _cut_together(texts: Iterable[str], chars_max: int) -> Iterator[str]:
    """Texts that together have a limited length. No text follows one that was cut."""
    for text in texts:
        yield cut(text, chars_max)
        chars_max -= len(text) + 1
        if chars_max < 0:
            return


def call_error(failed: McpFailed) -> msgspec.Raw:
    """The error of an item whose server did not answer as it should."""
    kind = "mcp_protocol_error" if failed.http_status is None else "http_error"
    code = failed.code if failed.http_status is None else failed.http_status
    return msgspec.Raw(encode({"type": kind, "code": code, "message": failed.message}))


def cut(text: str, chars_max: int) -> str:
    """A text of a limited length. Where it was cut, its end states that."""
    if len(text) <= chars_max:
        return text
    return f"{text[:chars_max]}\n[cut: {len(text) - chars_max} more characters]"


class Scrubber:
    """Removes the secrets of a server from texts that the server wrote: some servers repeat what they were sent."""

    def __init__(self, server: Server) -> None:
        secrets = {text for text in _secret_texts(server) if len(text) >= _SECRET_CHARS_MIN}
        self._secrets = sorted(secrets, key=len, reverse=True)

    async def texts(self, texts: Sequence[str]) -> Sequence[str]:
        """The texts without secrets. Each secret is one pass. Other tasks run between those of long texts."""
        is_long = sum(map(len, texts)) > _LONG_CHARS
        # spec: linear-work
        for secret in self._secrets:
            if is_long:
                await asyncio.sleep(0)
            texts = [text.replace(secret, REDACTED) for text in texts]
        return texts

    async def result(self, result: CallResult) -> CallResult:
        """The result without secrets."""
        structured = [] if result.structured is None else [bytes(result.structured).decode()]
        texts = [text for block in result.content for text in (block.text, block.uri, block.name)]
        clean = iter(await self.texts([*texts, *structured]))
        content = [replace(block, text=next(clean), uri=next(clean), name=next(clean)) for block in result.content]
        return replace(result, content=content, structured=msgspec.Raw(next(clean).encode()) if structured else None)

    async def list(self, found: ToolList) -> ToolList:
        """The list of tools without secrets. Names stay: they are called by them."""
        texts = [text for tool in found.tools for text in (tool.description or "", bytes(tool.input_schema).decode())]
        clean = iter(await self.texts(texts))
        tools = [
            replace(tool, description=next(clean) or tool.description, input_schema=msgspec.Raw(next(clean).encode()))
            for tool in found.tools
        ]
        return replace(found, tools=tools)

    async def failure(self, failed: McpFailed) -> McpFailed:
        """The error without secrets, of a limited length."""
        [message] = await self.texts([failed.message])
        return McpFailed(cut(message, _MESSAGE_CHARS_MAX), http_status=failed.http_status, code=failed.code)


def _secret_texts(server: Server) -> Iterable[str]:
    """The secrets of a server: the values of its headers, tokens without their scheme, and the path of its URL."""
    if isinstance(server, LocalServer):
        return [value.reveal() for _, value in server.env]
    values = [value.reveal() for _, value in server.headers]
    words = [value.partition(" ")[2] for value in values]
    path, _, query = server.target.path.partition("?")
    pairs = [pair.partition("=")[2] for pair in query.split("&")]
    return [*values, *words, server.target.path, query, *pairs, path.strip("/")]


def _is_image(block: Block) -> bool:
    return block.kind == "image" and block.mime_type in _IMAGE_TYPES and bool(_BASE64.fullmatch(block.data))


def _as_text(block: Block) -> str:
    """A block as text; the data of media is not text, and is described."""
    if block.kind == "text":
        return block.text
    if block.kind == "link":
        return " ".join(part for part in ("[link", block.uri, block.name, block.text) if part) + "]"
    if block.kind == "resource":
        return block.text or _described("resource", block)
    return _described(block.kind, block)


def _described(kind: str, block: Block) -> str:
    size = len(block.data) * _BASE64_BYTES // _BASE64_CHARS
    named = [kind, block.uri, block.mime_type]
    return f"[{' '.join(part for part in named if part)}, {_size(size)}]"


def _size(size: int) -> str:
    return f"{size} bytes" if size < _KB else f"{round(size / _KB)} kB"
