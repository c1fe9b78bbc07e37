"""Namespaces: two names in one, the same for what is offered and for what was called, and in words that all take."""

import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.kit import from_json, to_json
from penstock import wire
from penstock.tool_calls import CALLS, GROUPS, OFFERS
from penstock.tool_calls.namespace import NAME_CHARS_MAX, function_name, in_namespace, with_namespace_description
from support import tool_items

TAKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
NAMES = st.text(st.sampled_from("ab_-.é "), min_size=1, max_size=128) | st.text(min_size=1, max_size=40)


@given(NAMES, NAMES)
@example("a" * 128, "b" * 128)
def test_a_name_is_one_that_every_backend_takes(namespace: str, name: str) -> None:
    assert TAKEN.fullmatch(function_name(namespace, name))
    assert function_name(namespace, name) == function_name(namespace, name)


@given(st.tuples(NAMES, NAMES), st.tuples(NAMES, NAMES))
@example(("a", "b.c"), ("a", "b c"))
@example(("a" * 100, "b"), ("a" * 101, "b"))
def test_two_tools_have_two_names(one: tuple[str, str], other: tuple[str, str]) -> None:
    """But where their names in one are the same letter by letter: the client has to correct that."""
    same = "__".join(one) == "__".join(other)
    assert (function_name(*one) == function_name(*other)) == (same or one == other)


@pytest.mark.parametrize(
    ("namespace", "name", "whole"),
    [
        ("crm", "get", "crm__get"),
        (None, "get", "get"),
        ("", "a b", "a b"),
        (wire.UNSET, "get", "get"),
        ("mcp__crm", "get-it", "mcp__crm__get-it"),
        ("n" * 31, "x" * 31, f"{'n' * 31}__{'x' * 31}"),
        ("n" * 32, "x" * 31, f"{'n' * 22}__{'x' * 31}_c21ab79f"),
        ("n", "x" * 63, f"__{'x' * 53}_9c173e45"),
        ("my crm", "get.it", "my_crm__get_it_832c9f2b"),
    ],
)
def test_names_stay_as_they_are_where_they_can(namespace: Any, name: str, whole: str) -> None:
    """The tool's own name is what the model goes by: of a long name the namespace is cut first."""
    assert function_name(namespace, name) == whole
    assert len(whole) <= NAME_CHARS_MAX


def test_a_member_is_offered_under_both_names_and_reported_under_its_own() -> None:
    space = from_json(tool_items.CRM, wire.Tool)
    result = []
    for declared in GROUPS[wire.NamespaceTool](space):
        [(offer, form)] = [in_namespace(space, *pair) for pair in OFFERS[type(declared.tool)](declared.tool)]  # type: ignore[union-attr]
        item = form.item(id="i", call_id="c")
        result.append((declared.path, offer.name, item.type, item.name, item.namespace))
    assert result == [
        (".tools[0]", "crm__get_customer", "function_call", "get_customer", "crm"),
        (".tools[1]", "crm__list_orders", "function_call", "list_orders", "crm"),
        (".tools[2]", "crm__memo", "custom_tool_call", "memo", "crm"),
    ]


@pytest.mark.parametrize(
    ("item", "name"),
    [
        (tool_items.CALLED[0], "crm__get_customer"),
        (tool_items.NOTED[0], "crm__memo"),
        (tool_items.CALLED[0] | {"namespace": None}, "get_customer"),
    ],
)
def test_a_call_of_the_history_has_the_name_that_is_offered(item: Any, name: str) -> None:
    struct = from_json(item, wire.InputItem)
    assert to_json(CALLS[type(struct)](struct))["name"] == name


def test_the_description_of_all_members_follows_that_of_one() -> None:
    space = from_json(tool_items.CRM, wire.Tool)
    assert with_namespace_description(space, "Gets.") == "Gets.\n\nAbout the tools of crm: Customers and orders."
    assert with_namespace_description(space, None) == "About the tools of crm: Customers and orders."
