"""`allowed_tools` and `require_approval`, in every form that the specification has."""

from __future__ import annotations

import msgspec
import pytest

from core.tools.mcp.kit import remote
from penstock.errors import ApiError
from penstock.tools.mcp.filters import allowed_tools, required_approval
from penstock.wire import NULL, UNSET
from requirements import shows

READS, WRITES = remote("find", read_only=True), remote("drop")
ALLOWED: dict[str, tuple[object, list[bool]]] = {
    "absent": (UNSET, [True, True]),
    "null": (None, [True, True]),
    "no names": ([], [False, False]),
    "names": (["find", "unknown"], [True, False]),
    "an empty object": ({}, [True, True]),
    "no names in an object": ({"tool_names": []}, [False, False]),
    "names in an object": ({"tool_names": ["drop"]}, [False, True]),
    "what reads": ({"read_only": True}, [True, False]),
    "what writes": ({"read_only": False}, [False, True]),
    "both have to match": ({"tool_names": ["find", "drop"], "read_only": True}, [True, False]),
    "nulls": ({"tool_names": None, "read_only": None}, [True, True]),
}
APPROVAL: dict[str, tuple[object, list[bool]]] = {
    "absent": (UNSET, [True, True]),
    "null": (None, [True, True]),
    "always": ("always", [True, True]),
    "never": ("never", [False, False]),
    "an empty object": ({}, [True, True]),
    "never for one": ({"never": {"tool_names": ["find"]}}, [False, True]),
    "never for what reads": ({"never": {"read_only": True}}, [False, True]),
    "never for nothing": ({"never": {}}, [True, True]),
    "never for no names": ({"never": {"tool_names": []}}, [True, True]),
    "always for one": ({"always": {"tool_names": ["drop"]}}, [True, True]),
    "always counts first": (
        {"always": {"tool_names": ["drop"]}, "never": {"tool_names": ["find", "drop"]}},
        [False, True],
    ),
    "always for all": ({"always": {}, "never": {"tool_names": ["find"]}}, [True, True]),
    "nulls": ({"always": None, "never": None}, [True, True]),
}


def raw(value: object) -> msgspec.Raw | msgspec.UnsetType:
    if value is UNSET:
        return UNSET
    return NULL if value is None else msgspec.Raw(msgspec.json.encode(value))


@shows("mcp-approval-default", "mcp-empty-filter")
@pytest.mark.parametrize(("value", "expected"), ALLOWED.values(), ids=ALLOWED)
def test_allowed_tools(value: object, expected: list[bool]) -> None:
    allowed = allowed_tools(raw(value), "tools[0].allowed_tools")
    assert [allowed.matches(READS), allowed.matches(WRITES)] == expected


@shows("mcp-approval-default", "mcp-empty-filter")
@pytest.mark.parametrize(("value", "expected"), APPROVAL.values(), ids=APPROVAL)
def test_required_approval(value: object, expected: list[bool]) -> None:
    approval = required_approval(raw(value), "tools[0].require_approval")
    assert [approval.is_needed(READS), approval.is_needed(WRITES)] == expected


@pytest.mark.parametrize("value", ["find", 1, True, [1], {"names": []}, {"tool_names": "find"}, {"read_only": "yes"}])
def test_other_forms_of_allowed_tools_are_refused(value: object) -> None:
    with pytest.raises(ApiError, match="This is a list of names") as caught:
        allowed_tools(raw(value), "tools[3].allowed_tools")
    assert (caught.value.status, caught.value.param) == (400, "tools[3].allowed_tools")


@pytest.mark.parametrize("value", ["sometimes", 1, False, [], ["find"], {"never": "find"}, {"ask": {}}])
def test_other_forms_of_required_approval_are_refused(value: object) -> None:
    with pytest.raises(ApiError, match="an object with the filters") as caught:
        required_approval(raw(value), "tools[3].require_approval")
    assert (caught.value.status, caught.value.param) == (400, "tools[3].require_approval")
