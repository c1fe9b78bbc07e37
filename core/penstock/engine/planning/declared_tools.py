"""The declared tools of a request and its context, by the names of the functions that are offered for them.

It knows tool families through `penstock.tool_calls`: a tool without an entry there has no driver on this server, and is
ignored and reported, or rejected, as `absent_tools` is set. It does not apply `tool_choice`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace

from penstock.errors import invalid
from penstock.ports import DeclaredTool
from penstock.tool_calls import GROUPS, OFFERS, CallFormat, Declared, FunctionDefinition, namespace
from penstock.tool_calls.tool_search import ToolSearchCallFormat
from penstock.wire import McpTool, Tool

from .absent_tools import hint, log_once
from .policies import Policies

_ALSO = {
    "computer": ("computer_use_preview",),
    "computer_use": ("computer", "computer_use_preview"),
    "computer_use_preview": ("computer",),
}
"""The other tool types that a choice of a type may mean."""


class Source(msgspec.Struct):
    """A list of tools, and the parameter that contains it."""

    tools: Sequence[Tool]
    param: str
    is_request: bool = False
    is_found: bool = False
    """Whether the deferred tools in it are offered, because a search has found them."""


class _Entry(msgspec.Struct):
    """A function that may be offered, and the tool that declared it."""

    offer: FunctionDefinition
    form: CallFormat
    declared: Declared

    @property
    def type(self) -> str:
        """The type of the tool."""
        return str(self.declared.tool.type)

    @property
    def name(self) -> str:
        """The name of the tool; empty for types without names."""
        return getattr(self.declared.tool, "name", "")

    @property
    def is_deferred(self) -> bool:
        """Whether the model finds the tool by a search only."""
        return getattr(self.declared.tool, "defer_loading", False) is True


class DeclaredTools:
    """All functions that may be offered, by name; the last declaration of a tool counts."""

    def __init__(self, policies: Policies, tools_max: int) -> None:
        self.ignored: list[str] = []
        self.hosted: list[DeclaredTool] = []
        """The hosted tools, which are no function yet."""
        self._policies = policies
        self._tools_max = tools_max
        self._entries: dict[str, _Entry] = {}
        self._requested: dict[str, None] = {}
        """The names in the request's own `tools`. They are offered first: the prompt's beginning stays."""
        self._found: dict[str, None] = {}
        """The names that a search has found. They are offered last, for the same reason."""

    def add(self, source: Source) -> None:
        """Add the tools of a list. Raises `ApiError` 400 for tools that are not allowed."""
        for index, tool in enumerate(source.tools):
            for declared in GROUPS[type(tool)](tool) if type(tool) in GROUPS else (Declared(tool),):
                self._declare(declared, source, f"{source.param}[{index}]{declared.path}")
        if len(self._entries) + len(self.hosted) > self._tools_max:
            message = f"More than {self._tools_max} tools are to be offered, those of the context included."
            raise invalid(message, source.param, "array_above_max_length")

    def _declare(self, declared: Declared, source: Source, param: str) -> None:
        offers = _offers(declared)
        if offers is None:
            self._declare_hosted(declared.tool, param)
            return
        for offer, form in offers:
            self._check_name(offer.name, form, source, f"{param}.name")
            self._entries[offer.name] = _Entry(offer, form, declared)
            if source.is_request:
                self._requested[offer.name] = None
            if source.is_found:
                self._found[offer.name] = None

    def _check_name(self, name: str, form: CallFormat, source: Source, param: str) -> None:
        """Raise `ApiError` 400 where two tools have one name. An item may declare a tool again; `tools` may not."""
        known = self._entries.get(name)
        if (source.is_request and name in self._requested) or (known and known.form != form):
            raise invalid(f"More than one tool is named '{name}'.", param)

    def _declare_hosted(self, tool: Tool, param: str) -> None:
        if self._policies.tools.serves(tool):
            self.hosted.append(DeclaredTool(tool, param))
            if isinstance(tool, McpTool) and tool.defer_loading is True:
                self.ignored.append("tools.mcp.defer_loading")
        else:
            self._refuse_or_ignore(tool, param)

    def _refuse_or_ignore(self, tool: Tool, param: str) -> None:
        if isinstance(tool, McpTool) or self._policies.absent_tools == "reject":
            message = f"The tool '{tool.type}' is not available on this server: no driver for it is configured."
            message += hint(tool.type)
            if self._policies.absent_tools == "reject":
                message += ' The setting absent_tools = "ignore" lets requests go on without such tools.'
            raise invalid(message, f"{param}.type", "unsupported_tool")
        # spec: codex
        self.ignored.append(f"tools.{tool.type}")
        log_once(tool.type)

    def offers(self) -> list[FunctionDefinition]:
        """The functions that the model sees: all but deferred ones that were not found, if the client searches."""
        searches = any(isinstance(entry.form, ToolSearchCallFormat) for entry in self._entries.values())
        names = dict.fromkeys([*self._requested, *self._entries])
        hidden = {name for name in names if searches and self._entries[name].is_deferred}
        visible = [name for name in names if name not in hidden] + [name for name in self._found if name in hidden]
        return [self._entries[name].offer for name in visible]

    def forms(self) -> dict[str, CallFormat]:
        """How calls are decoded, by function name. A name without its namespace is accepted where it is unique."""
        bare: dict[str, list[CallFormat]] = {}
        for entry in self._entries.values():
            bare.setdefault(entry.name, []).append(entry.form)
        forms = {name: found[0] for name, found in bare.items() if len(found) == 1 and name}
        return forms | {name: entry.form for name, entry in self._entries.items()}

    def names(self, type: str, name: str = "", space: str = "") -> list[str]:
        """The functions that a choice means: tools by name, with or without a namespace, or all of a namespace."""
        for kind in (type, *_ALSO.get(type, ())):
            same = {known: entry for known, entry in self._entries.items() if entry.type == kind}
            named = [known for known, entry in same.items() if _is_meant(known, entry, name, space)]
            if name in named and not space:
                return [name]
            if named:
                return named
        spaces = {known: entry.declared.namespace for known, entry in self._entries.items()}
        return [known for known, each in spaces.items() if type == "namespace" and each == name]

    def introduced(self, offers: list[FunctionDefinition]) -> list[FunctionDefinition]:
        """The offers; the first of each namespace has the namespace's description before its own."""
        described: set[str] = set()
        return [self._introduced(offer, described) for offer in offers]

    def _introduced(self, offer: FunctionDefinition, described: set[str]) -> FunctionDefinition:
        space = self._entries[offer.name].declared.namespace_tool
        if space is None or not space.description or space.name in described:
            return offer
        described.add(space.name)
        return replace(offer, description=namespace.with_namespace_description(space, offer.description))


def _offers(declared: Declared) -> Iterable[tuple[FunctionDefinition, CallFormat]] | None:
    """The functions and call formats of a tool; None where this server has no driver for it."""
    make_offers = OFFERS.get(type(declared.tool))
    offers = make_offers(declared.tool) if make_offers else None
    if offers is None or declared.namespace_tool is None:
        return offers
    return [namespace.in_namespace(declared.namespace_tool, offer, form) for offer, form in offers]


def _is_meant(known: str, entry: _Entry, name: str, space: str) -> bool:
    return name in (known, entry.name) and space in ("", entry.declared.namespace)
