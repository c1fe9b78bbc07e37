"""What each family of items says of itself, in its own file."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from penstock.wire import CompactionTrigger, ConfigurationUpdate, InputItem, ItemReference, UnknownItem

WITHOUT_AN_ID_OF_OURS = {UnknownItem, ItemReference, CompactionTrigger, ConfigurationUpdate}
"""Items that are passed on under a common prefix, or are never stored."""
FAMILIES = [cls for cls in get_args(InputItem) if cls not in WITHOUT_AN_ID_OF_OURS]


@pytest.mark.parametrize("cls", FAMILIES)
def test_each_family_of_items_has_an_id_prefix_of_its_own(cls: Any) -> None:
    assert cls.id_prefix.endswith("_")
    assert [other for other in get_args(InputItem) if other.id_prefix == cls.id_prefix] == [cls]
