"""The page of all settings has every setting, with a meaning."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from documents.configuration import _TABLES, field_docs, page


@pytest.mark.parametrize("table", _TABLES, ids=lambda table: table.struct.__name__)
def test_every_setting_has_its_meaning(table: object) -> None:
    struct = table.struct  # type: ignore[attr-defined]
    assert set(field_docs(struct)) == set(struct.__struct_fields__)
    assert [name for name, text in field_docs(struct).items() if not text or "|" in text] == []


def test_the_page_is_what_the_code_defines(golden: Callable[[str | Path, str], None]) -> None:
    golden("../docs/configuration.md", page())
