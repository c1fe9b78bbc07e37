"""Selects the tools that the model is offered, and applies `tool_choice`.

It knows where tools come from: the request, and the items of its context that contain tools. How a tool is offered,
`declared_tools` decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from penstock.engine.context.resolve import Context
from penstock.engine.hosted_tools.choice import is_of_type
from penstock.errors import ApiError, invalid
from penstock.limits import Limits
from penstock.ports import Choice, DeclaredTool
from penstock.tool_calls import TOOL_CARRYING_ITEMS, CallFormat, FunctionDefinition
from penstock.wire import (
    UNSET,
    AllowedTool,
    CreateResponse,
    InputItem,
    ToolChoice,
    ToolChoiceAllowed,
    ToolChoiceCustom,
    ToolChoiceFunction,
    ToolChoiceHosted,
    ToolChoiceMcp,
)

from .absent_tools import hint
from .declared_tools import DeclaredTools, Source
from .policies import Policies


class ToolSelection(msgspec.Struct):
    """The functions that the model is offered, how their calls are decoded, and which call is required."""

    offers: list[FunctionDefinition]
    forms: dict[str, CallFormat]
    choice: Choice
    ignored: list[str]
    hosted: list[DeclaredTool] = []
    """The tools that this server runs. Their functions are known, and chosen, when their sessions are open."""


def offer_nothing() -> ToolSelection:
    """The selection without tools, or for an upstream that receives the request's own tools."""
    return ToolSelection([], {}, Choice(), [])


def offer_tools(request: CreateResponse, context: Context, policies: Policies, limits: Limits) -> ToolSelection:
    """The selection of a request. Raises `ApiError` 400 for invalid tools and choices."""
    if not request.tools and request.tool_choice in (None, "auto") and not contains_tools(context):
        return offer_nothing()  # the common case
    declared = DeclaredTools(policies, limits.tools_max)
    for source in _sources(request, context):
        declared.add(source)
    ignored = list(dict.fromkeys(declared.ignored))
    selection = ToolSelection(declared.offers(), declared.forms(), Choice(), ignored, declared.hosted)
    _choose(selection, request.tool_choice, declared)
    selection.offers = declared.introduced(selection.offers)
    return selection


def contains_tools(context: Context) -> bool:
    """Whether items of the context contain tools."""
    return not TOOL_CARRYING_ITEMS.keys().isdisjoint(map(type, context.items))


def _sources(request: CreateResponse, context: Context) -> Iterator[Source]:
    """All lists of tools, oldest first."""
    yield from _sources_in(context.leading, "prompt")
    yield from _sources_in(context.earlier, "context")
    if request.tools:
        yield Source(request.tools, "tools", is_request=True)
    yield from _sources_in(context.own, "input")


def _sources_in(items: Iterable[InputItem], param: str) -> Iterator[Source]:
    item: Any
    for index, item in enumerate(items):
        is_found = TOOL_CARRYING_ITEMS.get(type(item))
        if is_found is not None:
            yield Source(item.tools, f"{param}[{index}].tools", is_found=is_found)


def _choose(selection: ToolSelection, choice: ToolChoice | None, declared: DeclaredTools) -> None:
    if choice is None or choice == "auto":
        return
    if choice == "none":
        selection.choice = Choice("none")
    elif choice == "required":
        _require_any(selection)
        selection.choice = Choice("required")
    elif isinstance(choice, ToolChoiceAllowed):
        _allow(selection, choice, declared)
    elif isinstance(choice, ToolChoiceMcp | ToolChoiceHosted) and _is_hosted(selection, choice):
        return  # its functions are not known yet
    # spec: custom-tools
    elif isinstance(choice, ToolChoiceFunction | ToolChoiceCustom):
        names = declared.names(choice.type, choice.name)
        _require(selection, names, f"{choice.type} tool '{choice.name}'", "tool_choice.name")
    else:
        names = declared.names(choice.type)
        if not names and f"tools.{choice.type}" in selection.ignored:
            raise _not_offered(f"tool '{choice.type}'", "tool_choice", hint(choice.type))
        _require(selection, names, _described(choice), "tool_choice")


def _described(tool: ToolChoiceMcp | ToolChoiceHosted | AllowedTool) -> str:
    """A tool of a choice, by the label of its server or its name if it has one."""
    name = getattr(tool, "server_label", "") or getattr(tool, "name", "")
    return f"{tool.type} tool '{name}'" if name else f"tool '{tool.type}'"


def _is_hosted(selection: ToolSelection, choice: ToolChoiceMcp | ToolChoiceHosted | AllowedTool) -> bool:
    """Whether a choice is of a tool that this server runs."""
    label = getattr(choice, "server_label", UNSET)
    same = [each.tool for each in selection.hosted if is_of_type(each.tool, choice.type)]
    return any(label in (UNSET, getattr(tool, "server_label", UNSET)) for tool in same)


def _require(selection: ToolSelection, names: list[str], what: str, param: str) -> None:
    """Require a call of this tool. It must be one tool, and visible to the model."""
    if len(names) > 1:
        raise invalid(f"The {what} of 'tool_choice' is one of several: {', '.join(names)}.", param)
    if not names or names[0] not in {offer.name for offer in selection.offers}:
        raise _not_offered(what, param)
    selection.choice = Choice("required", names[0])


def _allow(selection: ToolSelection, choice: ToolChoiceAllowed, declared: DeclaredTools) -> None:
    """Offer the allowed tools only: most backends have no `allowed_tools`, and all accept a shorter list."""
    allowed: set[str] = set()
    ignored = {name.removeprefix("tools.") for name in selection.ignored}
    for index, tool in enumerate(choice.tools):
        names = declared.names(tool.type, tool.name or "", tool.namespace or "")
        allowed.update(names)
        if not names and tool.type not in ignored and not _is_hosted(selection, tool):
            raise _not_offered(_described(tool), f"tool_choice.tools[{index}]")
    selection.offers = [offer for offer in selection.offers if offer.name in allowed]
    if choice.mode == "required":
        _require_any(selection)
    selection.choice = Choice(choice.mode)


def _require_any(selection: ToolSelection) -> None:
    if not selection.offers and not selection.hosted:
        hints = "".join(dict.fromkeys(hint(name.removeprefix("tools.")) for name in selection.ignored))
        message = "A tool call is required, but no tool is offered that this server has."
        raise invalid(message + hints, "tool_choice")


def _not_offered(what: str, param: str, hint: str = "") -> ApiError:
    return invalid(f"The {what} of 'tool_choice' is not among the 'tools' that this server can offer.{hint}", param)
