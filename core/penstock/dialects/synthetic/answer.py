"""Answers: everything that the model generates in one turn, cut to the limits of the request, before it is sent.

It knows the order of a turn (reasoning, then calls or text) and where it ends: at a stop sequence, or when the tokens
are used up. It does not know whether the answer is streamed.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from penstock.ports import Turn
from penstock.wire import CreateResponse, IncompleteReason, JsonObjectFormat, JsonSchemaFormat, Logprob

from .logprobs import logprobs
from .options import DEFAULTS, SyntheticOptions
from .prompt_view import PromptView, read_prompt
from .prose import answer_tokens, reasoning_tokens
from .seeded_random import CALLS, LOGPROBS, PROSE, REASONING, SeededRandom, seed
from .tokens import split


class CallTokens(msgspec.Struct):
    """A call, with its arguments as tokens. Its id and name together count as one more token."""

    call_id: str
    name: str
    tokens: list[str]


class Answer(msgspec.Struct, kw_only=True):
    """The output of one turn. No token is empty. `logprobs` has an entry for every token of `text`, or none."""

    input_tokens: int
    reasoning: list[str]
    calls: list[CallTokens]
    text: list[str]
    logprobs: list[Logprob] = []
    incomplete: IncompleteReason | None = None

    def output_tokens(self) -> int:
        """The number of all tokens of the output, reasoning included."""
        return len(self.reasoning) + sum([1 + len(call.tokens) for call in self.calls]) + len(self.text)


def make_answer(turn: Turn, options: SyntheticOptions = DEFAULTS) -> Answer:
    """The answer to a turn. Raises `ApiError` for a turn that the model cannot answer."""
    prompt = read_prompt(turn)
    seeds = seed(prompt.content if options.seed is None else f"{options.seed}\x1f{prompt.content}")
    answer = Answer(
        input_tokens=prompt.input_tokens,
        reasoning=_reasoning(turn.request, prompt, seeds),
        calls=_calls(turn, prompt, seeds),
        text=[],
    )
    if not answer.calls:
        answer.text = _before_stop(_text(turn.request, prompt, seeds), turn.request.stop)
    _cut_to_limit(answer, turn.request.max_output_tokens)
    answer.logprobs = _logprobs(turn.request, answer.text, seeds)
    return answer


def _reasoning(request: CreateResponse, prompt: PromptView, seeds: bytes) -> list[str]:
    effort = request.reasoning.effort if request.reasoning else None
    if effort in (None, "none"):
        return []
    return reasoning_tokens(prompt, SeededRandom(seeds, REASONING), effort)


def _calls(turn: Turn, prompt: PromptView, seeds: bytes) -> list[CallTokens]:
    if not turn.offers:
        return []
    from .calls import make_calls  # a process whose requests have no tools does not load the code that reads schemas

    made = make_calls(turn, prompt, SeededRandom(seeds, CALLS))
    return [CallTokens(call.call_id, call.name, split(call.arguments)) for call in made]


def _text(request: CreateResponse, prompt: PromptView, seeds: bytes) -> list[str]:
    text_format = request.text.format if request.text else None
    random = SeededRandom(seeds, PROSE)
    if isinstance(text_format, JsonObjectFormat | JsonSchemaFormat):
        from .structured import json_text
        from .work_budget import WorkBudget

        return split(json_text(text_format, prompt, random, WorkBudget()))
    return answer_tokens(prompt, random, request.text.verbosity if request.text else None)


def _before_stop(tokens: list[str], stop: str | Sequence[str] | None) -> list[str]:
    """The tokens before the first stop sequence. A token in which the sequence begins is cut."""
    text = "".join(tokens) if stop else ""
    starts = [text.find(each) for each in ([stop] if isinstance(stop, str) else stop or ()) if each]
    end = min([start for start in starts if start >= 0], default=None)
    return tokens if end is None else _cut(tokens, end)


def _cut(tokens: list[str], chars: int) -> list[str]:
    before: list[str] = []
    for token in tokens:
        if chars <= 0:
            break
        before.append(token[:chars])
        chars -= len(token)
    return before


def _cut_to_limit(answer: Answer, tokens_max: int | None) -> None:
    """Cut the output to the limit, from its end."""
    if tokens_max is None or answer.output_tokens() <= tokens_max:
        return
    answer.incomplete = "max_output_tokens"
    answer.reasoning = answer.reasoning[:tokens_max]
    left = tokens_max - len(answer.reasoning)
    answer.text = answer.text[:left]
    within: list[CallTokens] = []
    for call in answer.calls:
        if left <= 0:
            break
        call.tokens = call.tokens[: left - 1]
        left -= 1 + len(call.tokens)
        within.append(call)
    answer.calls = within


def _logprobs(request: CreateResponse, tokens: list[str], seeds: bytes) -> list[Logprob]:
    wanted = "message.output_text.logprobs" in (request.include or ())
    if not (wanted or request.top_logprobs):
        return []
    return logprobs(tokens, request.top_logprobs or 0, SeededRandom(seeds, LOGPROBS))
