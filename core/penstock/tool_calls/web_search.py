"""Web searches of the history, as calls of the functions that a chat model is offered for a hosted tool.

The searches may be of another server. What the model read of those of this server is stored with the item.
"""

from __future__ import annotations

import msgspec

from penstock.wire import WebSearchCall

from ._base import Call, Output, decoded, is_present

SEARCH, OPEN_PAGE, FIND = "web_search", "open_page", "find_in_page"
"""The functions of the hosted tool."""
_FUNCTIONS = {"open_page": OPEN_PAGE, "find_in_page": FIND, "find": FIND}
"""The function by the type of an action. All other actions are searches."""


class _Source(msgspec.Struct):
    """A page."""

    url: str = ""


class _Action(msgspec.Struct):
    """The field of an action that contains the pages."""

    sources: list[_Source] | None = None


def call(item: WebSearchCall) -> Call:
    """The call, with the arguments that the model wrote, as far as the action has them."""
    action = decoded(item.action, dict[str, msgspec.Raw]) or {}
    kind = msgspec.json.decode(action.pop("type", _NO_TYPE))
    action.pop("sources", None)
    name = _FUNCTIONS.get(kind, SEARCH) if isinstance(kind, str) else SEARCH
    if name == SEARCH and "queries" in action:
        action.pop("query", None)  # the first of them
    return Call(call_id=item.id or "", name=name, arguments=msgspec.json.encode(action).decode())


_NO_TYPE = msgspec.Raw(b'""')


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
