"""What each family of items defines, in its own file."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from penstock.wire import (
    CompactionTrigger,
    ConfigurationUpdate,
    InputItem,
    InputText,
    ItemReference,
    LocalShellCallOutput,
    Message,
    OutputText,
    ToolSearchCall,
    ToolSearchOutput,
    UnknownItem,
)

WITHOUT_AN_ID_OF_OURS = {UnknownItem, ItemReference, CompactionTrigger, ConfigurationUpdate}
"""Items that are passed on under a common prefix, or are never stored."""
FAMILIES = [cls for cls in get_args(InputItem) if cls not in WITHOUT_AN_ID_OF_OURS]


@pytest.mark.parametrize("cls", FAMILIES)
def test_each_family_of_items_has_an_id_prefix_of_its_own(cls: Any) -> None:
    assert cls.id_prefix.endswith("_")
    assert [other for other in get_args(InputItem) if other.id_prefix == cls.id_prefix] == [cls]


ARGUMENTS = msgspec.Raw(b"{}")
LONG_FORMS: list[tuple[InputItem, InputItem]] = [
    (Message(role="user", content="Hi"), Message(role="user", content=[InputText(text="Hi")])),
    (Message(role="developer", content="Hi"), Message(role="developer", content=[InputText(text="Hi")])),
    (Message(role="assistant", content="Hi"), Message(role="assistant", content=[OutputText(text="Hi")])),
    (LocalShellCallOutput(id="c", output=""), LocalShellCallOutput(id="c", call_id="c", output="")),
    (ToolSearchCall(arguments=ARGUMENTS), ToolSearchCall(arguments=ARGUMENTS, execution="server")),
    (ToolSearchOutput(call_id="c", tools=[]), ToolSearchOutput(call_id="c", tools=[], execution="client")),
]


@pytest.mark.parametrize(("item", "long"), LONG_FORMS)
def test_the_long_form_contains_what_the_short_one_left_out(item: InputItem, long: InputItem) -> None:
    assert item.long_form() == long
    assert long.long_form() == long
