"""Content parts in the style of Chat Completions, converted to Responses parts.

Clients that move from Chat Completions send `{"type": "text"}` or `{"type": "image_url"}`. OpenAI answers 400; this
server accepts them and names each in the reply. A part that is malformed for its type stays unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, TypeAlias

import msgspec

from penstock.wire import (
    UNSET,
    ContentPart,
    CustomToolCallOutput,
    FunctionCallOutput,
    InputFile,
    InputImage,
    InputItem,
    InputText,
    Message,
    OutputText,
    Unknown,
    UnknownPart,
)

Fields: TypeAlias = dict[str, msgspec.Raw]


class _Text(msgspec.Struct):
    text: str


class _ImageUrl(msgspec.Struct):
    url: str
    detail: Literal["low", "high", "auto", "original"] | None = None


class _Image(msgspec.Struct):
    image_url: str | _ImageUrl


class _FileData(msgspec.Struct):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class _File(msgspec.Struct):
    file: _FileData


def read_chat_parts(items: Sequence[InputItem], param: str) -> list[str]:
    """Replace each chat-style part in the messages and outputs of `items`, in place.

    `param` is the field with the items. Returns the names of the replaced parts: `input[0].content[1].text=input_text`.
    """
    names: list[str] = []
    for index, item in enumerate(items):
        field = _FIELDS.get(type(item))
        parts = getattr(item, field) if field else None
        if type(parts) is list and UnknownPart in map(type, parts):  # rare
            is_assistant = isinstance(item, Message) and item.role == "assistant"
            names += _read_parts(parts, f"{param}[{index}].{field}", is_assistant=is_assistant)
    return names


_FIELDS: dict[type[InputItem], str] = {
    Message: "content",
    FunctionCallOutput: "output",
    CustomToolCallOutput: "output",
}
"""The items with content parts that a chat model reads, and the field with the parts."""


def _read_parts(parts: list[ContentPart], param: str, *, is_assistant: bool) -> Iterator[str]:
    for index, part in enumerate(parts):
        # spec: chat-parts
        if isinstance(part, UnknownPart) and (read := _read_part(part.unknown.fields, part.type, is_assistant)):
            yield f"{param}[{index}].{part.type}={read.type}"
            parts[index] = read


def _read_part(fields: Fields, kind: str, is_assistant: bool) -> ContentPart | None:
    """The Responses part; None for a type that Chat Completions does not have, or for a malformed part."""
    name, read = _CHAT_PARTS.get(kind, ("", None))
    if read is None:
        return None
    try:
        part = read(msgspec.json.encode(fields), is_assistant)
    except msgspec.ValidationError:
        return None
    rest = {key: value for key, value in fields.items() if key not in ("type", name)}
    part.unknown = Unknown(rest) if rest else UNSET
    return part


def _text(body: bytes, is_assistant: bool) -> ContentPart:
    text = msgspec.json.decode(body, type=_Text).text
    return OutputText(text=text) if is_assistant else InputText(text=text)


def _image(body: bytes, is_assistant: bool) -> ContentPart:
    given = msgspec.json.decode(body, type=_Image).image_url
    image = _ImageUrl(given) if isinstance(given, str) else given
    return InputImage(image_url=image.url, detail=image.detail or "auto")


def _file(body: bytes, is_assistant: bool) -> ContentPart:
    file = msgspec.json.decode(body, type=_File).file
    return InputFile(file_data=file.file_data or UNSET, file_id=file.file_id or UNSET, filename=file.filename or UNSET)


_CHAT_PARTS: dict[str, tuple[str, Callable[[bytes, bool], ContentPart]]] = {
    "text": ("text", _text),
    "image_url": ("image_url", _image),
    "file": ("file", _file),
}
"""The chat-style types that Responses does not have: the field with the content, and its converter."""
