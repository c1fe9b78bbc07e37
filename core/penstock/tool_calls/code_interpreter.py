"""Code interpreter calls of the history, as function calls for a chat model.

It knows calls that another server ran. New calls belong to a hosted tool.
"""

from __future__ import annotations

import msgspec

from penstock.wire import CodeInterpreterCall, ContentPart, InputImage, InputText

from ._base import Call, Output, decoded

NAME = "code_interpreter"


class _Arguments(msgspec.Struct):
    """The arguments of a call."""

    code: str


class _CodeOutput(msgspec.Struct):
    """One output of the code: logs, or an image by its URL."""

    logs: str = ""
    url: str = ""


def call(item: CodeInterpreterCall) -> Call:
    """The call, with the code as its arguments."""
    arguments = msgspec.json.encode(_Arguments(item.code or "")).decode()
    return Call(call_id=item.id or "", name=NAME, arguments=arguments)


def output(item: CodeInterpreterCall) -> Output:
    """Logs and images in their order, or a text that there are none."""
    outputs = decoded(item.outputs, list[_CodeOutput])
    if outputs is None:
        text = f"The run is {item.status or 'completed'}; what it gave out is not kept in this conversation."
        return Output(call_id=item.id or "", content=text)
    parts = [_part(each) for each in outputs]
    return Output(call_id=item.id or "", content=parts or "The code gave nothing out.")


def _part(code_output: _CodeOutput) -> ContentPart:
    """One output as a part. An image outside of the JSON is a text with its URL: the model cannot load it."""
    if code_output.url.startswith("data:"):
        return InputImage(image_url=code_output.url)
    return InputText(text=f"[image: {code_output.url}]" if code_output.url else code_output.logs)
