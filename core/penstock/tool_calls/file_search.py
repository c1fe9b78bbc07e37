"""File searches of the history, as function calls for a chat model.

It knows searches that another server made. New searches belong to a hosted tool.
"""

from __future__ import annotations

import msgspec

from penstock.wire import FileSearchCall

from ._base import Call, Output, decoded

NAME = "file_search"


class _Arguments(msgspec.Struct):
    """The arguments of a call."""

    queries: list[str]


class _Result(msgspec.Struct):
    """A passage of a file."""

    file_id: str | None = None
    filename: str | None = None
    text: str | None = None


def call(item: FileSearchCall) -> Call:
    """The call, with the queries as its arguments."""
    arguments = msgspec.json.encode(_Arguments(item.queries)).decode()
    return Call(call_id=item.id or "", name=NAME, arguments=arguments)


def output(item: FileSearchCall) -> Output:
    """The passages, each with the name of its file, or a text that there are none."""
    results = decoded(item.results, list[_Result])
    if results is None:
        text = f"The search is {item.status or 'completed'}; what it found is not kept in this conversation."
    else:
        text = "\n\n".join(map(_passage, results)) or "Nothing was found."
    return Output(call_id=item.id or "", content=text)


def _passage(result: _Result) -> str:
    return f"[{result.filename or result.file_id or 'file'}]\n{result.text or ''}"
