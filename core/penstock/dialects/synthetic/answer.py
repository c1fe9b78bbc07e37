"""Answers: everything that the model generates in one turn, cut to the limits of the request, before it is sent.

It knows the order of a turn (reasoning, then calls or text) and where it ends: at a stop sequence, or when the tokens
are used up. It does not know whether the answer is streamed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat

import msgspec
from msgspec.structs import replace

from penstock.errors import invalid
from penstock.ports import Choice, Turn
from penstock.wire import CreateResponse, IncompleteReason, JsonObjectFormat, JsonSchemaFormat, Logprob

from .batching import block_hashes
from .draws import FIRST, Draws
from .lengths import TOKENS_MAX, Lengths, read_lengths
from .logprobs import logprobs
from .options import DEFAULTS, SyntheticOptions
from .prompt_view import PromptView, read_prompt
from .prose import answer_tokens, reasoning_tokens
from .repeated_tokens import first, joined
from .seeded_random import CALLS, LOGPROBS, PROSE, SeededRandom, seed
from .tokens import split

LOGPROBS_MAX = 10_000
"""The tokens of a text with logprobs. Each of them costs much more memory than its token."""


_JSON_FORMATS = (JsonObjectFormat, JsonSchemaFormat)


class CallTokens(msgspec.Struct):
    """A call, with its arguments as tokens. Its id and name together count as one more token."""

    call_id: str
    name: str
    tokens: list[str]


class Answer(msgspec.Struct, kw_only=True):
    """The output of one turn. No token is empty. `logprobs` has an entry for every token of `text`, or none."""

    input_tokens: int
    reasoning: Sequence[str]
    calls: list[CallTokens]
    text: Sequence[str]
    logprobs: list[Logprob] = []
    incomplete: IncompleteReason | None = None
    blocks: Sequence[int] = ()
    """The hashes of the input, where there is a prefix cache."""
    cached_tokens: int = 0
    """How many tokens of the input were in the prefix cache."""

    def output_tokens(self) -> int:
        """The number of all tokens of the output, reasoning included."""
        tokens = len(self.reasoning) + len(self.text)
        return tokens + sum([1 + len(call.tokens) for call in self.calls]) if self.calls else tokens


def make_answer(
    turn: Turn, options: SyntheticOptions = DEFAULTS, draws: Draws = FIRST, tokens_max: int = TOKENS_MAX
) -> Answer:
    """The answer to a turn. Raises `ApiError` for a turn that the model cannot answer."""
    request = turn.request
    prompt = read_prompt(turn)
    lengths = read_lengths(turn, options, draws, prompt.input_tokens, tokens_max)
    seeds = seed(prompt.content if options.seed is None else f"{options.seed}\x1f{prompt.content}")
    answer = Answer(
        input_tokens=prompt.input_tokens,
        reasoning=_reasoning(request, prompt, seeds, lengths.reasoning),
        calls=_calls(_with_choice(turn, prompt, options.tool_call_rate, draws), prompt, seeds) if turn.offers else [],
        text=[],
    )
    at_least = lengths.at_least and lengths.at_least - answer.output_tokens()
    if answer.calls and at_least > 0:
        answer.text = answer_tokens(prompt, seeds, None, at_least)
    elif not answer.calls:
        tokens = _text(request, prompt, seeds, lengths.text, at_least)
        if request.stop:
            tokens = _before_stop(tokens, request.stop, lengths.before_stop - len(answer.reasoning))
        answer.text = tokens
    _cut_to_limit(answer, lengths)
    if options.cache_tokens:
        answer.blocks = block_hashes(f"{request.instructions or ''}\n{prompt.text}", options.cache_tokens)
    answer.logprobs = _logprobs(request, answer.text, seeds)
    return answer


def _reasoning(request: CreateResponse, prompt: PromptView, seeds: bytes, exactly: int | None) -> Sequence[str]:
    effort = request.reasoning.effort if request.reasoning else None
    if exactly is None and effort in (None, "none"):
        return []
    return reasoning_tokens(prompt, seeds, effort, exactly)


def _with_choice(turn: Turn, prompt: PromptView, rate: float | None, draws: Draws) -> Turn:
    """The turn with the decision whether tools are called, where a rate decides that. After results it does not."""
    if rate is None or turn.choice.mode != "auto" or prompt.results:
        return turn
    return replace(turn, choice=Choice(mode="required" if draws.happens("tool_call", rate) else "none"))


def _calls(turn: Turn, prompt: PromptView, seeds: bytes) -> list[CallTokens]:
    from .calls import make_calls  # a process whose requests have no tools does not load the code that reads schemas

    made = make_calls(turn, prompt, SeededRandom(seeds, CALLS))
    return [CallTokens(call.call_id, call.name, split(call.arguments)) for call in made]


def _text(
    request: CreateResponse, prompt: PromptView, seeds: bytes, exactly: int | None, at_least: int
) -> Sequence[str]:
    text_format = request.text.format if request.text else None
    if isinstance(text_format, _JSON_FORMATS):
        from .structured import json_text
        from .work_budget import WorkBudget

        tokens = split(json_text(text_format, prompt, SeededRandom(seeds, PROSE), WorkBudget()))
        missing = max(exactly or 0, at_least) - len(tokens)
        return [*tokens, *repeat("\n", missing)]  # what follows the JSON must not change it
    return answer_tokens(prompt, seeds, request.text.verbosity if request.text else None, exactly, at_least)


def _before_stop(tokens: Sequence[str], stop: str | Sequence[str], at_least: int) -> Sequence[str]:
    """The tokens before the first stop sequence, at least so many. A token in which the sequence begins is cut."""
    text = joined(tokens)
    begin = len(joined(first(tokens, max(0, at_least))))
    starts = [text.find(each, begin) for each in ([stop] if isinstance(stop, str) else stop) if each]
    end = min([start for start in starts if start >= 0], default=None)
    return tokens if end is None else _cut(tokens, end)


def _cut(tokens: Iterable[str], chars: int) -> list[str]:
    before: list[str] = []
    for token in tokens:
        if chars <= 0:
            break
        before.append(token[:chars])
        chars -= len(token)
    return before


def _cut_to_limit(answer: Answer, lengths: Lengths) -> None:
    """Cut the output to the limit, from its end."""
    tokens_max = lengths.at_most
    output_tokens = answer.output_tokens()
    if tokens_max is None or output_tokens < tokens_max or (output_tokens == tokens_max and not lengths.are_exact):
        return
    answer.incomplete = "max_output_tokens"
    answer.reasoning = first(answer.reasoning, tokens_max)
    left = tokens_max - len(answer.reasoning)
    within: list[CallTokens] = []
    for call in answer.calls:
        if left <= 0:
            break
        call.tokens = call.tokens[: left - 1]
        left -= 1 + len(call.tokens)
        within.append(call)
    answer.calls = within
    answer.text = first(answer.text, left)


def _logprobs(request: CreateResponse, tokens: Sequence[str], seeds: bytes) -> list[Logprob]:
    wanted = "message.output_text.logprobs" in (request.include or ())
    if not (wanted or request.top_logprobs):
        return []
    if len(tokens) > LOGPROBS_MAX:
        message = f"Invalid 'top_logprobs': there are logprobs for at most {LOGPROBS_MAX:,} tokens of text."
        raise invalid(message, "top_logprobs", "invalid_value")
    return logprobs(tokens, request.top_logprobs or 0, SeededRandom(seeds, LOGPROBS))
