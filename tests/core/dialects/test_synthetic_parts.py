"""The parts of the synthetic model: its chance, its tokens, and the texts that it writes for patterns."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.dialects.synthetic.pattern import TextBuilder, UnsupportedPattern, parse_pattern
from penstock.dialects.synthetic.phrases import OPENINGS, REASONING, SENTENCES
from penstock.dialects.synthetic.seeded_random import BLOCK_BYTES, CALLS, PROSE, SeededRandom, seed
from penstock.dialects.synthetic.tokens import split
from penstock.dialects.synthetic.work_budget import WorkBudget

pytestmark = pytest.mark.slow

KEYS = st.text(max_size=5)


# --- chance ---


def test_the_draws_are_the_same_on_every_machine() -> None:
    random = SeededRandom(seed("Penstock"), PROSE)
    assert [random.below(100) for _ in range(20)] == [
        *(56, 3, 9, 19, 63, 38, 86, 63, 52, 68),
        *(74, 32, 55, 67, 81, 19, 18, 11, 51, 9),
    ]
    assert random.hex(24) == "06363dd12790e0299b71219b"


def test_queues_are_independent() -> None:
    assert SeededRandom(seed("a"), PROSE).draws(32) != SeededRandom(seed("a"), CALLS).draws(32)


@given(KEYS, st.integers(-(10**40), 10**40), st.integers(0, 10**40))
def test_a_number_lies_between(key: str, low: int, span: int) -> None:
    assert low <= SeededRandom(seed(key), PROSE).between(low, low + span) <= low + span


@given(KEYS, st.lists(st.integers(1, BLOCK_BYTES), max_size=20))
def test_there_is_no_end_to_chance(key: str, counts: list[int]) -> None:
    random = SeededRandom(seed(key), PROSE)
    assert [len(random.draws(count)) for count in counts] == counts


# --- tokens ---


@given(st.text())
def test_the_pieces_are_the_text(text: str) -> None:
    assert "".join(split(text)) == text


def test_words_fall_into_pieces() -> None:
    assert split('Measuring Zürich: 12345 m³ — "日本語"\n\n{"city":"a_b"}') == [
        *("Meas", "uring", " Z", "ü", "rich", ":", " 123", "45", " m", "³", " —", ' "', "日本", "語", '"'),
        *("\n\n", '{"', "city", '":', '"', "a", "_", "b", '"}'),
    ]


def test_a_sentence_fits_into_one_pool_of_chance() -> None:
    assert all(0 < len(frame) <= BLOCK_BYTES for frame in OPENINGS + SENTENCES + REASONING)


# --- patterns ---


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "abc",
        "^abc$",
        r"\Aabc\Z",
        "a|b|",
        "^(a|bc)+d?$",
        "^(?:ab){2}(?P<name>c)(?<other>d)$".replace("(?<other>", "("),
        r"^\d{3}-\d{2,4}$",
        r"^\w+\.\w{2,}$",
        r"^[a-zA-Z_][a-zA-Z0-9_-]*$",
        r"^[^a-z]{5}$",
        r"^[]a]+$",
        r"^[a\-z]+[-+]?[\d.]{1,3}$",
        r"^[\w-]{8}[+-]$",
        r"^[^\W\d]{4}$",
        r"^\S+\s\D\W$",
        r"^.{3,5}?$",
        r"^a*b+c?d{0}e{,2}$".replace("{,2}", "{0,2}"),
        r"^\x41\u00e9\t\/\$$",
        r"^[\u4e00-\u4e10]+$",
        r"^[ -~]{20}$",
        r"^#[0-9a-fA-F]{6}$",
        r"^{x}$",
        r"^https?://[a-z.]+(/[a-z]+)*$",
        r"^(\(\d+\) )?\d+$",
    ],
)
@given(KEYS, st.none() | st.integers(0, 5))
def test_a_text_matches_its_pattern(pattern: str, key: str, extra: int | None) -> None:
    assert re.search(pattern, parse_pattern(pattern)(TextBuilder(SeededRandom(seed(key), PROSE), WorkBudget(), extra)))


@pytest.mark.parametrize(
    "pattern",
    [
        "(?=a)",
        "(?!a)b",
        "(?<=a)b",
        "(?i)a",
        r"(a)\1",
        r"\bword\b",
        r"\p{Lu}",
        "(a",
        "a)",
        "[a",
        "[z-a]",
        r"[^\s\S]",
        "*a",
        "a{3,1}",
        "a**",
        "\\",
        r"[\ud800-\udfff]",
        "a{5000}",
        "(a{900}){900}",
        "(){900000}",
        "(" * 30 + ")" * 30,
        "a" * 1_001,
    ],
)
def test_what_cannot_be_written(pattern: str) -> None:
    with pytest.raises(UnsupportedPattern):
        parse_pattern(pattern)(TextBuilder(SeededRandom(seed("any"), PROSE), WorkBudget()))


@given(st.text(alphabet=r"ab01.*+?{},[]()|^$\-dwsDWS:<>P=!xu", max_size=20))
def test_any_pattern_is_written_or_not(pattern: str) -> None:
    try:
        written = parse_pattern(pattern)(TextBuilder(SeededRandom(seed(pattern), PROSE), WorkBudget()))
    except UnsupportedPattern:
        return
    assert isinstance(written, str)
