"""The command `penstock doctor`: it tries everything that the settings name, and reports what does not work.

It uses the drivers of the server, without a server. One check is a function in a table.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import AsyncIterator, Callable
from importlib.util import find_spec
from typing import NamedTuple

from penstock.assembly import build_routes, open_store, search_engine
from penstock.drivers import Drivers
from penstock.egress import Egress
from penstock.engine import Catalog
from penstock.ids import clock_s
from penstock.limits import Limits
from penstock.ports import Connect, Extractor, PageContent, PageFailed, SearchFailed, SearchQuery
from penstock.settings import Settings, SettingsError, own_servers, without_credentials
from penstock.tools.mcp.client import McpFailed
from penstock.tools.mcp.list_cache import ListCache
from penstock.tools.mcp.lister import Lister
from penstock.tools.mcp.own_servers import all_servers
from penstock_adapters.drivers import STORES, mcp_client, page_extractor, read_file

from .maintenance import errors_in_one_line

_STORE_S = 10.0
"""How long the store may take, with a change of its schema."""
_QUERY = SearchQuery(text="penstock", results_max=5, snippet_chars=100)
_PAGE = PageContent(url="https://example.com/", type="text/html", body=b"<title>A page</title><p>Its text.")


class Finding(NamedTuple):
    """What a check has found. `problem` is empty where all is well."""

    name: str
    problem: str = ""
    details: str = ""


Check = Callable[[Settings, Connect], AsyncIterator[Finding]]


async def _upstreams(settings: Settings, connect: Connect) -> AsyncIterator[Finding]:
    """Whether each upstream lists its models."""
    routes = build_routes(settings, Drivers(connect=connect, read_file=read_file))
    try:
        for report in await Catalog(routes, settings.limits, clock_s).ask_all():
            details = f"it lists {len(report.models)} of the models that it serves"
            yield Finding(f"upstream {report.route.name}", report.problem, details)
    finally:
        for route in routes.all:
            await route.upstream.aclose()


async def _store(settings: Settings, connect: Connect) -> AsyncIterator[Finding]:
    """Whether rows can be written and read. It brings the database up to date, as a server does."""
    url = settings.store or "memory://"
    name = f"store {without_credentials(url)}"
    store = open_store(url, STORES)
    if store is None:
        yield Finding(name, details="nothing is stored")
        return
    try:
        with errors_in_one_line(name):
            async with asyncio.timeout(_STORE_S):
                await store.migrate()
                await store.check()
        yield Finding(name, details="rows can be written and read")
    finally:
        await store.aclose()


async def _search(settings: Settings, connect: Connect) -> AsyncIterator[Finding]:
    """Whether the search engine answers, and whether the text of pages can be read."""
    if not settings.search:
        return
    name = f"search {settings.search.partition(':')[0]}"
    engine = search_engine(settings, connect)
    try:
        results = await engine.search(_QUERY)
        yield Finding(name, details=f"{len(results)} results for '{_QUERY.text}'")
    except SearchFailed as error:
        yield Finding(name, str(error))
    finally:
        await engine.aclose()
    yield await _pages(page_extractor(settings.limits))


async def _pages(extractor: Extractor) -> Finding:
    try:
        await extractor.extract(_PAGE)
    except PageFailed as error:
        return Finding("pages", str(error))
    finally:
        await extractor.aclose()
    missing = [package for package in ("trafilatura", "pypdf") if find_spec(package) is None]
    if missing:
        details = (
            f"readable without {' and '.join(missing)}: pip install 'penstock[web]' for the main part, and for PDF"
        )
        return Finding("pages", details=details)
    return Finding("pages", details="HTML, text and PDF can be read")


async def _mcp(settings: Settings, connect: Connect) -> AsyncIterator[Finding]:
    """Whether each MCP server of the settings lists its tools."""
    if settings.mcp == "off":
        return
    limits = settings.limits
    client = mcp_client(limits, Egress(settings.egress.allow))
    lister = Lister(client, ListCache(limits, time.monotonic), limits)
    servers = list(all_servers(own_servers(settings)))
    if not servers:
        yield Finding("mcp", details="the SDK is installed; servers are those of requests")
    try:
        for name, server in servers:
            try:
                tools = await lister.tools(server)
                yield Finding(f"mcp {name}", details=f"it lists {len(tools)} tools")
            except McpFailed as failed:
                yield Finding(f"mcp {name}", failed.message)
    finally:
        await client.aclose()


_CHECKS: list[Check] = [_upstreams, _store, _search, _mcp]
"""All checks, in the order of their lines."""


def doctor(settings: Settings, make_connect: Callable[[Limits], Connect]) -> int:
    """Print a line for each finding. The exit code is 1 if anything does not work."""
    logging.getLogger("penstock").addHandler(logging.NullHandler())  # each problem has its line here
    return asyncio.run(_run(settings, make_connect(settings.limits)))


async def _run(settings: Settings, connect: Connect) -> int:
    problems = 0
    for check in _CHECKS:
        begun_s = time.monotonic()
        try:
            # spec: doctor
            async for finding in check(settings, connect):
                took_ms = (time.monotonic() - begun_s) * 1000
                problems += bool(finding.problem)
                _print(finding, took_ms)
        except SettingsError as mistake:
            problems += 1
            _print(Finding(mistake.where, mistake.problem), 0)
    return 1 if problems else 0


def _print(finding: Finding, took_ms: float) -> None:
    word = "fail" if finding.problem else "ok"
    sys.stdout.write(f"{word:4}  {finding.name}: {finding.problem or f'{finding.details} ({took_ms:.0f} ms)'}\n")
    sys.stdout.flush()
