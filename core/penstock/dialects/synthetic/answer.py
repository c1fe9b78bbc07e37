"""Answers: everything that the model says in one turn, cut to the limits of the request, before any of it is sent.

It knows the order of a turn (thoughts, then calls or text) and where it ends: at a stop sequence, or when the tokens
are used up. How an answer is told, piece by piece or whole, is not its business.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from penstock.ports import Turn
from penstock.wire import CreateResponse, IncompleteReason, JsonObjectFormat, JsonSchemaFormat, Logprob

from .logprobs import logprobs
from .prompt_view import Heard, hear
from .prose import answer_tokens, thought_tokens
from .seeded_random import CALLS, ODDS, PROSE, THOUGHTS, Chance, seed
from .tokens import split


class SpokenCall(msgspec.Struct):
    """A call, its arguments as tokens; its beginning, with id and name, is one token more."""

    call_id: str
    name: str
    tokens: list[str]


class Answer(msgspec.Struct, kw_only=True):
    """What is said in one turn. No token is empty. `logprobs` are there for every token of the text, or not at all."""

    input_tokens: int
    thoughts: list[str]
    calls: list[SpokenCall]
    text: list[str]
    logprobs: list[Logprob] = []
    incomplete: IncompleteReason | None = None

    def output_tokens(self) -> int:
        """All tokens that are said, thoughts included."""
        return len(self.thoughts) + sum([1 + len(call.tokens) for call in self.calls]) + len(self.text)


def answer(turn: Turn) -> Answer:
    """The answer to a turn. Raises `ApiError` for what cannot be answered."""
    heard = hear(turn)
    seeds = seed(heard.content)
    said = Answer(
        input_tokens=heard.input_tokens,
        thoughts=_thoughts(turn.request, heard, seeds),
        calls=_calls(turn, heard, seeds),
        text=[],
    )
    if not said.calls:
        said.text = _before_stop(_text(turn.request, heard, seeds), turn.request.stop)
    _limit(said, turn.request.max_output_tokens)
    said.logprobs = _logprobs(turn.request, said.text, seeds)
    return said


def _thoughts(request: CreateResponse, heard: Heard, seeds: bytes) -> list[str]:
    effort = request.reasoning.effort if request.reasoning else None
    if effort in (None, "none"):
        return []
    return thought_tokens(heard, Chance(seeds, THOUGHTS), effort)


def _calls(turn: Turn, heard: Heard, seeds: bytes) -> list[SpokenCall]:
    if not turn.offers:
        return []
    from .calls import calls  # whoever is offered no tools need not load what reads their schemas

    made = calls(turn, heard, Chance(seeds, CALLS))
    return [SpokenCall(call.call_id, call.name, split(call.arguments)) for call in made]


def _text(request: CreateResponse, heard: Heard, seeds: bytes) -> list[str]:
    form = request.text.format if request.text else None
    chance = Chance(seeds, PROSE)
    if isinstance(form, JsonObjectFormat | JsonSchemaFormat):
        from .structured import json_text
        from .work import Work

        return split(json_text(form, heard, chance, Work()))
    return answer_tokens(heard, chance, request.text.verbosity if request.text else None)


def _before_stop(tokens: list[str], stop: str | Sequence[str] | None) -> list[str]:
    """The tokens before the first stop sequence; one that holds its beginning is cut."""
    text = "".join(tokens) if stop else ""
    places = [text.find(each) for each in ([stop] if isinstance(stop, str) else stop or ()) if each]
    end = min([place for place in places if place >= 0], default=None)
    return tokens if end is None else _cut(tokens, end)


def _cut(tokens: list[str], chars: int) -> list[str]:
    kept: list[str] = []
    for token in tokens:
        if chars <= 0:
            break
        kept.append(token[:chars])
        chars -= len(token)
    return kept


def _limit(said: Answer, tokens_max: int | None) -> None:
    """Cut what goes over the limit, from the end."""
    if tokens_max is None or said.output_tokens() <= tokens_max:
        return
    said.incomplete = "max_output_tokens"
    said.thoughts = said.thoughts[:tokens_max]
    left = tokens_max - len(said.thoughts)
    said.text = said.text[:left]
    begun: list[SpokenCall] = []
    for call in said.calls:
        if left <= 0:
            break
        call.tokens = call.tokens[: left - 1]
        left -= 1 + len(call.tokens)
        begun.append(call)
    said.calls = begun


def _logprobs(request: CreateResponse, tokens: list[str], seeds: bytes) -> list[Logprob]:
    asked = "message.output_text.logprobs" in (request.include or ())
    if not (asked or request.top_logprobs):
        return []
    return logprobs(tokens, request.top_logprobs or 0, Chance(seeds, ODDS))
