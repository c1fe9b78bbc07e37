"""Calls: which of the turn's tools the model calls, and with which arguments.

It knows names and schemas. The model calls a tool because `tool_choice` requires it, or because the user's last message
contains the tool's name or the words of that name. It does not know tool families: every tool is a function here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from penstock.ports import Turn
from penstock.tool_calls import FunctionDefinition
from penstock.wire import NULL

from .document import Document
from .prompt_view import PromptView
from .schema import Schema
from .seeded_random import SeededRandom
from .strings import WordSource
from .values import make_value
from .work_budget import WorkBudget

CALL_ID_DIGITS = 24
QUESTION_CHARS_MAX = 20_000
"""How many characters at the end of a message are searched for names of tools."""

_URL_NAMES = frozenset({"url", "uri"})
"""A parameter of this name is a URL, which few schemas state."""

_between_words = re.compile(r"[\W_]+").sub


class GeneratedCall(msgspec.Struct):
    """One call of the model. `arguments` is a JSON object."""

    call_id: str
    name: str
    arguments: str


def make_calls(turn: Turn, prompt: PromptView, random: SeededRandom) -> list[GeneratedCall]:
    """The calls of this turn, or an empty list. Raises `ApiError` for a tool that cannot be called."""
    budget = WorkBudget()
    return [
        GeneratedCall(f"call_{random.hex(CALL_ID_DIGITS)}", offer.name, _arguments(turn, offer, prompt, random, budget))
        for offer in _chosen(turn, prompt, random)
    ]


def _chosen(turn: Turn, prompt: PromptView, random: SeededRandom) -> list[FunctionDefinition]:
    """The tools to call. Where a call is required, results of earlier calls do not prevent it; else they do."""
    choice = turn.choice
    if choice.mode == "none" or not turn.offers:
        return []
    if choice.name is not None:
        return [offer for offer in turn.offers if offer.name == choice.name]
    is_required = choice.mode == "required"
    if prompt.results and not is_required:
        return []
    named = _named(turn.offers, prompt.question) or ([random.pick(_usable(turn.offers, prompt))] if is_required else [])
    return named[:1] if turn.request.parallel_tool_calls is False else named


def _named(offers: Sequence[FunctionDefinition], question: str) -> list[FunctionDefinition]:
    """The tools that a message names, in the order of the message."""
    text = _as_words(question[-QUESTION_CHARS_MAX:])
    starts = [(text.find(_as_words(offer.name)), index) for index, offer in enumerate(offers)]
    return [offers[index] for start, index in sorted(starts) if start >= 0]


def _usable(offers: Sequence[FunctionDefinition], prompt: PromptView) -> Sequence[FunctionDefinition]:
    """The tools that a model would call: without a URL in the prompt, none that needs one."""
    if prompt.urls():
        return offers
    return [offer for offer in offers if not _needs_url(offer)] or offers


def _needs_url(offer: FunctionDefinition) -> bool:
    try:
        return not _URL_NAMES.isdisjoint(msgspec.json.decode(offer.parameters or b"{}", type=_Parameters).required)
    except (msgspec.MsgspecError, RecursionError):
        return False


class _Parameters(msgspec.Struct):
    """What is read of the parameters of each tool."""

    required: list[str] = []


def _as_words(text: str) -> str:
    """A text as lower-case words, each with a space before and behind it."""
    return f" {_between_words(' ', text.lower()).strip()} "


def _arguments(
    turn: Turn, offer: FunctionDefinition, prompt: PromptView, random: SeededRandom, budget: WorkBudget
) -> str:
    if offer.parameters in (NULL, msgspec.Raw()):
        return "{}"
    document = Document(offer.parameters, _param(turn, offer), budget)
    if document.root.type != "object":  # arguments are always an object
        document.root = Schema(all_of=[document.root, Schema(type="object")])
    _mark_urls(document.root)
    value = make_value(document, random, WordSource(_words(offer, prompt), 1, random, prompt.urls()))
    return msgspec.json.encode(value).decode()


def _mark_urls(root: Schema) -> None:
    """Give the parameters that are URLs by their names the format of one."""
    for name in _URL_NAMES & root.properties.keys():
        schema = root.properties[name]
        if isinstance(schema, Schema) and schema.types() == ["string"] and schema.pattern is None:
            schema.format = schema.format or "uri"


def _words(offer: FunctionDefinition, prompt: PromptView) -> list[str]:
    """The user's words for the arguments, without those of the tool's name. Names and numbers come first."""
    in_name = {offer.name.lower(), *_as_words(offer.name).split()}
    words = [word for word in prompt.words() if word.lower() not in in_name]
    return sorted(words, key=lambda word: word[0].islower())


def _param(turn: Turn, offer: FunctionDefinition) -> str:
    """The path of the tool's schema in the request, for errors."""
    for index, tool in enumerate(turn.request.tools or ()):
        if getattr(tool, "name", None) == offer.name:
            return f"tools[{index}].parameters"
    return "tools"
