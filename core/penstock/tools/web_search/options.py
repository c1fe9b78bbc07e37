"""The parameters of a web search tool: checked, and as the calls of a response need them."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeVar

import msgspec

from penstock.egress import UrlRefused, canonical_host
from penstock.errors import ApiError, invalid, quoted
from penstock.patterns import lazy_pattern
from penstock.ports import DeclaredTool
from penstock.tool_calls import is_present
from penstock.wire import WebSearchPreviewTool, WebSearchPreviewTool2025, WebSearchTool

from .domains import Domains

T = TypeVar("T")

DOMAINS_MAX = 100
"""The number of domains in one filter, which is OpenAI's."""
_LOCATION_CHARS_MAX = 100
_COUNTRY = lazy_pattern("[A-Za-z]{2}")
_PREVIEWS = (WebSearchPreviewTool, WebSearchPreviewTool2025)


class ContextSize(NamedTuple):
    """How much the model reads."""

    results: int
    snippet_chars: int
    page_bytes: int


_SIZES = {
    "low": ContextSize(5, 300, 6_000),
    "medium": ContextSize(8, 700, 16_000),
    "high": ContextSize(12, 1_500, 40_000),
}
"""The sizes by the value of `search_context_size`."""


class _Filters(msgspec.Struct, forbid_unknown_fields=True):
    """The domains of a tool. A filter with an unknown name is refused: without it, too much would be found."""

    allowed_domains: list[str] | None = None
    blocked_domains: list[str] | None = None


class Location(msgspec.Struct, forbid_unknown_fields=True):
    """Where the user is, about."""

    type: Literal["approximate"] | None = None
    city: str | None = None
    region: str | None = None
    country: str | None = None
    timezone: str | None = None

    def described(self) -> str:
        """The location as text. Empty if nothing is known."""
        return ", ".join(filter(None, [self.city, self.region, self.country, self.timezone]))


class Options(msgspec.Struct, kw_only=True, frozen=True):
    """What a tool asks for."""

    tool: WebSearchTool
    size: ContextSize
    domains: Domains
    location: Location
    opens_pages: bool
    """Whether the model may open pages. The tools of the preview search only."""
    is_live: bool
    """Whether anything is fetched. Otherwise, only what was found lately is used."""

    @property
    def country(self) -> str:
        """The two letters of the user's country, in upper case. Empty if unknown."""
        return (self.location.country or "").upper()


def read_options(declared: DeclaredTool) -> Options:
    """The options of a tool. Raises `ApiError` 400, which names the parameter."""
    tool, param = declared.tool, declared.param
    assert isinstance(tool, WebSearchTool)
    filters = _decoded(tool.filters, _Filters, f"{param}.filters") or _Filters()
    return Options(
        tool=tool,
        size=_SIZES[tool.search_context_size or "medium"],
        domains=Domains(
            allowed=_domains(filters.allowed_domains, f"{param}.filters.allowed_domains"),
            blocked=_domains(filters.blocked_domains, f"{param}.filters.blocked_domains"),
        ),
        location=_location(tool, f"{param}.user_location"),
        opens_pages=not isinstance(tool, _PREVIEWS),
        is_live=tool.external_web_access is not False,
    )


def _location(tool: WebSearchTool, param: str) -> Location:
    location = _decoded(tool.user_location, Location, param) or Location()
    for name in ("city", "region", "country", "timezone"):
        if len(getattr(location, name) or "") > _LOCATION_CHARS_MAX:
            raise invalid(f"It is longer than {_LOCATION_CHARS_MAX} characters.", f"{param}.{name}")
    if location.country and not _COUNTRY.fullmatch(location.country):
        raise invalid("A country has two letters (ISO 3166-1), such as 'US'.", f"{param}.country")
    return location


def _domains(domains: list[str] | None, param: str) -> tuple[str, ...]:
    if domains is None:
        return ()
    if len(domains) > DOMAINS_MAX:
        raise invalid(f"More than {DOMAINS_MAX} domains.", param, "array_above_max_length")
    return tuple(_domain(domain, f"{param}[{index}]") for index, domain in enumerate(domains))


def _domain(domain: str, param: str) -> str:
    """A domain in ASCII and lower case."""
    try:
        return canonical_host(domain)
    except UrlRefused:
        message = f"{quoted(domain)} is no domain: give its name alone, without http:// and a path."
        raise invalid(message, param) from None


def _decoded(raw: object, kind: type[T], param: str) -> T | None:
    """A field that the wire format leaves undecoded."""
    if not isinstance(raw, msgspec.Raw) or not is_present(raw):
        return None
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise _mistake(str(error), param) from None


def _mistake(message: str, param: str) -> ApiError:
    """The error of a field, with the path in it."""
    problem, _, path = message.partition(" - at `$")
    return invalid(f"{problem}.", param + path.rstrip("`"))
