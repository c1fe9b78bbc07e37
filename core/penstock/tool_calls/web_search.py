"""Web searches: how one that another server made reads for a chat model.

It knows the call of the history alone; a search to come is a hosted tool's.
"""

from __future__ import annotations

import msgspec

from penstock.wire import WebSearchCall

from ._base import Call, Output, decoded, is_there

NAME = "web_search"


class _Source(msgspec.Struct):
    """A page that a search found."""

    url: str = ""


class _Found(msgspec.Struct):
    """What of an action tells what was found."""

    sources: list[_Source] | None = None


def call(item: WebSearchCall) -> Call:
    """The action is what the function was called with; where it was found stands in the output."""
    action = decoded(item.action, dict[str, msgspec.Raw]) or {}
    action.pop("sources", None)
    return Call(call_id=item.id or "", name=NAME, arguments=msgspec.json.encode(action).decode())


def output(item: WebSearchCall) -> Output:
    """The results, else the pages that they came from, else that there is no more to tell."""
    return Output(call_id=item.id or "", content=_told(item))


def _told(item: WebSearchCall) -> str:
    if is_there(item.results):
        return bytes(item.results).decode()
    found = decoded(item.action, _Found)
    urls = [source.url for source in (found.sources if found else None) or () if source.url]
    if urls:
        return "Sources:\n" + "\n".join(urls)
    return f"The search is {item.status or 'completed'}; what it found is not kept in this conversation."
