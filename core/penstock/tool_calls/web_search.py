"""Web searches of the history, as function calls for a chat model.

It knows searches that another server made. New searches belong to a hosted tool.
"""

from __future__ import annotations

import msgspec

from penstock.wire import WebSearchCall

from ._base import Call, Output, decoded, is_present

NAME = "web_search"


class _Source(msgspec.Struct):
    """A page."""

    url: str = ""


class _Action(msgspec.Struct):
    """The field of an action that contains the pages."""

    sources: list[_Source] | None = None


def call(item: WebSearchCall) -> Call:
    """The call, with the action as its arguments, without its sources."""
    action = decoded(item.action, dict[str, msgspec.Raw]) or {}
    action.pop("sources", None)
    return Call(call_id=item.id or "", name=NAME, arguments=msgspec.json.encode(action).decode())


def output(item: WebSearchCall) -> Output:
    """The results, or the pages that they came from, or a text that there are none."""
    return Output(call_id=item.id or "", content=_result_text(item))


def _result_text(item: WebSearchCall) -> str:
    if is_present(item.results):
        return bytes(item.results).decode()
    found = decoded(item.action, _Action)
    urls = [source.url for source in (found.sources if found else None) or () if source.url]
    if urls:
        return "Sources:\n" + "\n".join(urls)
    return f"The search is {item.status or 'completed'}; what it found is not kept in this conversation."
