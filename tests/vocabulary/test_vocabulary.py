"""Our words are the `openai` package's, and the reverse; what differs stands in `gaps.py` with its reason."""

from __future__ import annotations

from typing import Literal

import msgspec
from pydantic import BaseModel

from vocabulary.gaps import EXTRA, MISSING
from vocabulary.words import OBJECTS, UNIONS, compare_objects, compare_unions, differences


def test_we_lack_what_is_listed_and_nothing_else() -> None:
    missing, _ = differences()
    assert missing - MISSING.keys() == set(), "they have it and we do not"
    assert MISSING.keys() - missing == set(), "no gap any more: take it off the page"


def test_we_add_what_is_listed_and_nothing_else() -> None:
    _, extra = differences()
    assert extra - EXTRA.keys() == set(), "we have it and they do not"
    assert EXTRA.keys() - extra == set(), "no difference any more: take it off the page"


def test_the_vocabularies_are_not_empty() -> None:
    """Comparing nothing with nothing finds no difference."""
    for name, (ours, theirs) in UNIONS.items():
        assert compare_unions(name, ours, None)[1], name
        assert compare_unions(name, None, theirs)[0], name
    for name, (ours, theirs) in OBJECTS.items():
        assert compare_objects(name, ours, Nothing)[1], name
        assert compare_objects(name, OursNothing, theirs)[0], name


class Nothing(BaseModel):
    pass


class OursNothing(msgspec.Struct):
    pass


class Theirs(BaseModel):
    type: Literal["a"]
    same: str
    lost: int
    level: Literal["low", "high"]
    may: str | None = None


class Ours(msgspec.Struct, tag_field="type", tag="a"):
    same: str | msgspec.UnsetType
    level: Literal["low", "mid"]
    more: int
    may: str | msgspec.UnsetType


class Other(msgspec.Struct, tag_field="type", tag="b"):
    pass


def test_a_difference_is_found_wherever_it_is() -> None:
    missing, extra = compare_unions("u", Ours | Other, Theirs)
    assert missing == {"u/a/lost", "u/a/level=high"}
    assert extra == {"u/b", "u/a/more", "u/a/level=mid", "u/a/same?"}
    assert compare_unions("u", Other, Theirs) == ({"u/a"}, {"u/b"})
