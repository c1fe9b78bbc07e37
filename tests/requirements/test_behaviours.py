"""docs/behaviour.md is written from data, and its numbers are the defaults."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from requirements.behaviours import BEHAVIOURS, Behaviour, table

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "behaviour.md"
BLOCK = re.compile(r"(?<=<!-- behaviours:begin -->\n).*?(?=<!-- behaviours:end -->)", re.DOTALL)
HOW = (
    "docs/behaviour.md is written from tests/requirements/behaviours.py. Add or change the row there, mark "
    'the test that shows it with @shows("<its id>"), then run: make golden ARGS=tests/requirements'
)


def test_no_row_stands_in_the_page_alone(request: pytest.FixtureRequest) -> None:
    """Rewriting the block would lose it."""
    [block] = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    unknown = [line for line in block.splitlines() if line not in table(BEHAVIOURS).splitlines()]
    if not request.config.getoption("--rewrite-golden"):
        assert unknown == [], HOW


def test_the_page_has_every_row(golden: Callable[[str | Path, str], None]) -> None:
    content, count = BLOCK.subn(lambda _: table(BEHAVIOURS), PAGE.read_text(encoding="utf-8"))
    assert count == 1, "docs/behaviour.md has no place for the table of behaviours"
    golden("../docs/behaviour.md", content)


def test_no_row_has_the_subject_of_another() -> None:
    subjects = [row.what for row in BEHAVIOURS]
    assert sorted(set(subjects)) == sorted(subjects)


@pytest.mark.parametrize("row", BEHAVIOURS, ids=lambda row: row.id)
def test_a_row_is_one(row: Behaviour) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", row.id)
    assert row.what == row.what.strip() != ""
    assert row.does == row.does.strip() != ""
    assert not set("|\n") & {*row.what, *row.does}
    assert not row.does.endswith(".") and row.what.count("`") % 2 == row.does.count("`") % 2 == 0
