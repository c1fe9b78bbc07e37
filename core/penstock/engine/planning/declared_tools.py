"""The toolbox: every tool that a request and its context bring, by the name of the function that it may be offered as.

It knows tool families through `penstock.tool_calls`: a tool without an entry there has no driver here, and is ignored
and told of, or rejected, by setting. It does not know what the client chooses of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace

from penstock.errors import invalid
from penstock.tool_calls import GROUPS, OFFERS, CallFormat, Declared, FunctionDefinition, namespace
from penstock.tool_calls.tool_search import SearchForm
from penstock.wire import McpTool, Tool

_ALSO = {
    "computer": ("computer_use_preview",),
    "computer_use": ("computer", "computer_use_preview"),
    "computer_use_preview": ("computer",),
}
"""Tools that a choice of another type may mean as well."""


class Source(msgspec.Struct):
    """A list of tools, and where it stands."""

    tools: Sequence[Tool]
    param: str
    is_request: bool = False
    is_found: bool = False
    """Whether deferred tools in it are offered, since a search has found them."""


class _Entry(msgspec.Struct):
    """A function that may be offered, and what it was declared as."""

    offer: FunctionDefinition
    form: CallFormat
    declared: Declared

    @property
    def type(self) -> str:
        """The type of the tool."""
        return str(self.declared.tool.type)

    @property
    def name(self) -> str:
        """The name of the tool, where tools of its type have names."""
        return getattr(self.declared.tool, "name", "")

    @property
    def is_deferred(self) -> bool:
        """Whether it is to be searched for."""
        return getattr(self.declared.tool, "defer_loading", False) is True


class Toolbox:
    """Everything that may be offered, by the function's name; the last declaration of a tool counts."""

    def __init__(self, absent_tools: str, tools_max: int) -> None:
        self.ignored: list[str] = []
        self._absent_tools = absent_tools
        self._tools_max = tools_max
        self._entries: dict[str, _Entry] = {}
        self._requested: dict[str, None] = {}
        """The names in the request's own `tools`, which are offered first, so that the prompt begins as before."""
        self._found: dict[str, None] = {}
        """The names that a search has found; they are offered last, for the same reason."""

    def take(self, source: Source) -> None:
        """Add the tools of a list. Raises `ApiError` 400 for those that cannot be."""
        for index, tool in enumerate(source.tools):
            for declared in GROUPS[type(tool)](tool) if type(tool) in GROUPS else (Declared(tool),):
                self._declare(declared, source, f"{source.param}[{index}]{declared.place}")
        if len(self._entries) > self._tools_max:
            message = f"More than {self._tools_max} tools are to be offered, those of the context included."
            raise invalid(message, source.param, "array_above_max_length")

    def _declare(self, declared: Declared, source: Source, param: str) -> None:
        offers = _offers(declared)
        if offers is None:
            self._refuse_or_ignore(declared.tool, param)
            return
        for offer, form in offers:
            self._check_name(offer.name, form, source, f"{param}.name")
            self._entries[offer.name] = _Entry(offer, form, declared)
            if source.is_request:
                self._requested[offer.name] = None
            if source.is_found:
                self._found[offer.name] = None

    def _check_name(self, name: str, form: CallFormat, source: Source, param: str) -> None:
        """A name is one tool's. An item may declare a tool again; `tools` says each once."""
        known = self._entries.get(name)
        if (source.is_request and name in self._requested) or (known and known.form != form):
            raise invalid(f"More than one tool is named '{name}'.", param)

    def _refuse_or_ignore(self, tool: Tool, param: str) -> None:
        if isinstance(tool, McpTool) or self._absent_tools == "reject":
            message = f"The tool '{tool.type}' is not available on this server: no driver for it is configured."
            if self._absent_tools == "reject":
                message += ' The setting absent_tools = "ignore" lets requests go on without such tools.'
            raise invalid(message, f"{param}.type", "unsupported_tool")
        self.ignored.append(f"tools.{tool.type}")

    def offers(self) -> list[FunctionDefinition]:
        """What the model sees: all but what is deferred and not found, where the client searches."""
        searches = any(isinstance(entry.form, SearchForm) for entry in self._entries.values())
        names = dict.fromkeys([*self._requested, *self._entries])
        hidden = {name for name in names if searches and self._entries[name].is_deferred}
        shown = [name for name in names if name not in hidden] + [name for name in self._found if name in hidden]
        return [self._entries[name].offer for name in shown]

    def forms(self) -> dict[str, CallFormat]:
        """How calls come back, of what is deferred too. Some models leave the namespace out, where it needs none."""
        bare: dict[str, list[CallFormat]] = {}
        for entry in self._entries.values():
            bare.setdefault(entry.name, []).append(entry.form)
        forms = {name: found[0] for name, found in bare.items() if len(found) == 1 and name}
        return forms | {name: entry.form for name, entry in self._entries.items()}

    def names(self, type: str, name: str = "", space: str = "") -> list[str]:
        """What a choice means: tools by their name, with or without that of their namespace, or all of a namespace."""
        for one in (type, *_ALSO.get(type, ())):
            same = {known: entry for known, entry in self._entries.items() if entry.type == one}
            named = [known for known, entry in same.items() if _is_meant(known, entry, name, space)]
            if name in named and not space:
                return [name]
            if named:
                return named
        spaces = {known: entry.declared.namespace for known, entry in self._entries.items()}
        return [known for known, one in spaces.items() if type == "namespace" and one == name]

    def introduced(self, offers: list[FunctionDefinition]) -> list[FunctionDefinition]:
        """The offers, the first of each namespace with what is said of all in it."""
        told: set[str] = set()
        return [self._introduced(offer, told) for offer in offers]

    def _introduced(self, offer: FunctionDefinition, told: set[str]) -> FunctionDefinition:
        space = self._entries[offer.name].declared.space
        if space is None or not space.description or space.name in told:
            return offer
        told.add(space.name)
        return replace(offer, description=namespace.introduced(space, offer.description))


def _offers(declared: Declared) -> Iterable[tuple[FunctionDefinition, CallFormat]] | None:
    """What a tool is offered as; None for a tool that nobody here has."""
    make_offers = OFFERS.get(type(declared.tool))
    offers = make_offers(declared.tool) if make_offers else None
    if offers is None or declared.space is None:
        return offers
    return [namespace.within(declared.space, offer, form) for offer, form in offers]


def _is_meant(known: str, entry: _Entry, name: str, space: str) -> bool:
    return name in (known, entry.name) and space in ("", entry.declared.namespace)
