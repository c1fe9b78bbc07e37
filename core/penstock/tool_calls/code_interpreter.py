"""Code that was run: how a run that another server made reads for a chat model.

It knows the call of the history alone; code to come is a hosted tool's.
"""

from __future__ import annotations

import msgspec

from penstock.wire import CodeInterpreterCall, ContentPart, InputImage, InputText

from ._base import Call, Output, decoded

NAME = "code_interpreter"


class _Arguments(msgspec.Struct):
    """What the function was called with."""

    code: str


class _Given(msgspec.Struct):
    """What the code gave out: logs, or an image by its URL."""

    logs: str = ""
    url: str = ""


def call(item: CodeInterpreterCall) -> Call:
    """The code."""
    arguments = msgspec.json.encode(_Arguments(item.code or "")).decode()
    return Call(call_id=item.id or "", name=NAME, arguments=arguments)


def output(item: CodeInterpreterCall) -> Output:
    """Logs and images in their order, or that there is no more to tell."""
    given = decoded(item.outputs, list[_Given])
    if given is None:
        told = f"The run is {item.status or 'completed'}; what it gave out is not kept in this conversation."
        return Output(call_id=item.id or "", content=told)
    parts = [_part(one) for one in given]
    return Output(call_id=item.id or "", content=parts or "The code gave nothing out.")


def _part(given: _Given) -> ContentPart:
    """An image elsewhere is told by its URL: the model could not fetch what a container keeps."""
    if given.url.startswith("data:"):
        return InputImage(image_url=given.url)
    return InputText(text=f"[image: {given.url}]" if given.url else given.logs)
