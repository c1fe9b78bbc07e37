"""What is offered of tools that are grouped, deferred, found, or contained in the context; and in which order."""

from typing import Any

import msgspec
import pytest

from core.kit import LIMITS, NOW_S, FakeUpstream, Json, decode, from_json, make_plan, plan, routes
from penstock import wire
from penstock.engine import Context, Plan, Policies
from penstock.errors import ApiError
from penstock.limits import Limits
from penstock.ports import Choice
from penstock.tool_calls.custom_tool import CustomToolCallFormat
from penstock.tool_calls.function_call import FunctionCallFormat
from penstock.tool_calls.tool_search import ToolSearchCallFormat
from requirements import shows
from support.tool_items import ADDED, CLOCK, CRM, CUSTOMER, HIDDEN, MEMO, ORDERS, SEARCH, SEARCHED, deferred, space

HI: Json = {"role": "user", "content": "Hi"}
ALL = ["crm__get_customer", "crm__list_orders", "crm__memo"]
MCP: Json = {"type": "mcp", "server_label": "m", "server_url": "https://example.com"}


def offered(**request: Any) -> list[str]:
    return names(plan(**request))


def names(made: Plan) -> list[str]:
    return [offer.name for offer in made.turn.offers]


def later(items: list[Json], limits: Limits = LIMITS, **request: Any) -> Plan:
    """The plan of a turn that follows on others, which left these items."""
    decoded = decode(msgspec.json.encode({"input": [HI]} | request), LIMITS)
    assert isinstance(decoded.request.input, list)
    return make_plan(
        decoded,
        Context([from_json(item, wire.InputItem) for item in items], decoded.request.input),
        routes(FakeUpstream()),
        Policies(),
        bearer=None,
        response_id="resp_0",
        created_at=NOW_S,
        limits=limits,
    )


MESSAGE = HI | {"type": "message"}


# Namespaces.


def test_the_tools_of_a_namespace_are_offered_under_both_names() -> None:
    made = plan(tools=[ORDERS, CRM])
    assert names(made) == ["list_orders", *ALL]
    assert made.ignored == []
    assert made.forms["list_orders"] == FunctionCallFormat("list_orders")
    assert made.forms["crm__list_orders"] == FunctionCallFormat("list_orders", "crm")
    assert made.forms["crm__memo"] == CustomToolCallFormat("memo", "crm")


def test_a_name_without_namespace_is_accepted_if_one_tool_has_it() -> None:
    forms = plan(tools=[CRM, space(ORDERS, name="shop"), MEMO]).forms
    assert forms["get_customer"] == FunctionCallFormat("get_customer", "crm")
    assert forms["memo"] == CustomToolCallFormat("memo")
    assert "list_orders" not in forms


def test_the_description_of_a_namespace_is_sent_once() -> None:
    made = plan(tools=[CRM, space(ORDERS, name="shop"), space(CLOCK, name="bare", description="")])
    about = [str(offer.description).partition("\n\n")[2] for offer in made.turn.offers]
    crm, shop = (f"About the tools of {name}: Customers and orders." for name in ("crm", "shop"))
    assert about == [crm, "", "", shop, ""]


def test_it_is_described_though_the_first_tool_is_not_allowed() -> None:
    choice = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "custom", "name": "crm__memo"}]}
    [offer] = plan(tools=[CRM], tool_choice=choice).turn.offers
    assert str(offer.description).endswith("Customers and orders.")


CHOICES: dict[str, tuple[Json, list[str]]] = {
    "by both names": ({"type": "function", "name": "crm__list_orders"}, ["crm__list_orders"]),
    "by its own name": ({"type": "function", "name": "get_customer"}, ["crm__get_customer"]),
    "in its namespace": ({"type": "function", "name": "list_orders", "namespace": "shop"}, ["shop__list_orders"]),
    "several of a name": ({"type": "function", "name": "list_orders"}, ["crm__list_orders", "shop__list_orders"]),
    "a whole namespace": ({"type": "namespace", "name": "crm"}, ALL),
    "the search": ({"type": "tool_search"}, ["tool_search"]),
}


@shows("allowed-tools")
@pytest.mark.parametrize(("allowed", "meant"), CHOICES.values(), ids=CHOICES)
def test_tools_may_be_allowed(allowed: Json, meant: list[str]) -> None:
    choice = {"type": "allowed_tools", "mode": "auto", "tools": [allowed]}
    assert offered(tools=[CRM, space(ORDERS, name="shop"), SEARCH], tool_choice=choice) == meant


@pytest.mark.parametrize("name", ["crm__memo", "memo"])
def test_a_tool_may_be_required(name: str) -> None:
    made = plan(tools=[CRM], tool_choice={"type": "custom", "name": name})
    assert made.turn.choice == Choice("required", "crm__memo")


def test_the_plain_name_is_the_plain_tools() -> None:
    made = plan(tools=[CRM, MEMO], tool_choice={"type": "custom", "name": "memo"})
    assert made.turn.choice == Choice("required", "memo")


# Additional tools.


def test_additional_tools_are_offered_behind_the_others() -> None:
    assert offered(tools=[CRM], input=[ADDED, HI]) == [*ALL, "clock", "more__list_orders"]
    assert offered(input=[ADDED, HI]) == ["clock", "more__list_orders"]


def test_what_came_in_an_earlier_turn_is_offered_in_the_same_order() -> None:
    assert names(later([ADDED, MESSAGE], tools=[CRM])) == [*ALL, "clock", "more__list_orders"]
    assert later([ADDED]).forms["more__list_orders"] == FunctionCallFormat("list_orders", "more")


@shows("additional-tools")
def test_the_last_declaration_of_a_tool_counts() -> None:
    new, old = CLOCK | {"description": "New."}, ADDED | {"tools": [CLOCK]}
    for made in (
        later([old], tools=[new]),
        later([old], input=[ADDED | {"tools": [new]}, HI]),
        plan(tools=[CLOCK], input=[ADDED | {"tools": [new]}]),
        later([old, ADDED | {"tools": [new]}]),
    ):
        [offer] = made.turn.offers
        assert offer.description == "New."


def test_additional_tools_are_no_message() -> None:
    assert [type(item).__name__ for item in plan(input=[ADDED, HI]).turn.items] == ["AdditionalTools", "Message"]


def test_a_missing_tool_is_ignored_once() -> None:
    hosted = {"type": "web_search"}
    made = later([ADDED | {"tools": [hosted, CLOCK]}] * 2, tools=[hosted])
    assert (made.ignored, names(made)) == (["tools.web_search"], ["clock"])


# Deferred tools.


def test_deferred_tools_are_hidden_where_the_client_searches() -> None:
    made = plan(tools=[HIDDEN, deferred(CLOCK), SEARCH])
    assert names(made) == ["crm__get_customer", "tool_search"]
    assert made.forms["tool_search"] == ToolSearchCallFormat()
    assert made.forms["crm__list_orders"] == FunctionCallFormat("list_orders", "crm")
    assert made.ignored == []


@pytest.mark.parametrize("search", [[], [{"type": "tool_search"}], [{"type": "tool_search", "execution": "server"}]])
def test_deferred_tools_are_offered_where_there_is_no_search(search: list[Json]) -> None:
    made = plan(tools=[HIDDEN, *search])
    assert (names(made), made.ignored) == (ALL, [])


def test_what_was_found_is_offered_from_then_on() -> None:
    """Last, so that the prompt begins as it did."""
    found = ["crm__get_customer", "tool_search", "crm__list_orders", "clock"]
    assert offered(tools=[HIDDEN, SEARCH], input=[HI, *SEARCHED]) == found
    assert names(later([MESSAGE, *SEARCHED], tools=[HIDDEN, SEARCH])) == found
    assert names(later([MESSAGE, *SEARCHED], tools=[HIDDEN, SEARCH], input=[HI, *SEARCHED])) == found


def test_what_was_found_stays_found_though_it_is_declared_again() -> None:
    again = ADDED | {"tools": [HIDDEN]}
    assert offered(tools=[SEARCH], input=[HI, *SEARCHED, again]) == [
        "tool_search",
        "crm__get_customer",
        "crm__list_orders",
        "clock",
    ]


def test_additional_tools_may_be_deferred() -> None:
    assert offered(tools=[SEARCH], input=[ADDED | {"tools": [deferred(CLOCK), MEMO]}]) == ["tool_search", "memo"]
    assert offered(input=[ADDED | {"tools": [deferred(CLOCK), SEARCH]}]) == ["tool_search"]


def test_a_search_of_another_server_counts_and_is_not_sent() -> None:
    served = [item | {"call_id": None, "execution": "server"} for item in SEARCHED]
    made = plan(tools=[HIDDEN, SEARCH], input=[HI, *served, *served])
    assert names(made)[2:] == ["crm__list_orders", "clock"]
    assert [type(item).__name__ for item in made.turn.items] == ["Message", *["AdditionalTools"] * 4]


def test_an_upstream_of_the_responses_api_gets_all_unchanged() -> None:
    served = [item | {"call_id": None, "execution": "server"} for item in SEARCHED]
    made = plan(to=routes(FakeUpstream(), relays=True), tools=[HIDDEN, SEARCH], input=[HI, ADDED, *served])
    assert (made.turn.offers, made.ignored) == ([], [])
    assert [item.type for item in made.turn.items] == ["message", *(item["type"] for item in (ADDED, *served))]


# Faults.

CLASH: Json = ORDERS | {"name": "crm__list_orders"}
FAULTS: dict[str, tuple[Json, str, str]] = {
    "two of a name within a namespace": ({"tools": [space(MEMO, ORDERS, MEMO)]}, "tools[0].tools[2].name", "crm__memo"),
    "a namespace twice": ({"tools": [CLOCK, CRM, space(ORDERS)]}, "tools[2].tools[0].name", "crm__list_orders"),
    "a function that is called like a member": ({"tools": [CRM, CLASH]}, "tools[1].name", "crm__list_orders"),
    "a member that is called like a function": ({"tools": [CLASH, CRM]}, "tools[1].tools[1].name", "crm__list_orders"),
    "namespaces with the same names in one": (
        {"tools": [space(CLOCK | {"name": "b__c"}, name="a"), space(CLOCK | {"name": "c"}, name="a__b")]},
        "tools[1].tools[0].name",
        "a__b__c",
    ),
    "an additional tool that is called like another": (
        {"tools": [CRM], "input": [HI, ADDED | {"tools": [CLOCK, CLASH]}]},
        "input[1].tools[1].name",
        "crm__list_orders",
    ),
    "a function that is called like the search": (
        {"tools": [SEARCH, CLOCK | {"name": "tool_search"}]},
        "tools[1].name",
        "tool_search",
    ),
    "an additional MCP tool": ({"input": [ADDED | {"tools": [MCP]}]}, "input[0].tools[0].type", "'mcp'"),
    "a required tool that is one of several": (
        {"tools": [CRM, space(ORDERS, name="shop")], "tool_choice": {"type": "function", "name": "list_orders"}},
        "tool_choice.name",
        "crm__list_orders, shop__list_orders",
    ),
    "a required tool that is not found yet": (
        {"tools": [HIDDEN, SEARCH], "tool_choice": {"type": "function", "name": "crm__list_orders"}},
        "tool_choice.name",
        "crm__list_orders",
    ),
    "an allowed tool of another namespace": (
        {
            "tools": [CRM],
            "tool_choice": {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "custom", "name": "memo", "namespace": "shop"}],
            },
        },
        "tool_choice.tools[0]",
        "'memo'",
    ),
    "an allowed namespace that is not there": (
        {
            "tools": [CUSTOMER],
            "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "namespace", "name": "crm"}]},
        },
        "tool_choice.tools[0]",
        "'crm'",
    ),
    "any tool where all are hidden": (
        {"tools": [SEARCH, HIDDEN], "tool_choice": {"type": "function", "name": "memo"}},
        "tool_choice.name",
        "'memo'",
    ),
}


@pytest.mark.parametrize(("fields", "param", "reported"), FAULTS.values(), ids=FAULTS)
def test_what_cannot_be_offered_is_the_clients_fault(fields: Json, param: str, reported: str) -> None:
    with pytest.raises(ApiError) as caught:
        plan(**fields)
    assert (caught.value.status, caught.value.param) == (400, param)
    assert reported in caught.value.message


def test_all_tools_together_are_bounded() -> None:
    """Those of earlier turns too; one that is declared again is no further one."""
    few = msgspec.structs.replace(LIMITS, tools_max=5)
    assert len(names(later([ADDED] * 9, few, tools=[CRM]))) == 5
    with pytest.raises(ApiError) as caught:
        later([ADDED], few, tools=[CRM], input=[HI, ADDED | {"tools": [MEMO]}])
    assert (caught.value.param, caught.value.code) == ("input[1].tools", "array_above_max_length")
    assert "5 tools" in caught.value.message
