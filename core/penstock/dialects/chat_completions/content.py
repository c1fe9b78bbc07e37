"""Content parts as Chat Completions takes them.

It knows each part class by one entry in a table; a part that a chat model cannot be shown is the client's error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from penstock.errors import invalid, missing
from penstock.tool_calls import Output
from penstock.wire import (
    ContentPart,
    InputAudio,
    InputFile,
    InputImage,
    InputText,
    OutputText,
    Part,
    Refusal,
    UnknownPart,
)

from . import wire

_TEXTS = (InputText, OutputText)


def _text(part: InputText | OutputText, param: str) -> wire.TextPart:
    return wire.TextPart(text=part.text)


def _refusal(part: Refusal, param: str) -> wire.TextPart:
    return wire.TextPart(text=part.refusal)


def _image(part: InputImage, param: str) -> wire.ImagePart:
    if not part.image_url:
        if not part.file_id:
            raise missing(f"{param}.image_url")
        message = "This model takes images by 'image_url' (a data: URL too), not by 'file_id'."
        raise invalid(message, f"{param}.image_url")
    detail = None if part.detail == "auto" else part.detail
    return wire.ImagePart(image_url=wire.ImageUrl(url=part.image_url, detail=detail))


def _file(part: InputFile, param: str) -> wire.FilePart:
    if not (part.file_data or part.file_id):
        if not part.file_url:
            raise missing(f"{param}.file_data")
        message = "This model takes files by 'file_data' or 'file_id', not by 'file_url'."
        raise invalid(message, f"{param}.file_data")
    return wire.FilePart(
        file=wire.File(file_data=part.file_data or None, file_id=part.file_id or None, filename=part.filename or None)
    )


def _audio(part: InputAudio, param: str) -> wire.AudioPart:
    return wire.AudioPart(input_audio=wire.Audio(data=part.input_audio.data, format=part.input_audio.format))


_PARTS: dict[type[Part], Callable[[Any, str], wire.MessagePart]] = {
    InputText: _text,
    OutputText: _text,
    Refusal: _refusal,
    InputImage: _image,
    InputFile: _file,
    InputAudio: _audio,
}


def message_content(content: str | Sequence[ContentPart], param: str) -> str | list[wire.MessagePart]:
    """A message's content: a plain string where it is but one text, since some templates take nothing else."""
    if isinstance(content, str) or isinstance(content := _short(content), str):
        return content
    parts = [part for _, part in _parts(content, f"{param}.content")]
    if not parts:
        return ""
    return parts[0].text if len(parts) == 1 and isinstance(parts[0], wire.TextPart) else parts


def plain_text(content: str | Sequence[ContentPart], param: str) -> str:
    """The content of a message that is text alone: the assistant's, the system's and the developer's."""
    content = _short(content)
    if isinstance(content, str):
        return content
    texts: list[str] = []
    for path, part in _parts(content, f"{param}.content"):
        if not isinstance(part, wire.TextPart):
            raise invalid("A message of this role holds text only, for this model.", f"{path}.type")
        texts.append(part.text)
    return "".join(texts)


def tool_content(output: Output, param: str) -> tuple[str, list[wire.MessagePart]]:
    """What a call gave back: its text, and the parts that are none."""
    content = _short(output.content)
    if isinstance(content, str):
        return content, []
    parts = [part for _, part in _parts(content, f"{param}.output", is_object=output.is_object)]
    texts = [part.text for part in parts if isinstance(part, wire.TextPart)]
    others: list[wire.MessagePart] = [part for part in parts if not isinstance(part, wire.TextPart)]
    if others:
        texts.append(f"[{len(others)} attachment(s) of this result follow in the next user message]")
    return "\n".join(texts), others


def _short(content: str | Sequence[ContentPart]) -> str | Sequence[ContentPart]:
    """The content in its short form: a list of one text, as most content is, is that text."""
    return content[0].text if len(content) == 1 and isinstance(content[0], _TEXTS) else content


def _parts(
    content: Sequence[ContentPart], param: str, *, is_object: bool = False
) -> Iterator[tuple[str, wire.MessagePart]]:
    """Each part and where it stands, without those of an unknown type: a header reports those to the client."""
    for index, part in enumerate(content):
        if not isinstance(part, UnknownPart):
            path = param if is_object else f"{param}[{index}]"
            yield path, _PARTS[type(part)](part, path)
