"""What the model hears of a turn: the texts, the last question, what its calls gave back, and what all that costs.

It knows how items are read, other families through `penstock.tool_calls` alone; it never says anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from penstock.errors import invalid
from penstock.ports import Turn
from penstock.tool_calls import CALLS, OUTPUTS, SILENT, Output
from penstock.wire import (
    ContentPart,
    CreateResponse,
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
    UnknownPart,
)

from .phrases import STOP_WORDS
from .tokens import FILE_TOKENS, IMAGE_TOKENS, ITEM_TOKENS, TOKEN_BYTES, count_tokens

WORDS_CHARS_MAX = 500
"""How much of a text is looked at for words to repeat."""
RESULTS_MAX = 8
"""How many results are looked at for the same."""

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
"""Words, names of files and addresses among them."""


class Result(msgspec.Struct):
    """What a call gave back, and to which tool it was made."""

    name: str
    text: str


class Heard(msgspec.Struct, kw_only=True):
    """A turn as the model understands it."""

    question: str
    """The text of the last user message, or the instructions where there is none."""
    results: list[Result]
    """What was given back after that message."""
    content: str
    """Everything that the answer depends on; ids are not in it, since they differ from run to run."""
    input_tokens: int

    def words(self) -> list[str]:
        """The words worth repeating, as they were written: of the results first, which are news."""
        texts = [result.text[:WORDS_CHARS_MAX] for result in self.results[:RESULTS_MAX]]
        text = " ".join([*texts, self.question[:WORDS_CHARS_MAX]])
        return [word for word in _words(text) if word.lower() not in STOP_WORDS]


def hear(turn: Turn) -> Heard:
    """Read a turn. Raises `ApiError` for an item that no chat model understands."""
    ear = _Ear()
    for index, item in enumerate(turn.items):
        ear.item(item, index)
    request = turn.request
    text = "\n".join(ear.texts)
    content = "\x1f".join([*_settings(turn), "".join(ear.kinds), request.instructions or "", text])
    tokens = count_tokens(text) + ear.tokens + count_tokens(request.instructions or "") + _tool_tokens(turn)
    return Heard(
        question=ear.question or request.instructions or "",
        results=ear.results,
        content=content,
        input_tokens=tokens,
    )


class _Ear:
    """Takes a turn's items one after the other."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.texts: list[str] = []
        self.tokens = 0
        self.question = ""
        self.results: list[Result] = []
        self._names: dict[str, str] = {}

    def item(self, item: InputItem, index: int) -> None:
        """Any item; `index` is its place, for errors."""
        self.tokens += ITEM_TOKENS
        if isinstance(item, Message):
            self._message(item)
        elif read_call := CALLS.get(type(item)):
            call = read_call(item)
            self._names[call.call_id] = call.name
            self._take("call", f"{call.name} {call.arguments}")
        elif read_output := OUTPUTS.get(type(item)):
            self._output(read_output(item))
        elif isinstance(item, ReasoningItem):
            self._take("thought", "\n".join(_thoughts(item)))
        elif type(item) not in SILENT:
            raise invalid(f"Items of type '{item.type}' cannot be sent to this model.", f"input[{index}].type")

    def _message(self, message: Message) -> None:
        text = self._text(message.content)
        self._take(message.role, text)
        if message.role == "user":
            self.question, self.results = text, []

    def _output(self, output: Output) -> None:
        text = self._text(output.content)
        self._take("output", text)
        self.results.append(Result(self._names.get(output.call_id, "tool"), text))

    def _take(self, kind: str, text: str) -> None:
        self.kinds.append(kind)
        self.texts.append(text)

    def _text(self, content: str | Sequence[ContentPart]) -> str:
        """The text of a content; parts of any other kind cost what they cost."""
        if isinstance(content, str):
            return content
        self.tokens += sum(_COSTS.get(type(part), 0) for part in content)
        return "\n".join([_TEXTS[type(part)](part) for part in content if type(part) in _TEXTS])


def _thoughts(item: ReasoningItem) -> list[str]:
    return [part.text for part in item.content or item.summary if not isinstance(part, UnknownPart)]


def _settings(turn: Turn) -> list[str]:
    """What besides the context makes an answer another one. Limits are not among it: they only cut."""
    request = turn.request
    sampling = f"{request.seed} {request.temperature} {request.top_p} {request.top_k} {request.min_p}"
    names = " ".join([offer.name for offer in turn.offers])
    return [turn.model, sampling, names, turn.choice.mode, turn.choice.name or "", *_format(request)]


def _format(request: CreateResponse) -> list[str]:
    form = request.text.format if request.text else None
    if isinstance(form, JsonSchemaFormat):
        return [form.name, bytes(form.schema).decode("utf-8", "replace")]
    return ["json"] if isinstance(form, JsonObjectFormat) else []


def _tool_tokens(turn: Turn) -> int:
    """What the offered functions, and a schema for the answer, add to the input."""
    counted = sum([_schema_tokens(offer.parameters) for offer in turn.offers])
    named = "".join([f"{offer.name}{offer.description or ''}" for offer in turn.offers])
    form = turn.request.text.format if turn.request.text else None
    if isinstance(form, JsonSchemaFormat):
        counted += _schema_tokens(form.schema)
    return counted + count_tokens(named) + ITEM_TOKENS * len(turn.offers)


def _schema_tokens(schema: msgspec.Raw) -> int:
    return memoryview(schema).nbytes // TOKEN_BYTES
