"""What the model reads of a turn: the texts, the last question, the outputs of its calls, and the input tokens.

It reads items of tool families through `penstock.tool_calls`. It never generates anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from penstock.errors import invalid
from penstock.ports import Turn
from penstock.tool_calls import CALLS, OUTPUTS, WITHOUT_MESSAGE, Output
from penstock.wire import (
    ContentPart,
    InputAudio,
    InputFile,
    InputImage,
    InputItem,
    InputText,
    JsonObjectFormat,
    JsonSchemaFormat,
    Message,
    OutputText,
    Part,
    ReasoningItem,
    Refusal,
    TextFormat,
    UnknownPart,
)

from .phrases import STOP_WORDS
from .tokens import FILE_TOKENS, IMAGE_TOKENS, ITEM_TOKENS, TOKEN_BYTES, count_tokens

WORDS_CHARS_MAX = 500
"""How many characters at the beginning of a text are searched for words to repeat."""
RESULTS_MAX = 8
"""How many results are searched for words to repeat, and quoted."""

_TEXTS: dict[type[Part], Callable[[Any], str]] = {
    InputText: lambda part: str(part.text),
    OutputText: lambda part: str(part.text),
    Refusal: lambda part: str(part.refusal),
}
_COSTS: dict[type[Part], int] = {
    InputImage: IMAGE_TOKENS,
    InputFile: FILE_TOKENS,
    InputAudio: FILE_TOKENS,
}
_words = re.compile(r"\w+(?:[./:@'-]\w+)*").findall
"""The words of a text. File names and addresses are words too."""
_urls = re.compile(r"https?://[^\s<>\"'`()\[\]{}]+").findall


class Result(msgspec.Struct):
    """The output of a call, and the name of the tool that was called."""

    name: str
    text: str


class PromptView(msgspec.Struct, kw_only=True):
    """A turn as the model reads it."""

    question: str
    """The text of the last user message, or the instructions where there is none."""
    results: list[Result]
    """The outputs of calls after that message."""
    content: str
    """Everything that the answer depends on. Ids are not in it, since they differ from run to run."""
    text: str
    """The texts of all items."""
    input_tokens: int

    def words(self) -> list[str]:
        """The words to repeat, in their original spelling. Those of the results come first."""
        return [word for word in _words(self._beginnings()) if word.lower() not in STOP_WORDS]

    def urls(self) -> list[str]:
        """The URLs to repeat, in the same order."""
        return [url.rstrip(".,;:!?") for url in _urls(self._beginnings())]

    def _beginnings(self) -> str:
        """The text that words are taken from."""
        question = self.question[:WORDS_CHARS_MAX]
        if not self.results:
            return question
        return " ".join([*[result.text[:WORDS_CHARS_MAX] for result in self.results[:RESULTS_MAX]], question])


def read_prompt(turn: Turn) -> PromptView:
    """Read a turn. Raises `ApiError` for an item that cannot be sent to a chat model."""
    reader = _PromptReader()
    for index, item in enumerate(turn.items):
        reader.item(item, index)
    request = turn.request
    text = "\n".join(reader.texts)
    content = "\x1f".join([*_settings(turn), "".join(reader.kinds), request.instructions or "", text])
    tokens = count_tokens(text) + reader.tokens + count_tokens(request.instructions or "") + _tool_tokens(turn)
    return PromptView(
        question=reader.question or request.instructions or "",
        results=reader.results,
        content=content,
        text=text,
        input_tokens=tokens,
    )


class _PromptReader:
    """Reads the items of a turn, one after the other."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.texts: list[str] = []
        self.tokens = 0
        self.question = ""
        self.results: list[Result] = []
        self._names: dict[str, str] = {}

    def item(self, item: InputItem, index: int) -> None:
        """Read an item. `index` is its index in the input, for errors."""
        self.tokens += ITEM_TOKENS
        if isinstance(item, Message):
            self._message(item)
        elif type(item) in CALLS or type(item) in OUTPUTS:
            self._call(item)
        elif isinstance(item, ReasoningItem):
            self._add("thought", "\n".join(_reasoning_texts(item)))
        elif type(item) not in WITHOUT_MESSAGE:
            raise invalid(f"Items of type '{item.type}' cannot be sent to this model.", f"input[{index}].type")

    def _message(self, message: Message) -> None:
        content = message.content
        text = content if type(content) is str else self._text(content)
        self._add(message.role, text)
        if message.role == "user":
            self.question, self.results = text, []

    def _call(self, item: InputItem) -> None:
        """A call, or its output. An item of a hosted tool is both."""
        if read_call := CALLS.get(type(item)):
            call = read_call(item)
            self._names[call.call_id] = call.name
            self._add("call", f"{call.name} {call.arguments}")
        if read_output := OUTPUTS.get(type(item)):
            self._output(read_output(item))

    def _output(self, output: Output) -> None:
        text = self._text(output.content)
        self._add("output", text)
        self.results.append(Result(self._names.get(output.call_id, "tool"), text))

    def _add(self, kind: str, text: str) -> None:
        self.kinds.append(kind)
        self.texts.append(text)

    def _text(self, content: str | Sequence[ContentPart]) -> str:
        """The text of a content. For a part of any other kind, its tokens are counted."""
        if isinstance(content, str):
            return content
        self.tokens += sum(_COSTS.get(type(part), 0) for part in content)
        return "\n".join([_TEXTS[type(part)](part) for part in content if type(part) in _TEXTS])


def _reasoning_texts(item: ReasoningItem) -> list[str]:
    return [part.text for part in item.content or item.summary if not isinstance(part, UnknownPart)]


def _settings(turn: Turn) -> list[str]:
    """What the answer depends on beside the context. Limits are not part of it: they only cut the answer."""
    request = turn.request
    sampling = f"{request.seed} {request.temperature} {request.top_p} {request.top_k} {request.min_p}"
    names = " ".join([offer.name for offer in turn.offers]) if turn.offers else ""
    output_format = _format(request.text.format) if request.text else ()
    return [turn.model, sampling, names, turn.choice.mode, turn.choice.name or "", *output_format]


def _format(text_format: TextFormat | JsonObjectFormat | JsonSchemaFormat | None) -> list[str]:
    if isinstance(text_format, JsonSchemaFormat):
        return [text_format.name, bytes(text_format.schema).decode("utf-8", "replace")]
    return ["json"] if isinstance(text_format, JsonObjectFormat) else []


def _tool_tokens(turn: Turn) -> int:
    """The input tokens of the functions, and of a schema for the answer."""
    text_format = turn.request.text.format if turn.request.text else None
    counted = _schema_tokens(text_format.schema) if isinstance(text_format, JsonSchemaFormat) else 0
    if not turn.offers:
        return counted
    counted += sum([_schema_tokens(offer.parameters) for offer in turn.offers])
    named = "".join([f"{offer.name}{offer.description or ''}" for offer in turn.offers])
    return counted + count_tokens(named) + ITEM_TOKENS * len(turn.offers)


def _schema_tokens(schema: msgspec.Raw) -> int:
    return memoryview(schema).nbytes // TOKEN_BYTES
