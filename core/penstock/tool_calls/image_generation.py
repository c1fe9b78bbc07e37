"""Image generation calls of the history, as function calls for a chat model.

It knows images that another server made. New images belong to a hosted tool.
"""

from __future__ import annotations

import msgspec

from penstock.wire import ContentPart, ImageGenerationCall, InputImage, InputText

from ._base import Call, Output

NAME = "image_generation"

_SUPPORTED = frozenset({"png", "jpeg", "webp", "gif"})
"""The image formats that models support."""


class _Arguments(msgspec.Struct):
    """The arguments of a call."""

    prompt: str


def call(item: ImageGenerationCall) -> Call:
    """The call, with the revised prompt as its arguments."""
    arguments = msgspec.json.encode(_Arguments(item.revised_prompt or "")).decode()
    return Call(call_id=item.id or "", name=NAME, arguments=arguments)


def output(item: ImageGenerationCall) -> Output:
    """The image, or the reason why there is none."""
    return Output(call_id=item.id or "", content=_content(item))


def _content(item: ImageGenerationCall) -> str | list[ContentPart]:
    output_format = item.output_format or "png"
    if not item.result:
        return f"The image is {item.status or 'failed'}; there is nothing to show."
    if output_format not in _SUPPORTED:
        return f"An image was made; its format, {output_format}, cannot be shown."
    image = InputImage(image_url=f"data:image/{output_format};base64,{item.result}")
    return [InputText(text="The image was made."), image]
