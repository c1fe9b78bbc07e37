"""Prose: the length of an answer, and its sentences.

It fills the gaps of `phrases` at random. The words to quote are passed to it. It never looks at a request.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import cycle
from typing import TypeAlias

from .phrases import FALLBACK_WORDS, OPENINGS, REASONING, SENTENCES, Frame
from .prompt_view import RESULTS_MAX, PromptView, Result
from .repeated_tokens import RepeatedTokens
from .seeded_random import PROSE, SeededRandom
from .seeded_random import REASONING as OF_REASONING
from .tokens import split

LENGTH_TOKENS = (8, 14, 20, 26, 32, 39, 46, 53, 60, 69, 79, 92, 108, 130, 165, 230, 420)
"""Lengths of answers, in tokens. One sixteenth of all answers is between each two; the median is 60."""
VERBOSITY = {"low": 1, "medium": 2, "high": 5}
"""The length of an answer by the request's verbosity, in halves of a length from the distribution."""
EFFORT = {"minimal": 1, "low": 2, "medium": 6, "high": 14, "xhigh": 24, "max": 48}
"""The length of the reasoning by the request's effort, in quarters of a length from the distribution."""
DISTINCT_TOKENS_MAX = 128
"""After so many tokens a text of a given length repeats, so that a text of any length costs no work and no memory."""
TEXTS_MAX = 128
"""So many texts of each kind are cached: clients that make load send the same requests again and again."""

PARAGRAPH_ENDS = 40
"""The probability that a sentence begins a paragraph, in 256ths."""
QUOTED_WORDS_MAX = 3
QUOTED_WORD_CHARS_MAX = 24
QUOTED_RESULT_CHARS_MAX = 240

Quotes: TypeAlias = Iterator[list[str]]
"""The tokens of each word to quote, repeated without end."""


def length_tokens(random: SeededRandom, numerator: int, denominator: int) -> int:
    """A random length from the distribution `LENGTH_TOKENS`, multiplied by a fraction."""
    draw = random.below(1600)
    step, part = divmod(draw, 100)
    low, high = LENGTH_TOKENS[step], LENGTH_TOKENS[step + 1]
    return (low * 100 + (high - low) * part) * numerator // (denominator * 100)


def answer_tokens(
    prompt: PromptView, seeds: bytes, verbosity: str | None, exactly: int | None = None, at_least: int = 0
) -> Sequence[str]:
    """An answer in prose. It begins with the results of calls if there are any, else with a word of the question.

    It has `exactly` so many tokens, or as many as it happens to have, but `at_least` so many.
    """
    reported = _reported(prompt.results) if prompt.results else ""
    return _answer(seeds, tuple(prompt.words()), reported, verbosity, exactly, at_least)


@lru_cache(TEXTS_MAX)
def _answer(
    seeds: bytes, words: Sequence[str], reported: str, verbosity: str | None, exactly: int | None, at_least: int
) -> Sequence[str]:
    random = SeededRandom(seeds, PROSE)
    length = length_tokens(random, VERBOSITY[verbosity or "medium"], 2)
    quotes = quoted(words, random)
    tokens = split(reported) if reported else _sentence(random.pick(OPENINGS), random, quotes)
    if exactly is None and at_least <= length:
        return _filled(tokens, SENTENCES, random, quotes, length)
    return _exact(tokens, SENTENCES, random, quotes, max(length if exactly is None else exactly, at_least))


def reasoning_tokens(prompt: PromptView, seeds: bytes, effort: str | None, exactly: int | None = None) -> Sequence[str]:
    """The reasoning before an answer or a call: exactly so many tokens, or as many as the effort gives."""
    return _thoughts(seeds, tuple(prompt.words()), effort, exactly)


@lru_cache(TEXTS_MAX)
def _thoughts(seeds: bytes, words: Sequence[str], effort: str | None, exactly: int | None) -> Sequence[str]:
    random = SeededRandom(seeds, OF_REASONING)
    length = length_tokens(random, EFFORT.get(effort or "", EFFORT["medium"]), 4)
    quotes = quoted(words, random)
    tokens = _sentence(REASONING[0], random, quotes)
    if exactly is None:
        return _filled(tokens, REASONING, random, quotes, length)
    return _exact(tokens, REASONING, random, quotes, exactly)


def quoted(words: Sequence[str], random: SeededRandom) -> Quotes:
    """A few of the user's words, of more than three letters if there are any."""
    candidates = list(dict.fromkeys(word for word in words if len(word) > 3)) or words or FALLBACK_WORDS
    first = random.below(len(candidates))
    chosen = [*candidates[first:], *candidates[:first]][:QUOTED_WORDS_MAX]
    return cycle([split(word[:QUOTED_WORD_CHARS_MAX]) for word in chosen])


def _filled(
    tokens: list[str], frames: tuple[Frame, ...], random: SeededRandom, quotes: Quotes, length: int
) -> list[str]:
    """Sentences until there are `length` tokens, some of them at the beginning of a paragraph."""
    tokens[0] = tokens[0].lstrip()
    index = 0
    while len(tokens) < length:
        step, ends = random.draws(2)
        index = (index + 1 + step % (len(frames) - 1)) % len(frames)  # never the same twice in a row
        sentence = _sentence(frames[index], random, quotes)
        if ends < PARAGRAPH_ENDS:
            tokens.append("\n\n")
            sentence[0] = sentence[0].lstrip()
        tokens += sentence
    return tokens


def _exact(
    tokens: list[str], frames: tuple[Frame, ...], random: SeededRandom, quotes: Quotes, length: int
) -> Sequence[str]:
    """Exactly `length` tokens, which repeat from `DISTINCT_TOKENS_MAX` on."""
    tokens = _filled(tokens, frames, random, quotes, min(length, DISTINCT_TOKENS_MAX))
    # spec: synthetic-lengths
    return tokens[:length] if length <= len(tokens) else RepeatedTokens(tokens, length)


def _sentence(frame: Frame, random: SeededRandom, quotes: Quotes) -> list[str]:
    tokens: list[str] = []
    for gap, draw in zip(frame, random.draws(len(frame)), strict=True):
        tokens += gap[draw % len(gap)] if gap else next(quotes)
    return tokens


def _reported(results: list[Result]) -> str:
    """Sentences that quote the outputs of calls."""
    return "".join([f" {result.name} says: “{_shortened(result.text)}”." for result in results[:RESULTS_MAX]]).lstrip()


def _shortened(text: str) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text[: 2 * QUOTED_RESULT_CHARS_MAX].split())
    return line if len(line) <= QUOTED_RESULT_CHARS_MAX else f"{line[:QUOTED_RESULT_CHARS_MAX]}…"
