"""File searches: how one that another server made reads for a chat model.

It knows the call of the history alone; a search to come is a hosted tool's.
"""

from __future__ import annotations

import msgspec

from penstock.wire import FileSearchCall

from ._base import Call, Output, decoded

NAME = "file_search"


class _Arguments(msgspec.Struct):
    """What the function was called with."""

    queries: list[str]


class _Result(msgspec.Struct):
    """A passage that was found."""

    file_id: str | None = None
    filename: str | None = None
    text: str | None = None


def call(item: FileSearchCall) -> Call:
    """The queries."""
    arguments = msgspec.json.encode(_Arguments(item.queries)).decode()
    return Call(call_id=item.id or "", name=NAME, arguments=arguments)


def output(item: FileSearchCall) -> Output:
    """The passages, each under the name of its file, or that there is no more to tell."""
    results = decoded(item.results, list[_Result])
    if results is None:
        told = f"The search is {item.status or 'completed'}; what it found is not kept in this conversation."
    else:
        told = "\n\n".join(map(_passage, results)) or "Nothing was found."
    return Output(call_id=item.id or "", content=told)


def _passage(result: _Result) -> str:
    return f"[{result.filename or result.file_id or 'file'}]\n{result.text or ''}"
