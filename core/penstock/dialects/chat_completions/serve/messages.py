"""The messages of a chat client as items.

It is the reverse of `penstock.dialects.chat_completions.history`. It checks that each role has the fields that it
needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from penstock.dialects.chat_completions import wire
from penstock.errors import invalid
from penstock.wire import (
    AudioData,
    ContentPart,
    FunctionCall,
    FunctionCallOutput,
    InputAudio,
    InputFile,
    InputImage,
    InputItem,
    InputText,
    Message,
    ReasoningItem,
    ReasoningText,
    Refusal,
)

from .requests import ReadMessage, ReadPart, RefusalPart, SoundPart, VideoPart


def read_messages(messages: Sequence[ReadMessage]) -> list[InputItem]:
    """The items of these messages. Raises `ApiError` 400 for a message without its content."""
    items: list[InputItem] = []
    for index, message in enumerate(messages):
        items += _ROLES[message.role](message, f"messages[{index}]")
    return items


def _message(message: ReadMessage, param: str) -> Iterator[InputItem]:
    """A message of the user, the system or the developer."""
    if message.content is None:
        raise invalid(
            f"Missing required parameter: '{param}.content'.", f"{param}.content", "missing_required_parameter"
        )
    yield Message(role=message.role, content=_content(message.content))  # type: ignore[arg-type]


def _answer(message: ReadMessage, param: str) -> Iterator[InputItem]:
    """A message of the assistant: its reasoning, its text, and its calls."""
    if thought := message.reasoning_content or message.reasoning:
        yield ReasoningItem(content=[ReasoningText(text=thought)])
    if message.content:
        yield Message(role="assistant", content=_content(message.content))
    if message.refusal:
        yield Message(role="assistant", content=[Refusal(refusal=message.refusal)])
    for call in message.tool_calls or ():
        yield FunctionCall(call_id=call.id, name=call.function.name, arguments=call.function.arguments)


def _result(message: ReadMessage, param: str) -> Iterator[InputItem]:
    """A message with the output of a call."""
    if not message.tool_call_id:
        where = f"{param}.tool_call_id"
        raise invalid(f"Missing required parameter: '{where}'.", where, "missing_required_parameter")
    yield FunctionCallOutput(call_id=message.tool_call_id, output=_content(message.content or ""))


_ROLES: dict[str, Callable[[ReadMessage, str], Iterator[InputItem]]] = {
    "system": _message,
    "developer": _message,
    "user": _message,
    "assistant": _answer,
    "tool": _result,
}


def _content(content: str | Sequence[ReadPart]) -> str | list[ContentPart]:
    return content if isinstance(content, str) else [_PARTS[type(part)](part) for part in content]


def _image(part: wire.ImagePart) -> ContentPart:
    return InputImage(image_url=part.image_url.url)


def _audio(part: wire.AudioPart) -> ContentPart:
    sound = part.input_audio
    return InputAudio(input_audio=AudioData(data=sound.data, format="wav" if sound.format == "wav" else "mp3"))


def _file(part: wire.FilePart) -> ContentPart:
    return InputFile(file_data=part.file.file_data, file_id=part.file.file_id, filename=part.file.filename)


_PARTS: dict[type[Any], Callable[[Any], ContentPart]] = {
    wire.TextPart: lambda part: InputText(text=part.text),
    wire.ImagePart: _image,
    wire.AudioPart: _audio,
    wire.FilePart: _file,
    VideoPart: lambda part: InputFile(file_url=part.video_url.url),
    SoundPart: lambda part: InputFile(file_url=part.audio_url.url),
    RefusalPart: lambda part: Refusal(refusal=part.refusal),
}
