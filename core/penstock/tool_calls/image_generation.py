"""Images that were made: how one that another server made reads for a chat model.

It knows the call of the history alone; an image to come is a hosted tool's.
"""

from __future__ import annotations

import msgspec

from penstock.wire import ContentPart, ImageGenerationCall, InputImage, InputText

from ._base import Call, Output

NAME = "image_generation"

_SHOWN = frozenset({"png", "jpeg", "webp", "gif"})
"""The formats that a model can be shown."""


class _Arguments(msgspec.Struct):
    """What the function was called with."""

    prompt: str


def call(item: ImageGenerationCall) -> Call:
    """The prompt, as far as it was told."""
    arguments = msgspec.json.encode(_Arguments(item.revised_prompt or "")).decode()
    return Call(call_id=item.id or "", name=NAME, arguments=arguments)


def output(item: ImageGenerationCall) -> Output:
    """The image itself, or why there is none to show."""
    return Output(call_id=item.id or "", content=_told(item))


def _told(item: ImageGenerationCall) -> str | list[ContentPart]:
    form = item.output_format or "png"
    if not item.result:
        return f"The image is {item.status or 'failed'}; there is nothing to show."
    if form not in _SHOWN:
        return f"An image was made; its format, {form}, cannot be shown."
    image = InputImage(image_url=f"data:image/{form};base64,{item.result}")
    return [InputText(text="The image was made."), image]
