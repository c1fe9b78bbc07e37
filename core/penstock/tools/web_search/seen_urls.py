"""The URLs that stand in a conversation, which a model may open.

A model that reads a planted instruction could send what it knows to a page, in the query of a URL that it writes
itself. So URLs that only the model has written do not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec

from penstock.egress import Egress, UrlRefused
from penstock.json_codec import encode
from penstock.patterns import lazy_pattern
from penstock.returned import carried
from penstock.tool_calls import decoded
from penstock.wire import InputItem, Message, OutputText, ReasoningItem, WebSearchCall

_URL = lazy_pattern(r"""https?://[^\s<>"'`\\\[\]】{}|^]+""", re.IGNORECASE)
_ENDINGS = ".,;:!?)*_"
"""Characters that follow a URL in a sentence more often than they belong to it."""
_URLS_MAX = 10_000
"""How many URLs of a page or of a conversation count."""


def urls_in(texts: Iterable[str], egress: Egress) -> Iterator[str]:
    """The first URLs in texts, in the form that is compared. One that ends a sentence counts in both forms."""
    # spec: linear-work
    for match in islice((match for text in texts for match in _URL.finditer(text)), _URLS_MAX):
        found = match[0]
        for url in {found, found.rstrip(_ENDINGS)}:
            try:
                yield egress.target(url).url
            except UrlRefused:
                continue


def urls_of(items: Sequence[InputItem], egress: Egress) -> set[str]:
    """The URLs in the last items of a conversation, besides those that the model has written itself."""
    return set(urls_in((text for item in reversed(items) for text in _texts(item)), egress))


def _texts(item: Any) -> Iterator[str]:
    """The texts of an item that others than the model have written, as JSON."""
    if isinstance(item, ReasoningItem):
        return
    if isinstance(item, Message) and item.role == "assistant":
        yield from _citations(item)
        return
    if isinstance(item, WebSearchCall) and (action := decoded(item.action, _Found)):
        yield " ".join([action.url, *(source.url for source in action.sources or ())])
    if known := carried(item):
        yield encode(known.reply).decode()
    for name in _WRITTEN_BY_OTHERS:
        value = getattr(item, name, None)
        if value not in (None, msgspec.UNSET):
            yield value if isinstance(value, str) else encode(value).decode()


_WRITTEN_BY_OTHERS = ("content", "output", "results")
"""The fields of messages and of the outputs of calls. The arguments and actions of a call are the model's."""


class _Source(msgspec.Struct):
    """A page that a search has found."""

    url: str = ""


class _Found(msgspec.Struct):
    """The URLs in the action of a search of the history: of an opened page, or of what was found."""

    url: str = ""
    sources: list[_Source] | None = None


def _citations(message: Message) -> Iterator[str]:
    """The annotations of the model's text: they are of pages that were found."""
    for part in message.content if isinstance(message.content, list) else ():
        if isinstance(part, OutputText) and part.annotations:
            yield encode(part.annotations).decode()
