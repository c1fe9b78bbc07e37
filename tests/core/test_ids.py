"""Ids: what new ones are like, and what can be none at all."""

import pytest

from penstock.ids import may_be_id, new_id


def test_a_new_id_can_be_one_and_comes_once() -> None:
    made = {new_id("resp_") for _ in range(100)}
    assert len(made) == 100
    assert all(may_be_id(text) and len(text) == 53 for text in made)


@pytest.mark.parametrize("text", ["", "a b", "a/b", "a\0b", "é", "x" * 257, "'; drop table responses", "\ud800"])
def test_what_no_store_is_asked_for(text: str) -> None:
    assert not may_be_id(text)


@pytest.mark.parametrize("text", [".", ".."])
def test_what_leads_somewhere_else_in_a_path(text: str) -> None:
    assert not may_be_id(text)
    assert may_be_id(f"{text}a")
    assert may_be_id(f"a{text}")
