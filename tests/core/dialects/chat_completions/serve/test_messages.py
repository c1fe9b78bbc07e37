"""The messages of a chat client as items: what was written as messages reads back as the same items."""

from __future__ import annotations

import json

import msgspec

from penstock.dialects.chat_completions.history import messages
from penstock.dialects.chat_completions.serve.messages import read_messages
from penstock.dialects.chat_completions.serve.requests import ReadMessage
from penstock.dialects.chat_completions.wire import Options
from penstock.json_codec import encode
from penstock.wire import (
    AudioData,
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

HISTORY: list[InputItem] = [
    Message(role="system", content="Be brief."),
    Message(
        role="user",
        content=[
            InputText(text="Look:"),
            InputImage(image_url="data:image/png;base64,AA=="),
            InputAudio(input_audio=AudioData(data="AA==", format="wav")),
            InputFile(file_id="file_1", file_data=None, filename=None),
        ],
    ),
    ReasoningItem(content=[ReasoningText(text="I have to look it up.")]),
    Message(role="assistant", content="One moment."),
    FunctionCall(call_id="call_1", name="look", arguments='{"at":1}'),
    FunctionCallOutput(call_id="call_1", output="a cat"),
    Message(role="user", content="Thanks."),
]


def read(written: str | bytes) -> list[InputItem]:
    return read_messages(msgspec.json.decode(written, type=list[ReadMessage]))


def test_what_the_dialect_writes_reads_back() -> None:
    written = encode(messages(None, HISTORY, Options(), None))
    assert encode(read(written)) == encode(HISTORY)


def test_the_other_forms_of_messages() -> None:
    given = [
        {"role": "developer", "content": [{"type": "text", "text": "a"}]},
        {"role": "user", "content": [{"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AA=="}}]},
        {"role": "user", "content": [{"type": "audio_url", "audio_url": {"url": "data:audio/wav;base64,AA=="}}]},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}], "reasoning": "hm"},
        {"role": "assistant", "content": None, "refusal": "never"},
        {"role": "tool", "tool_call_id": "c", "content": None},
    ]
    assert encode(read(json.dumps(given))) == encode(
        [
            Message(role="developer", content=[InputText(text="a")]),
            Message(role="user", content=[InputFile(file_url="data:video/mp4;base64,AA==")]),
            Message(role="user", content=[InputFile(file_url="data:audio/wav;base64,AA==")]),
            ReasoningItem(content=[ReasoningText(text="hm")]),
            Message(role="assistant", content=[Refusal(refusal="no")]),
            Message(role="assistant", content=[Refusal(refusal="never")]),
            FunctionCallOutput(call_id="c", output=""),
        ]
    )
