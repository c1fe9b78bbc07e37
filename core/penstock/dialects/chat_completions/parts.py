"""What stands in a list of content parts, or in the fields for thoughts and media, as deltas.

It knows the types of parts by tables. A part of an unknown type gives its text, or a note that it was there.
"""

from __future__ import annotations

from base64 import b64encode
from urllib.parse import unquote_to_bytes

import msgspec

from penstock import lenient
from penstock.transcript.deltas import AudioDelta, Delta, ImageDelta, ReasoningDelta, RefusalDelta, TextDelta
from penstock.wire import UNSET

from . import wire

_fields_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

_TEXTS = frozenset((None, "", "text", "output_text", "input_text", "text_delta"))
_THOUGHT_MARKS = ("think", "thought", "reason", "summary", "analysis")
"""What is in the types of all parts that are thoughts: `thinking`, `redacted_thinking`, `reasoning.text`, …"""

_THOUGHT_NAMES = (
    "thinking",
    "thinking_blocks",
    "thought",
    "thoughts",
    "reasoning_text",
    "thinking_content",
    "reasoning_summary",
    "reasoningContent",
    "reasoning_steps",
    "thinking_text",
    "chain_of_thought",
    "cot_summary",
    "analysis",
)
"""What few call the thoughts of a message."""


def is_thought(part: wire.ReadPart) -> bool:
    """Whether a part is a thought: by its type, or by Gemini's mark on a text."""
    kind = part.type or ""
    is_marked = bool(part.thought) or any(mark in kind for mark in _THOUGHT_MARKS)
    return is_marked or bool(part.thinking or part.bedrock_reasoning)


def is_text_or_thought(kind: str | None) -> bool:
    """Whether parts of this type are texts or thoughts, which a Response has a place for."""
    return kind in _TEXTS or any(mark in (kind or "") for mark in _THOUGHT_MARKS)


def words(value: wire.Words) -> str:
    """The text in a text, a part, or a list of both."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, list):
        return "".join(map(words, value))
    thought = None if isinstance(value.thought, bool) else value.thought
    bedrock = (value.bedrock_reasoning, value.bedrock_reasoning_text, value.reasoning_text)
    inner = (value.thinking, value.reasoning, value.reasoning_content, thought, *bedrock, value.summary, value.content)
    return _text(value) or next(filter(None, map(words, inner)), "")


def _text(part: wire.ReadPart) -> str:
    text = part.text
    return (text.value or "") if isinstance(text, wire.ReadText) else text or ""


def other_thought(message: wire.ReadMessage) -> str:
    """The thought of a message that has none by the usual names. Of several that are the same the first is taken."""
    extras = {} if message.extras is UNSET else _fields_of(message.extras)
    details = [] if message.reasoning_details is UNSET else [message.reasoning_details]
    thoughts = [*details, *(extras[name] for name in _THOUGHT_NAMES if name in extras)]
    return next(filter(None, map(_thought_in, thoughts)), "")


def _thought_in(raw: msgspec.Raw) -> str:
    try:
        return words(lenient.fit({"content": lenient.loads(bytes(raw))}, wire.ReadPart).content)
    except ValueError:
        return ""


_MEDIA_NAMES = ("image", "image_url", "image_urls", "video", "video_url", "videos", "files", "attachments")
"""Where few have media beside the content of a message."""
_NOTHING = (msgspec.Raw(b"[]"), msgspec.Raw(b'""'), msgspec.Raw(b"{}"))


def other_media(message: wire.ReadMessage) -> list[UnsupportedContent]:
    """The media of a message by names under which a Response has no place for them."""
    if message.extras is UNSET:
        return []
    extras = _fields_of(message.extras)
    return [UnsupportedContent(name) for name in _MEDIA_NAMES if name in extras and extras[name] not in _NOTHING]


class UnsupportedContent(msgspec.Struct, frozen=True):
    """A part of which the Response has nothing."""

    kind: str


def read_part(part: str | wire.ReadPart) -> list[Delta | UnsupportedContent]:
    """One content part."""
    if isinstance(part, str):
        return [TextDelta(part)] if part else []
    # spec: thoughts-as-parts
    if is_thought(part):
        thought = words(part)
        return [ReasoningDelta(thought)] if thought else []
    text = _text(part) or words(part.content)
    deltas: list[Delta | UnsupportedContent] = [TextDelta(text)] if text else []
    if part.refusal:
        deltas.append(RefusalDelta(part.refusal))
    # spec: media-in-answers
    if part.type not in _TEXTS or not text:
        deltas += read_image(part) or read_audio(part.audio or part.input_audio)
    return deltas or [UnsupportedContent(part.type or "unknown")] * (part.type not in _TEXTS)


def read_image(part: str | wire.ReadPart) -> list[Delta]:
    """An image: by its data as an item of its own, by an address as a link in the text, since nothing is fetched."""
    media = wire.ReadMedia(url=part) if isinstance(part, str) else _image(part)
    url, data, kind = (
        media.url or "",
        media.b64_json or media.data,
        media.mime_type or media.mime or media.media_type or "",
    )
    if url.startswith("data:"):
        head, _, data = url.partition(",")
        kind, url = head.removeprefix("data:").partition(";")[0], ""
        if not head.endswith(";base64"):
            data = b64encode(unquote_to_bytes(data)).decode()
    if data:
        return [ImageDelta(data, kind.rpartition("/")[2] or None)]
    return [TextDelta(f"![image]({url})")] if url else []


def _image(part: wire.ReadPart) -> wire.ReadMedia:
    for named in (part.image_url, part.image, part.inline_data, part.inline, part.source):
        if named is not None:
            return wire.ReadMedia(url=named) if isinstance(named, str) else named
    return wire.ReadMedia(url=part.url, data=part.data, b64_json=part.b64_json)


def read_audio(audio: wire.ReadMedia | None) -> list[Delta | UnsupportedContent]:
    """Speech: its transcript is the text of the answer. The sound has events of its own, and no place in a Response."""
    if audio is None:
        return []
    deltas: list[Delta | UnsupportedContent] = [TextDelta(audio.transcript)] if audio.transcript else []
    return [AudioDelta(audio.data), UnsupportedContent("audio"), *deltas] if audio.data else deltas
