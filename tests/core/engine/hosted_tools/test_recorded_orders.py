"""The orders of OpenAI's own streams: our tables allow each of them, and ours are the same."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pytest

from core.engine.hosted_tools.families import END, Turns, called
from core.kit import LIMITS, Json, from_json, make_run, plan, skeleton, to_json
from core.tools.mcp.kit import URL, Servers, failure, family
from penstock.egress import Egress
from penstock.engine import Policies
from penstock.engine.hosted_tools.registry import HostedTools
from penstock.ports import Page, SearchFailed, SearchQuery, SearchResult
from penstock.tools.web_search import WebSearch
from penstock.transcript import IllegalEvent, Transcript
from penstock.transcript.deltas import Delta, ReasoningDelta, TextDelta
from penstock.wire import StreamEvent
from requirements import shows
from support import oracle

FILE = Path(__file__).parents[3] / "transcripts/recorded/hosted_tools.toml"
PAGE = "https://a.example/1"
SEARCH = {"type": "web_search"}
DICE = {"type": "mcp", "server_label": "dice", "server_url": URL}
FREE = DICE | {"require_approval": "never"}
ASKED = [
    {"role": "user", "content": f"Look at {PAGE}"},
    {"type": "mcp_approval_request", "id": "mcpr_0", "server_label": "dice", "name": "roll", "arguments": '{"q":1}'},
]
ANSWER: list[Any] = [[TextDelta("A four.")], END]


class Order(NamedTuple):
    """A recorded order, with the errors of the recording."""

    lines: list[str]
    lost: list[str]
    repeated: list[str]

    def as_meant(self) -> list[str]:
        """The order without what the recording has twice."""
        seen: set[str] = set()
        return [each for each in self.lines if each not in self.repeated or not (each in seen or seen.add(each))]


def read_orders() -> dict[str, Order]:
    orders = tomllib.loads(FILE.read_text())["order"]
    return {
        each["name"]: Order(each["events"].split("\n")[:-1], each.get("lost", []), each.get("repeated", []))
        for each in orders
    }


ORDERS = read_orders()


class Engine:
    """A search engine that finds a page, or fails; and the reader of that page."""

    async def search(self, query: SearchQuery) -> list[SearchResult]:
        if query.text == "fail":
            raise SearchFailed("it is away")
        await asyncio.sleep(float(query.text) if query.text.startswith("0.") else 0)
        return [SearchResult(url=PAGE, title="One")]

    async def read(self, url: str, admits: Any) -> Page:
        return Page(url=url, title="One", text="Words.")

    async def aclose(self) -> None:
        """Nothing is open."""


def events_of(turns: Sequence[Sequence[Any]], servers: Servers, **request: Any) -> list[Json]:
    """The events of a response of the real families, with servers and an engine of the test."""
    egress = Egress()
    tools = HostedTools([family(servers), WebSearch(Engine(), Engine(), egress)], runs_max=9)  # type: ignore[arg-type]

    async def main() -> list[Json]:
        run = make_run(plan(Turns(*turns), Policies(tools=tools), stream=True, **request), LIMITS)
        await run.open()
        events = [to_json(event) async for batch in run.events() for event in batch]
        await run.aclose()
        return events

    events = asyncio.run(main())
    oracle.check_stream(events)
    return events


def line(event: Json) -> str:
    """An event as the file has it."""
    kind = event["type"].removeprefix("response.")
    index = f"{event['output_index']} " if "output_index" in event else ""
    return f"{index}{kind}" + (f" {event['item']['type']}" if "item" in event else "")


def lines(events: Iterable[Json]) -> list[str]:
    """The events, of which deltas in a row are one."""
    return [each for each, _ in groupby(map(line, events))]


def turn(*calls: tuple[str, str]) -> list[Any]:
    return [[each for n, (name, arguments) in enumerate(calls) for each in called(n, name, arguments)], END]


def thinking(*batches: Any) -> list[Any]:
    thought: list[Delta] = [ReasoningDelta("Hmm")]
    return [thought, *batches]


def searching(*queries: str) -> list[Any]:
    return turn(*(("web_search", f'{{"queries": ["{query}"]}}') for query in queries))


ROLL = turn(("dice__roll", '{"q":1}'))
OPEN = turn(("open_page", f'{{"url": "{PAGE}"}}'))
FIND = turn(("find_in_page", f'{{"url": "{PAGE}", "pattern": "words"}}'))
LABELS = ("a", "b", "c")


def at_different_speeds() -> Servers:
    servers = Servers({f"{label}.example": [] for label in LABELS})
    servers.delays = {"a.example": 0.02, "c.example": 0.04}
    return servers


def answered(*, approve: bool) -> list[Json]:
    return [*ASKED, {"type": "mcp_approval_response", "approval_request_id": "mcpr_0", "approve": approve}]


OURS: dict[str, tuple[list[Any], Servers, Json]] = {
    "mcp: list, call, answer": ([ROLL, ANSWER], Servers(), {"tools": [FREE]}),
    "mcp: lists of three servers at once": (
        [ANSWER],
        at_different_speeds(),
        {"tools": [DICE | {"server_label": label, "server_url": f"https://{label}.example/"} for label in LABELS]},
    ),
    "mcp: a request for an approval": ([thinking(*ROLL)], Servers(), {"tools": [DICE]}),
    "mcp: a declined call": (
        [thinking(*ANSWER)],
        Servers(),
        {"tools": [DICE], "input": answered(approve=False), "store": False},
    ),
    "mcp: an approved call": ([ANSWER], Servers(), {"tools": [DICE], "input": answered(approve=True), "store": False}),
    "mcp: a call that fails": ([ROLL, ANSWER], Servers(result=failure(500)), {"tools": [FREE]}),
    "mcp: a list that fails": ([ANSWER], Servers({"mcp.example.com": failure()}), {"tools": [FREE]}),
    "web_search: a search by the preview": (
        [searching("river"), ANSWER],
        Servers(),
        {"tools": [{"type": "web_search_preview"}]},
    ),
    "web_search: four calls between thoughts, and citations": (
        [
            thinking(*searching("river")),
            thinking(*OPEN),
            thinking(*FIND),
            thinking(*searching("lake")),
            thinking([TextDelta("A\u30101\u3011, b\u30101\u3011.")], END),
        ],
        Servers(),
        {"tools": [SEARCH]},
    ),
    "web_search: three calls of one turn": ([searching("0.02", "0.04", "0.0"), ANSWER], Servers(), {"tools": [SEARCH]}),
    "web_search: a search that fails": ([searching("fail"), ANSWER], Servers(), {"tools": [SEARCH]}),
}


def without_thoughts(recorded: Iterable[str]) -> list[str]:
    """The order without what is between the beginning and the end of a thought: OpenAI's models show none of theirs."""
    left: list[str] = []
    thought = ""
    for each in recorded:
        index, _, rest = each.partition(" ")
        if rest == "output_item.added reasoning":
            thought = index
        if index != thought or rest.startswith("output_item"):
            left.append(each)
    return left


@shows("hosted-calls")
@pytest.mark.parametrize("name", ORDERS)
def test_our_order_is_the_recorded_one(name: str) -> None:
    order = ORDERS[name]
    turns, servers, request = OURS[name]
    ours = without_thoughts(lines(events_of(turns, servers, **request)))
    assert [each for each in ours if each not in order.lost] == order.as_meant()
    assert set(order.lost) <= set(ours)


def test_every_order_of_ours_is_compared() -> None:
    assert ORDERS.keys() == OURS.keys()


# The recorded orders by our tables.

ITEMS: dict[str, Json] = {
    "message": {"role": "assistant", "content": []},
    "reasoning": {"summary": []},
    "mcp_list_tools": {"server_label": "a", "tools": []},
    "mcp_call": {"server_label": "a", "name": "b", "arguments": ""},
    "mcp_approval_request": {"server_label": "a", "name": "b", "arguments": "{}"},
    "web_search_call": {"status": "in_progress"},
}
PART = {"type": "output_text", "text": "", "annotations": []}
CITATION = {"type": "url_citation", "url": PAGE, "title": "", "start_index": 0, "end_index": 0}
EVENTS: dict[str, Any] = {event.__struct_config__.tag: event for event in get_args(StreamEvent)}
FIELDS: Json = {
    "response": to_json(skeleton()),
    "content_index": 0,
    "part": PART,
    "delta": "a",
    "text": "a",
    "arguments": "a",
    "annotation": CITATION,
    "annotation_index": 0,
}


def event_of(recorded: str) -> Any:
    """The event of a line, with as little in it as it may have."""
    index, _, rest = recorded.partition(" ") if recorded[0].isdigit() else ("", "", recorded)
    kind, _, item = rest.partition(" ")
    fields = FIELDS | {"item_id": f"item_{index}", "output_index": int(index or 0)}
    if item:
        fields["item"] = ITEMS[item] | {"type": item, "id": f"item_{index}"}
    event = EVENTS[f"response.{kind}"]
    return from_json({name: fields[name] for name in event.__struct_fields__ if name in fields}, event)


def record(recorded: Iterable[str]) -> Transcript:
    transcript = Transcript()
    for each in recorded:
        transcript.record(event_of(each))
    return transcript


def with_lost(order: Order) -> list[str]:
    return [*order.lines[:-1], *order.lost, order.lines[-1]]


@pytest.mark.parametrize("name", ORDERS)
def test_our_tables_allow_the_recorded_order(name: str) -> None:
    order = ORDERS[name]
    record(with_lost(order))
    if order.lost:
        with pytest.raises(IllegalEvent):
            record(order.lines)


@pytest.mark.parametrize("name", ORDERS)
def test_our_tables_allow_no_event_of_an_item_after_its_end(name: str) -> None:
    whole = with_lost(ORDERS[name])
    for at, each in enumerate(whole):
        if " output_item.done" in each:
            index = each.partition(" ")[0]
            for later in {other for other in whole if other.startswith(f"{index} ")}:
                with pytest.raises(IllegalEvent):
                    record([*whole[: at + 1], later])
