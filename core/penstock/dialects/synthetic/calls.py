"""Calls: which of the offered tools the model calls, and with what.

It knows names and schemas. A tool is called because it must be, or because the user's last message names it: by its
name, or by the words of its name. Tool families are none of its business: an offer is a function.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from penstock.ports import Turn
from penstock.tool_calls import FunctionDefinition
from penstock.wire import NULL

from .document import Document
from .prompt_view import Heard
from .schema import Schema
from .seeded_random import Chance
from .strings import Wording
from .values import make
from .work import Work

CALL_ID_DIGITS = 24
QUESTION_CHARS_MAX = 20_000
"""How much of a message is looked at for names of tools: its end."""

_between_words = re.compile(r"[\W_]+").sub


class Called(msgspec.Struct):
    """One call as the model makes it. `arguments` is a JSON object."""

    call_id: str
    name: str
    arguments: str


def calls(turn: Turn, heard: Heard, chance: Chance) -> list[Called]:
    """The calls of this turn, if any. Raises `ApiError` for a tool that cannot be called."""
    work = Work()
    return [
        Called(f"call_{chance.hex(CALL_ID_DIGITS)}", offer.name, _arguments(turn, offer, heard, chance, work))
        for offer in _chosen(turn, heard, chance)
    ]


def _chosen(turn: Turn, heard: Heard, chance: Chance) -> list[FunctionDefinition]:
    """Whoever must call does so though results are there; who may, looks at the results instead."""
    choice = turn.choice
    if choice.mode == "none" or not turn.offers:
        return []
    if choice.name is not None:
        return [offer for offer in turn.offers if offer.name == choice.name]
    must = choice.mode == "required"
    if heard.results and not must:
        return []
    named = _named(turn.offers, heard.question) or ([chance.pick(turn.offers)] if must else [])
    return named[:1] if turn.request.parallel_tool_calls is False else named


def _named(offers: Sequence[FunctionDefinition], question: str) -> list[FunctionDefinition]:
    """The offered tools that a message names, in its order."""
    said = _as_words(question[-QUESTION_CHARS_MAX:])
    places = [(said.find(_as_words(offer.name)), index) for index, offer in enumerate(offers)]
    return [offers[index] for place, index in sorted(places) if place >= 0]


def _as_words(text: str) -> str:
    """A text as small words with a space around each."""
    return f" {_between_words(' ', text.lower()).strip()} "


def _arguments(turn: Turn, offer: FunctionDefinition, heard: Heard, chance: Chance, work: Work) -> str:
    if offer.parameters in (NULL, msgspec.Raw()):
        return "{}"
    document = Document(offer.parameters, _param(turn, offer), work)
    if document.root.type != "object":  # which alone can be arguments
        document.root = Schema(all_of=[document.root, Schema(type="object")])
    value = make(document, chance, Wording(_words(offer, heard), 1, chance))
    return msgspec.json.encode(value).decode()


def _words(offer: FunctionDefinition, heard: Heard) -> list[str]:
    """The user's words for the arguments: not those that name the tool, and names and numbers first."""
    naming = {offer.name.lower(), *_as_words(offer.name).split()}
    words = [word for word in heard.words() if word.lower() not in naming]
    return sorted(words, key=lambda word: word[0].islower())


def _param(turn: Turn, offer: FunctionDefinition) -> str:
    """Where in the request the offer's schema stands, for errors."""
    for index, tool in enumerate(turn.request.tools or ()):
        if getattr(tool, "name", None) == offer.name:
            return f"tools[{index}].parameters"
    return "tools"
