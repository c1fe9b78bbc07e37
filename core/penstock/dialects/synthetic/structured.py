"""Structured answers: JSON text where the request asks for it.

It knows the two JSON formats of `text.format`. It never checks what it made.
"""

from __future__ import annotations

import msgspec

from penstock.wire import JsonObjectFormat, JsonSchemaFormat

from .document import Document
from .prompt_view import Heard
from .seeded_random import Chance
from .strings import Wording
from .values import make
from .work import Work

WORDS_PER_STRING = 4
PARAM = "text.format.schema"

_ANY_OBJECT = msgspec.Raw(
    b'{"type":"object","properties":{"topic":{"type":"string"},"summary":{"type":"string","minLength":24},'
    b'"words":{"type":"array","items":{"type":"string"}},"score":{"type":"number","minimum":0,"maximum":1},'
    b'"final":{"type":"boolean"}},"required":["topic","summary"]}'
)
"""What is said where any object will do."""


def json_text(form: JsonObjectFormat | JsonSchemaFormat, heard: Heard, chance: Chance, work: Work) -> str:
    """A JSON text in the format. Raises `ApiError` for a schema that cannot be satisfied."""
    schema = form.schema if isinstance(form, JsonSchemaFormat) else _ANY_OBJECT
    wording = Wording(heard.words(), WORDS_PER_STRING, chance)
    return msgspec.json.encode(make(Document(schema, PARAM, work), chance, wording)).decode()
