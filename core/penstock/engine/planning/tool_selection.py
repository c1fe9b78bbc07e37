"""Which tools the model is offered, and what `tool_choice` makes of them.

It knows where tools come from: the request, and the items of its context that bring some. What becomes of each, the
toolbox says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import msgspec

from penstock.engine.context.resolve import Context
from penstock.errors import ApiError, invalid
from penstock.limits import Limits
from penstock.ports import Choice
from penstock.tool_calls import TOOL_CARRYING_ITEMS, CallFormat, FunctionDefinition
from penstock.wire import (
    CreateResponse,
    InputItem,
    ToolChoice,
    ToolChoiceAllowed,
    ToolChoiceCustom,
    ToolChoiceFunction,
)

from .declared_tools import Source, Toolbox


class ToolSelection(msgspec.Struct):
    """What the model is offered, how its calls come back, and what it must do with the offer."""

    offers: list[FunctionDefinition]
    forms: dict[str, CallFormat]
    choice: Choice
    ignored: list[str]


def offer_nothing() -> ToolSelection:
    """The offering where there are no tools, or to an upstream that takes the request's own as they are."""
    return ToolSelection([], {}, Choice(), [])


def offer_tools(
    request: CreateResponse, context: Context, absent_tools: Literal["ignore", "reject"], limits: Limits
) -> ToolSelection:
    """The offering of a request. Raises `ApiError` 400 for tools and choices that cannot be."""
    if not request.tools and request.tool_choice in (None, "auto") and not brings_tools(context):
        return offer_nothing()  # most requests are so
    toolbox = Toolbox(absent_tools, limits.tools_max)
    for source in _sources(request, context):
        toolbox.take(source)
    offering = ToolSelection(toolbox.offers(), toolbox.forms(), Choice(), list(dict.fromkeys(toolbox.ignored)))
    _choose(offering, request.tool_choice, toolbox)
    offering.offers = toolbox.introduced(offering.offers)
    return offering


def brings_tools(context: Context) -> bool:
    """Whether items of the context bring tools."""
    return not TOOL_CARRYING_ITEMS.keys().isdisjoint(map(type, context.items))


def _sources(request: CreateResponse, context: Context) -> Iterator[Source]:
    """Everything that brings tools, oldest first."""
    yield from _brought(context.leading, "prompt")
    yield from _brought(context.earlier, "context")
    if request.tools:
        yield Source(request.tools, "tools", is_request=True)
    yield from _brought(context.own, "input")


def _brought(items: Iterable[InputItem], param: str) -> Iterator[Source]:
    item: Any
    for index, item in enumerate(items):
        is_found = TOOL_CARRYING_ITEMS.get(type(item))
        if is_found is not None:
            yield Source(item.tools, f"{param}[{index}].tools", is_found=is_found)


def _choose(offering: ToolSelection, choice: ToolChoice | None, toolbox: Toolbox) -> None:
    if choice is None or choice == "auto":
        return
    if choice == "none":
        offering.choice = Choice("none")
    elif choice == "required":
        _require_any(offering)
        offering.choice = Choice("required")
    elif isinstance(choice, ToolChoiceAllowed):
        _allow(offering, choice, toolbox)
    elif isinstance(choice, ToolChoiceFunction | ToolChoiceCustom):
        names = toolbox.names(choice.type, choice.name)
        _require(offering, names, f"{choice.type} tool '{choice.name}'", "tool_choice.name")
    else:
        _require(offering, toolbox.names(choice.type), f"tool '{choice.type}'", "tool_choice")


def _require(offering: ToolSelection, names: list[str], what: str, param: str) -> None:
    """The model must call this tool, of which there is one and which it sees."""
    if len(names) > 1:
        raise invalid(f"The {what} of 'tool_choice' is one of several: {', '.join(names)}.", param)
    if not names or names[0] not in {offer.name for offer in offering.offers}:
        raise _not_offered(what, param)
    offering.choice = Choice("required", names[0])


def _allow(offering: ToolSelection, choice: ToolChoiceAllowed, toolbox: Toolbox) -> None:
    """Offer the allowed ones alone: few backends know of allowed tools, and all know of fewer tools."""
    allowed: set[str] = set()
    ignored = {name.removeprefix("tools.") for name in offering.ignored}
    for index, tool in enumerate(choice.tools):
        names = toolbox.names(tool.type, tool.name or "", tool.namespace or "")
        allowed.update(names)
        if not names and tool.type not in ignored:
            raise _not_offered(f"{tool.type} tool '{tool.name or ''}'", f"tool_choice.tools[{index}]")
    offering.offers = [offer for offer in offering.offers if offer.name in allowed]
    if choice.mode == "required":
        _require_any(offering)
    offering.choice = Choice(choice.mode)


def _require_any(offering: ToolSelection) -> None:
    if not offering.offers:
        raise invalid("A tool call is required, but no tool is offered that this server has.", "tool_choice")


def _not_offered(what: str, param: str) -> ApiError:
    return invalid(f"The {what} of 'tool_choice' is not among the 'tools' that this server can offer.", param)
