"""An upstream that fetches nothing: images and files that a request names by URL are fetched here, and sent as data.

It knows which parts have URLs. What was fetched lately is not fetched again: the turns of a chain, and those of a
response with hosted tools, have the same parts.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from msgspec.structs import replace

from penstock.errors import invalid
from penstock.fetching import Fetcher, FetchOptions
from penstock.limits import Limits
from penstock.ports import Deltas, HttpReply, PageContent, PageFailed, PassthroughRequest, Turn, Upstream
from penstock.secrets import Secret
from penstock.wire import UNSET, InputFile, InputImage, InputItem, Model

_FRESH_S = 300.0
"""How long a content is used again."""
_PARALLEL_MAX = 8
"""How many contents of one request are fetched at a time."""
_SCHEMES = ("http://", "https://")
_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_FIELDS = ("content", "output")
"""The fields of items that may be lists of parts."""


class InliningUpstream:
    """An upstream whose turns get data in place of URLs."""

    def __init__(self, upstream: Upstream, fetcher: Fetcher, limits: Limits) -> None:
        self._upstream = upstream
        self._contents = _Contents(fetcher, limits)

    async def open(self, turn: Turn) -> Deltas:
        """Begin a turn. Raises `ApiError` 400 for a content that cannot be fetched."""
        return await self._upstream.open(await self._inlined(turn))

    async def count_tokens(self, turn: Turn) -> int | None:
        """The tokens of a turn's input. Raises `ApiError` as `open`."""
        return await self._upstream.count_tokens(await self._inlined(turn))

    async def models(self, bearer: Secret | None) -> list[Model]:
        """The models that it serves."""
        return await self._upstream.models(bearer)

    async def relay(self, request: PassthroughRequest) -> HttpReply:
        """The upstream's reply to a request that is passed on."""
        return await self._upstream.relay(request)

    async def context_tokens(self, model: str, bearer: Secret | None) -> int | None:
        """A model's context size in tokens."""
        return await self._upstream.context_tokens(model, bearer)

    async def aclose(self) -> None:
        """Close all connections, and forget what was fetched."""
        self._contents.clear()
        await self._upstream.aclose()

    async def _inlined(self, turn: Turn) -> Turn:
        """The turn with data, unless none of its parts has a URL."""
        found = [(path, part) for path, part in _parts(turn.items) if _url(part)]
        if not found:
            return turn
        # spec: inlined-urls
        inlined = await self._contents.inline(turn.client, found)
        return replace(turn, items=[_with_parts(item, inlined) for item in turn.items])


class _Contents:
    """What was fetched for each client, in bounded memory."""

    def __init__(self, fetcher: Fetcher, limits: Limits) -> None:
        self._fetcher = fetcher
        self._limits = limits
        self._known: dict[tuple[str, str], tuple[float, PageContent]] = {}
        self._size = 0

    def clear(self) -> None:
        """Forget everything."""
        self._known.clear()
        self._size = 0

    async def inline(self, client: str, found: Sequence[tuple[str, Any]]) -> dict[int, Any]:
        """The parts with data, by the identity of the parts with URLs. Raises `ApiError`."""
        if len(found) > self._limits.inlined_urls_max:
            message = f"More than {self._limits.inlined_urls_max} images and files by URL."
            raise invalid(message, found[-1][0], "array_above_max_length")
        slots = asyncio.Semaphore(_PARALLEL_MAX)

        async def one(path: str, part: Any) -> Any:
            async with slots:
                return _with_data(part, await self._content(client, path, part))

        async with asyncio.TaskGroup() as group:
            tasks = [(part, group.create_task(_settled(one(path, part)))) for path, part in found]
        settled = [(part, task.result()) for part, task in tasks]
        for _, result in settled:
            if isinstance(result, Exception):
                raise result
        return {id(part): result for part, result in settled}

    async def _content(self, client: str, path: str, part: Any) -> PageContent:
        url = _url(part)
        known = self._known.get((client, url))
        if known is not None and time.monotonic() - known[0] < _FRESH_S:
            return known[1]
        try:
            content = await self._fetcher.fetch(url, self._wanted(part))
        except PageFailed as error:
            raise invalid(f"What '{_field(part)}' names could not be fetched: {error}.", path) from None
        if content.is_cut:
            message = f"What '{_field(part)}' names has more than {self._limits.inlined_bytes_max} bytes."
            raise invalid(message, path)
        self._keep(client, url, content)
        return content

    def _wanted(self, part: Any) -> FetchOptions:
        bytes_max = self._limits.inlined_bytes_max
        if isinstance(part, InputImage):
            return FetchOptions(
                "PNG, JPEG, GIF or WebP", ",".join(sorted(_IMAGES)), _IMAGES.__contains__, "", bytes_max
            )
        return FetchOptions("a file", "*/*", bool, "application/octet-stream", bytes_max)

    def _keep(self, client: str, url: str, content: PageContent) -> None:
        """Store a content, and drop those that were stored first where there is no room."""
        replaced = self._known.pop((client, url), None)
        self._size += len(content.body) - (len(replaced[1].body) if replaced else 0)
        self._known[client, url] = (time.monotonic(), content)
        while self._size > self._limits.inlined_cache_bytes_max:
            _, dropped = self._known.pop(next(iter(self._known)))
            self._size -= len(dropped.body)


async def _settled(step: Any) -> Any:
    """The result, or the error as a value: a task group would wrap it, and cancel the others."""
    try:
        return await step
    except Exception as error:
        return error


def _parts(items: Sequence[InputItem]) -> list[tuple[str, Any]]:
    """The parts of all items that are images or files, each with the path of its URL."""
    return [
        (f"input[{index}].{name}[{number}].{_field(part)}", part)
        for index, item in enumerate(items)
        for name in _FIELDS
        if isinstance(content := getattr(item, name, None), list)
        for number, part in enumerate(content)
        if isinstance(part, InputImage | InputFile)
    ]


def _field(part: InputImage | InputFile) -> str:
    return "image_url" if isinstance(part, InputImage) else "file_url"


def _url(part: InputImage | InputFile) -> str:
    """The URL that is to be fetched. Empty where there is none, or the data is there too."""
    url = getattr(part, _field(part))
    if not isinstance(url, str) or not url.lower().startswith(_SCHEMES):
        return ""
    return "" if isinstance(part, InputFile) and part.file_data else url


def _with_data(part: InputImage | InputFile, content: PageContent) -> InputImage | InputFile:
    data = f"data:{content.type};base64,{base64.b64encode(content.body).decode()}"
    if isinstance(part, InputImage):
        return replace(part, image_url=data)
    name = part.filename or unquote(urlsplit(content.url).path.rpartition("/")[2]) or "file"
    return replace(part, file_data=data, file_url=UNSET, filename=name)


def _with_parts(item: Any, inlined: dict[int, Any]) -> Any:
    """The item with the parts that have data."""
    for name in _FIELDS:
        content = getattr(item, name, None)
        if isinstance(content, list) and any(id(part) in inlined for part in content):
            item = replace(item, **{name: [inlined.get(id(part), part) for part in content]})
    return item
