"""The vocabulary of the model: sentences with gaps, and the texts for each gap.

It is data, split into tokens once, at import. `{word}` is a gap for a word of the user's. Every sentence begins with a
space, which `prose` removes at the beginning of a paragraph.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from .tokens import split

Tokens: TypeAlias = tuple[str, ...]
Frame: TypeAlias = tuple[tuple[Tokens, ...], ...]
"""A sentence: a sequence of gaps with their texts. A gap without texts is for a word of the user's."""

_GAPS = {
    "Thing": "The water|A steady stream|The upper gate|The turbine|The old pipe|Every valve|The control room"
    "|The night shift|A small café by the dam|The crew in Zürich|The grid|Its pressure|The long tunnel",
    "thing": "the water|a steady stream|the upper gate|the turbine|the old pipe|every valve|the control room"
    "|the night shift|a small café by the dam|the crew in Zürich|the grid|its pressure|the long tunnel",
    "does": "follows|carries|settles|meets|measures|feeds|keeps|answers|holds back|lets through|comes before"
    "|depends on|makes room for|explains|outlasts",
    "what": "the evening's load|a flow of 12 m³/s|a head of 180 m|the next turn|what the river brings"
    "|a naïve estimate|more than it shows|the spring thaw|one part in a thousand|the usual losses"
    "|half of the demand|a rule that nobody wrote down|the first snow",
    "tail": "||||, as it should| before dawn| again and again| — more or less| at 4 °C|, one step at a time"
    "| in most years|, though not at once| without a sound| … and then some| from source 🌊 to sea",
    "link": "because|while|and|so that|although|as soon as|unless",
    "aside": "In short|In practice|Even so|By contrast|For example|More to the point|Over a whole year",
    "how": "slowly|in order|with care|all at once|in small steps|by the book|à la carte",
    "step": "open the gate|check the level|read the gauge|warn the valley|close the bypass|note the time",
    "begin": "Hmm|Wait|Now|Next|Then again|Good|Alternatively|Let me check",
}

_OPENINGS = """
You asked about “{word}”: {thing} {does} {what}{tail}.
On “{word}” there is a short answer: {thing} {does} {what}.
As for “{word}” and “{word}”, {thing} {does} {what}{tail}.
Where “{word}” meets “{word}”, {thing} {does} {what}.
“{word}” is a good place to begin.
"""

_SENTENCES = """
{Thing} {does} {what}{tail}.
{Thing} {does} {what} {link} {thing} {does} {what}{tail}.
{aside}, {thing} {does} {what}{tail}.
{aside}, one would {step}, {step} and {step}, {how}.
With “{word}” in mind, {thing} {does} {what}{tail}.
{Thing} {does} “{word}” {how}.
That much is certain.
It goes {how}.
Is it “{word}” that {does} {what}?
{Thing} {does} {what}; {thing} {does} {what} {link} {thing} {does} {what}{tail}.
"""

_REASONING = """
The user mentions “{word}”{tail}.
{begin}, {thing} {does} {what}.
First {step}, then {step}.
So the answer should say that {thing} {does} {what}{tail}.
{begin}: does {thing} come before “{word}”?
That leaves “{word}” {link} {thing} {does} {what}.
Fine.
"""

_PIECE = re.compile(r"( ?)\{(\w+)\}|.+?(?= ?\{|$)")


def _frames(text: str) -> tuple[Frame, ...]:
    return tuple([_frame(f" {line}") for line in text.strip().splitlines()])


def _frame(line: str) -> Frame:
    """The gaps of a sentence. The space before a gap becomes a part of its texts, since tokens begin with the space."""
    return tuple([_gap(piece[0], piece[1], piece[2]) for piece in _PIECE.finditer(line)])


def _gap(text: str, space: str | None, name: str | None) -> tuple[Tokens, ...]:
    if name == "word":
        return ()
    texts = _GAPS[name].split("|") if name else [text]
    return tuple([tuple(split(f"{space or ''}{filling}" if filling else "")) for filling in texts])


OPENINGS = _frames(_OPENINGS)
SENTENCES = _frames(_SENTENCES)
REASONING = _frames(_REASONING)

FALLBACK_WORDS = tuple("flow valve river meadow winter lantern bridge harbour copper signal garden mill".split())
"""Words for answers where the user's texts have none."""
STOP_WORDS = frozenset(
    "a about all an and any are as at be but by call can check could do does execute find for from get give has have"
    " how i if in into invoke is it its like look make me my need now of on or please run say should show so some"
    " tell than that the their them then there these they this to tool use using want was what when where which"
    " who why will with would write you your".split()
)
"""Words without a meaning of their own, which answers do not repeat."""
