"""Structured answers: JSON text where the request asks for it.

It knows the two JSON formats of `text.format`. It does not validate the JSON that it made.
"""

from __future__ import annotations

import msgspec

from penstock.wire import JsonObjectFormat, JsonSchemaFormat

from .document import Document
from .prompt_view import PromptView
from .seeded_random import SeededRandom
from .strings import WordSource
from .values import make_value
from .work_budget import WorkBudget

WORDS_PER_STRING = 4
PARAM = "text.format.schema"

_ANY_OBJECT = msgspec.Raw(
    b'{"type":"object","properties":{"topic":{"type":"string"},"summary":{"type":"string","minLength":24},'
    b'"words":{"type":"array","items":{"type":"string"}},"score":{"type":"number","minimum":0,"maximum":1},'
    b'"final":{"type":"boolean"}},"required":["topic","summary"]}'
)
"""The schema of an answer for `json_object`, where any object is allowed."""


def json_text(
    text_format: JsonObjectFormat | JsonSchemaFormat, prompt: PromptView, random: SeededRandom, budget: WorkBudget
) -> str:
    """A JSON text in the format. Raises `ApiError` for a schema that no value satisfies."""
    schema = text_format.schema if isinstance(text_format, JsonSchemaFormat) else _ANY_OBJECT
    words = WordSource(prompt.words(), WORDS_PER_STRING, random)
    return msgspec.json.encode(make_value(Document(schema, PARAM, budget), random, words)).decode()
