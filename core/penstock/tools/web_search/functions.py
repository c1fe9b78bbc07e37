"""The functions that a model is offered for a web search tool, and the arguments of their calls."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from penstock.citations import HOW_TO_CITE
from penstock.ports import HostedFunction
from penstock.tool_calls import FunctionDefinition
from penstock.tool_calls.web_search import FIND, OPEN_PAGE, SEARCH
from penstock.tool_replies import RULE

from .options import Options

QUERIES_MAX = 4
"""The queries of one call."""
TEXT_CHARS_MAX = 400
"""The length of a query, and of a text that is looked for. It is the least that engines allow."""

_SEARCH_PARAMETERS = msgspec.Raw(
    b'{"type":"object","properties":{"queries":{"type":"array","items":{"type":"string"},"minItems":1,"maxItems":4,'
    b'"description":"One to four different queries, as one would type them into a search engine."}},'
    b'"required":["queries"],"additionalProperties":false}'
)
_OPEN_PARAMETERS = msgspec.Raw(
    b'{"type":"object","properties":{"url":{"type":"string","description":"The URL of a page."}},'
    b'"required":["url"],"additionalProperties":false}'
)
_FIND_PARAMETERS = msgspec.Raw(
    b'{"type":"object","properties":{"url":{"type":"string","description":"The URL of a page."},'
    b'"pattern":{"type":"string","description":"The words to look for, exactly as they stand there."}},'
    b'"required":["url","pattern"],"additionalProperties":false}'
)
_ONLY_SEEN = "Only a URL from the conversation, from search results or from an opened page may be given."


class SearchArguments(msgspec.Struct):
    """The arguments of a search. Some models write one query."""

    queries: list[str] = []
    query: str = ""

    def texts(self) -> list[str]:
        """The queries. Raises `ValueError` where there are none, or too many."""
        texts = [text for query in [*self.queries, self.query] if (text := " ".join(query.split()))]
        if not 1 <= len(texts) <= QUERIES_MAX:
            raise ValueError(f"'queries' needs 1 to {QUERIES_MAX} queries.")
        if max(map(len, texts)) > TEXT_CHARS_MAX:
            raise ValueError(f"A query has at most {TEXT_CHARS_MAX} characters.")
        return texts


class PageArguments(msgspec.Struct):
    """The arguments of the functions that read a page."""

    url: str
    pattern: str = ""


def functions(options: Options, *, opens_any: bool, cites: bool) -> Iterator[HostedFunction]:
    """The functions of a tool. With `cites` the model is asked to cite, and with `opens_any` it may open any page."""
    cite = f" {HOW_TO_CITE}" if cites else ""
    where = options.location.described()
    location = f" The user is about here: {where}." if where else ""
    about = f"Search the web. Use it for anything that is recent or that you are not sure of.{location}"
    yield _function(options, SEARCH, f"{about} {RULE}{cite}", _SEARCH_PARAMETERS)
    if options.opens_pages and options.is_live:
        only = "" if opens_any else f" {_ONLY_SEEN}"
        yield _function(options, OPEN_PAGE, f"Read a page of the web.{only} {RULE}{cite}", _OPEN_PARAMETERS)
        find = f"Find all places of a page that contain some words.{only} {RULE}{cite}"
        yield _function(options, FIND, find, _FIND_PARAMETERS)


def _function(options: Options, name: str, description: str, parameters: msgspec.Raw) -> HostedFunction:
    definition = FunctionDefinition(name=name, description=description, parameters=parameters)
    return HostedFunction(definition=definition, tool=options.tool)
