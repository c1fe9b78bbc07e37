"""Which of a request's tools the model is offered, and what `tool_choice` makes of them.

It knows tool families through `penstock.calling`: a tool without an entry there has no driver here, and is ignored
and told of, or rejected, by setting.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from penstock.calling import OFFERS, Form, Offer
from penstock.errors import ApiError, invalid
from penstock.ports import Choice
from penstock.wire import (
    CreateResponse,
    McpTool,
    Tool,
    ToolChoice,
    ToolChoiceAllowed,
    ToolChoiceCustom,
    ToolChoiceFunction,
)

Kinds: TypeAlias = dict[tuple[str, str], str]
"""The name of what is offered by a tool's type and, where such tools have names, its name."""

_ALSO = {
    "computer": ("computer_use_preview",),
    "computer_use": ("computer", "computer_use_preview"),
    "computer_use_preview": ("computer",),
}
"""Tools that a choice of another type may mean as well."""


class Offering(msgspec.Struct):
    """What the model is offered, how its calls come back, and what it must do with the offer."""

    offers: list[Offer]
    forms: dict[str, Form]
    choice: Choice
    ignored: list[str]


def offer_nothing() -> Offering:
    """The offering to an upstream that takes the request's tools as they are."""
    return Offering([], {}, Choice(), [])


def offer_tools(request: CreateResponse, absent_tools: Literal["ignore", "reject"]) -> Offering:
    """The offering of a request. Raises `ApiError` 400 for tools and choices that cannot be."""
    offering = offer_nothing()
    kinds: Kinds = {}
    for index, tool in enumerate(request.tools or ()):
        make_offers = OFFERS.get(type(tool))
        offers = make_offers(tool) if make_offers else None
        if offers is None:
            _refuse_or_ignore(offering, tool, absent_tools, f"tools[{index}]")
            continue
        for offer, form in offers:
            _add(offering, offer, form, f"tools[{index}].name")
            kinds[(tool.type, offer.name if hasattr(tool, "name") else "")] = offer.name
    _choose(offering, request.tool_choice, kinds)
    return offering


def _add(offering: Offering, offer: Offer, form: Form, param: str) -> None:
    if offer.name in offering.forms:
        raise invalid(f"More than one tool is named '{offer.name}'.", param)
    offering.offers.append(offer)
    offering.forms[offer.name] = form


def _refuse_or_ignore(offering: Offering, tool: Tool, absent_tools: str, param: str) -> None:
    if isinstance(tool, McpTool) or absent_tools == "reject":
        message = f"The tool '{tool.type}' is not available on this server: no driver for it is configured."
        if absent_tools == "reject":
            message += ' The setting absent_tools = "ignore" lets requests go on without such tools.'
        raise invalid(message, f"{param}.type", "unsupported_tool")
    offering.ignored.append(f"tools.{tool.type}")


def _choose(offering: Offering, choice: ToolChoice | None, kinds: Kinds) -> None:
    if choice is None or choice == "auto":
        return
    if choice == "none":
        offering.choice = Choice("none")
    elif choice == "required":
        _require_any(offering)
        offering.choice = Choice("required")
    elif isinstance(choice, ToolChoiceAllowed):
        _allow(offering, choice, kinds)
    elif isinstance(choice, ToolChoiceFunction | ToolChoiceCustom):
        if (choice.type, choice.name) not in kinds:
            raise _not_offered(f"{choice.type} tool '{choice.name}'", "tool_choice.name")
        offering.choice = Choice("required", choice.name)
    else:
        name = _find(kinds, choice.type)
        if name is None:
            raise _not_offered(f"tool '{choice.type}'", "tool_choice")
        offering.choice = Choice("required", name)


def _find(kinds: Kinds, kind: str, name: str = "") -> str | None:
    """What is offered for a tool that a choice names."""
    return next((kinds[one, name] for one in (kind, *_ALSO.get(kind, ())) if (one, name) in kinds), None)


def _allow(offering: Offering, choice: ToolChoiceAllowed, kinds: Kinds) -> None:
    """Offer the allowed ones alone: few backends know of allowed tools, and all know of fewer tools."""
    allowed: set[str] = set()
    ignored = {name.removeprefix("tools.") for name in offering.ignored}
    for index, tool in enumerate(choice.tools):
        name = _find(kinds, tool.type, tool.name or "")
        if name is not None:
            allowed.add(name)
        elif tool.type not in ignored:
            raise _not_offered(f"{tool.type} tool '{tool.name or ''}'", f"tool_choice.tools[{index}]")
    offering.offers = [offer for offer in offering.offers if offer.name in allowed]
    if choice.mode == "required":
        _require_any(offering)
    offering.choice = Choice(choice.mode)


def _require_any(offering: Offering) -> None:
    if not offering.offers:
        raise invalid("A tool call is required, but no tool is offered that this server has.", "tool_choice")


def _not_offered(what: str, param: str) -> ApiError:
    return invalid(f"The {what} of 'tool_choice' is not among the 'tools' that this server can offer.", param)
