"""Prose: how long an answer is, and the sentences that make it.

It knows how to fill the gaps of `phrases` by chance; what it quotes is given to it. It never looks at a request.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import TypeAlias

from .phrases import OPENINGS, SENTENCES, STRAY_WORDS, THOUGHTS, Frame
from .prompt_view import RESULTS_MAX, Heard, Result
from .seeded_random import Chance
from .tokens import split

LENGTH_TOKENS = (8, 14, 20, 26, 32, 39, 46, 53, 60, 69, 79, 92, 108, 130, 165, 230, 420)
"""Answers by length, a sixteenth of them between each two: a long tail, and the median at 60."""
VERBOSITY = {"low": 1, "medium": 2, "high": 5}
"""Halves of that length, by the request's verbosity."""
EFFORT = {"minimal": 1, "low": 2, "medium": 6, "high": 14, "xhigh": 24, "max": 48}
"""The length of the thoughts, in quarters of a drawn length, by the request's effort."""

PARAGRAPH_ENDS = 40
"""How often, in 256ths, a sentence begins a paragraph."""
QUOTED_WORDS_MAX = 3
QUOTED_WORD_CHARS_MAX = 24
QUOTED_RESULT_CHARS_MAX = 240

Quotes: TypeAlias = Iterator[list[str]]
"""The tokens of words to quote, in turn and without end."""


def length_tokens(chance: Chance, numerator: int, denominator: int) -> int:
    """A length from the distribution, times a fraction."""
    draw = chance.below(1600)
    step, part = divmod(draw, 100)
    low, high = LENGTH_TOKENS[step], LENGTH_TOKENS[step + 1]
    return (low * 100 + (high - low) * part) * numerator // (denominator * 100)


def answer_tokens(heard: Heard, chance: Chance, verbosity: str | None) -> list[str]:
    """An answer in prose: what the tools gave back if they did, else a word about the question, then the rest."""
    aim = length_tokens(chance, VERBOSITY[verbosity or "medium"], 2)
    quotes = quoted(heard.words(), chance)
    tokens = _reported(heard.results) if heard.results else _sentence(chance.pick(OPENINGS), chance, quotes)
    return _filled(tokens, SENTENCES, chance, quotes, aim)


def thought_tokens(heard: Heard, chance: Chance, effort: str) -> list[str]:
    """What is thought before an answer or a call."""
    aim = length_tokens(chance, EFFORT[effort], 4)
    quotes = quoted(heard.words(), chance)
    return _filled(_sentence(THOUGHTS[0], chance, quotes), THOUGHTS, chance, quotes, aim)


def quoted(words: Sequence[str], chance: Chance) -> Quotes:
    """A few of the user's words, the longer ones if there are any."""
    known = list(dict.fromkeys(word for word in words if len(word) > 3)) or words or STRAY_WORDS
    first = chance.below(len(known))
    chosen = [*known[first:], *known[:first]][:QUOTED_WORDS_MAX]
    return cycle([split(word[:QUOTED_WORD_CHARS_MAX]) for word in chosen])


def _filled(tokens: list[str], frames: tuple[Frame, ...], chance: Chance, quotes: Quotes, aim: int) -> list[str]:
    """Sentences until there are enough tokens; now and then a paragraph ends."""
    tokens[0] = tokens[0].lstrip()
    which = 0
    while len(tokens) < aim:
        step, ends = chance.draws(2)
        which = (which + 1 + step % (len(frames) - 1)) % len(frames)  # never the same twice in a row
        sentence = _sentence(frames[which], chance, quotes)
        if ends < PARAGRAPH_ENDS:
            tokens.append("\n\n")
            sentence[0] = sentence[0].lstrip()
        tokens += sentence
    return tokens


def _sentence(frame: Frame, chance: Chance, quotes: Quotes) -> list[str]:
    tokens: list[str] = []
    for gap, draw in zip(frame, chance.draws(len(frame)), strict=True):
        tokens += gap[draw % len(gap)] if gap else next(quotes)
    return tokens


def _reported(results: list[Result]) -> list[str]:
    """Sentences that quote what the calls gave back."""
    said = [f" {result.name} says: “{_shortened(result.text)}”." for result in results[:RESULTS_MAX]]
    return split("".join(said).lstrip())  # no token is empty, also where a name is


def _shortened(text: str) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text[: 2 * QUOTED_RESULT_CHARS_MAX].split())
    return line if len(line) <= QUOTED_RESULT_CHARS_MAX else f"{line[:QUOTED_RESULT_CHARS_MAX]}…"
