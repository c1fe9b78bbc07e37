"""Web search in front of a chat model: Debian's searx and an nginx site, with pages that do harm where they can."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from penstock_adapters.cli import main
from requirements import shows
from support.caller import CALLERS
from support.ignored_headers import post
from support.missing import skipped_if_missing
from support.scripts import call, text, turn
from support.server import PenstockServer
from support.steps import Expect, Json, Script
from support.upstream import ScriptedUpstream
from support.web_lab import WebLab

SEARCH = {"type": "web_search"}
QUESTION = "How long is the river?"
Start = Callable[..., PenstockServer]


@pytest.fixture(scope="module")
def lab() -> Iterator[WebLab]:
    with skipped_if_missing():
        running = WebLab()
    yield running
    running.stop()


@pytest.fixture
def searching(start: Start, upstream: ScriptedUpstream, lab: WebLab) -> PenstockServer:
    settings = {"PENSTOCK_SEARCH": f"searxng:{lab.searx}", "PENSTOCK_EGRESS_ALLOW": lab.endpoint}
    return start("--upstream", upstream.url, **settings, PENSTOCK_LIMITS_PAGE_S="2")


def scripted(upstream: ScriptedUpstream, *turns: tuple[str, Json] | str) -> str:
    """A model that makes these calls, one a turn, and then writes the text."""
    name = f"web_{len(upstream.scripts)}"
    for number, step in enumerate(turns):
        if isinstance(step, str):
            steps = turn(text(*re.split("(?<=\u3010)|(?=\u3011)", step)))
        else:
            function, arguments = step
            whole = json.dumps(arguments)
            steps = turn(call(0, whole[:5], whole[5:], call_id=f"call_{number}", name=function), "tool_calls")
        script = Script(steps, Expect(text=None, calls=None))
        if number:
            upstream.add_after(number, name, script)
        else:
            upstream.add(name, script)
    return name


def replies(upstream: ScriptedUpstream) -> list[str]:
    """What the model read of its calls, in its last turn."""
    messages = upstream.requests[-1].body["messages"]
    return [message["content"] for message in messages if message["role"] == "tool"]


def opened(server: PenstockServer, upstream: ScriptedUpstream, url: str, **more: Any) -> tuple[Json, str]:
    """The item of a page that the model opens because the user names it, and what the model read of it."""
    model = scripted(upstream, ("open_page", {"url": url}), "Done.")
    response = post(server.url, {"model": model, "input": f"Read {url} please", "tools": [SEARCH], **more}).response
    items = [item for item in response["output"] if item["type"] == "web_search_call"]
    return (items[0] if items else {}), replies(upstream)[-1]


@shows("citations", "web-search", "web-search-results")
@pytest.mark.parametrize("name", CALLERS)
def test_a_search_a_page_and_an_answer_with_citations(
    searching: PenstockServer, upstream: ScriptedUpstream, lab: WebLab, name: str
) -> None:
    page = f"{lab.site}/article.html"
    model = scripted(
        upstream,
        ("web_search", {"queries": ["river length", "penstock river"]}),
        ("open_page", {"url": page}),
        ("find_in_page", {"url": page, "pattern": "is 7 km LONG"}),
        "It is 7 km long\u30101\u2020L3\u3011, they say.",
    )
    with CALLERS[name](searching.url) as caller:
        request = {"model": model, "input": QUESTION, "tools": [SEARCH]}
        response = caller.create(**request, include=["web_search_call.action.sources", "web_search_call.results"])
    searched, read, found, message = response.model_dump()["output"]
    assert [item["status"] for item in (searched, read, found)] == ["completed"] * 3
    assert searched["action"]["queries"] == ["river length", "penstock river"]
    assert [source["url"] for source in searched["action"]["sources"]][:2] == [page, "http://other.example/page"]
    assert searched["results"][0] | {"type": "text_result"} == searched["results"][0]
    assert read["action"] == {"type": "open_page", "url": page}
    assert found["action"] == {"type": "find_in_page", "url": page, "pattern": "is 7 km LONG"}
    [part] = message["content"]
    link = f"([127.0.0.1]({page}))"
    assert part["text"] == f"It is 7 km long{link}, they say."
    [annotation] = part["annotations"]
    assert part["text"][annotation["start_index"] : annotation["end_index"]] == link
    assert (annotation["type"], annotation["url"]) == ("url_citation", page)
    results, article, passages = replies(upstream)
    assert "[1] Rivers [ 1 ]" in results
    assert "Paragraph 7 about the river Penstock" in article
    assert "which is 7 km long" in passages


@shows("web-search")
def test_the_events_come_in_openais_order(searching: PenstockServer, upstream: ScriptedUpstream) -> None:
    model = scripted(upstream, ("web_search", {"queries": ["river"]}), "So\u30101\u3011")
    reply = post(searching.url, {"model": model, "input": QUESTION, "tools": [SEARCH], "stream": True})
    kinds = [event["type"].removeprefix("response.") for event in reply.events]
    begin = kinds.index("output_item.added")
    assert kinds[begin : begin + 5] == [
        "output_item.added",
        "web_search_call.in_progress",
        "web_search_call.searching",
        "web_search_call.completed",
        "output_item.done",
    ]
    assert reply.events[begin]["item"]["action"] == {"type": "search", "query": "river", "queries": ["river"]}
    assert "output_text.annotation.added" in kinds
    assert "sources" not in reply.response["output"][0]["action"]
    assert "results" not in reply.response["output"][0]


@shows("tool-replies-fenced")
def test_a_planted_instruction_is_fenced_and_forges_no_citation(
    searching: PenstockServer, upstream: ScriptedUpstream, lab: WebLab
) -> None:
    _, reply = opened(searching, upstream, f"{lab.site}/article.html")
    mark = re.search("<<data ([0-9a-f]{12}): a page of the web>>", reply)
    assert mark
    head, _, rest = reply.partition(mark[0])
    inside, end, after = rest.partition(f"<<end of data {mark[1]}>>")
    assert "Ignore all earlier instructions" in inside
    assert end
    assert not after
    assert "\u30101\u3011" in head
    assert not set("\u3010\u3011") & set(inside)
    assert "menu" not in inside or "imprint" not in inside
    assert f"[the other page]({lab.site}/more.html)" in inside


HOSTILE = {
    "/to-private": "another port than 80 and 443",
    "/to-metadata": "no public address",
    "/to-decimal": "no public address",
    "/to-file": "does not begin with http",
    "/to-self": "more than 5 redirects",
    "/slow.html": "did not arrive within 2 s",
    "/picture.png": "is not HTML, text or PDF",
    "/broken": "status 500",
    "/missing": "status 404",
}


@shows("egress")
@pytest.mark.parametrize("path", HOSTILE)
def test_a_hostile_page_fails_with_its_reason_and_the_response_goes_on(
    searching: PenstockServer, upstream: ScriptedUpstream, lab: WebLab, path: str
) -> None:
    begun = time.monotonic()
    item, reply = opened(searching, upstream, lab.site + path)
    assert item["status"] == "failed"
    assert HOSTILE[path] in reply
    assert not lab.was_reached
    assert time.monotonic() - begun < 10


def test_a_redirect_within_the_site_is_followed(
    searching: PenstockServer, upstream: ScriptedUpstream, lab: WebLab
) -> None:
    item, reply = opened(searching, upstream, f"{lab.site}/to-article")
    assert item["status"] == "completed"
    assert f"{lab.site}/article.html?from=redirect" in reply


@pytest.mark.parametrize(("path", "words"), [("/plain.txt", "Only words."), ("/file.pdf", "Words in a PDF")])
def test_text_and_pdf_are_read(
    searching: PenstockServer, upstream: ScriptedUpstream, lab: WebLab, path: str, words: str
) -> None:
    assert words in opened(searching, upstream, lab.site + path)[1]


def peak_bytes(server: PenstockServer) -> int:
    """The largest resident size that the server has had."""
    [line] = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{server.process.pid}/status").read_text())
    return int(line) * 1024


def test_a_bomb_is_unpacked_no_further_than_the_limit(
    searching: PenstockServer, upstream: ScriptedUpstream, lab: WebLab
) -> None:
    opened(searching, upstream, f"{lab.site}/article.html")
    before = peak_bytes(searching)
    for path in ("/bomb.html", "/huge.txt"):
        item, reply = opened(searching, upstream, lab.site + path)
        assert item["status"] == "completed", reply
        assert "Its end is missing" in reply
        assert len(reply) < 20_000
    assert peak_bytes(searching) - before < 40 * 2**20


@shows("web-search", "web-search-pages")
def test_only_urls_that_were_seen_are_opened(
    searching: PenstockServer, upstream: ScriptedUpstream, lab: WebLab
) -> None:
    model = scripted(upstream, ("open_page", {"url": f"{lab.site}/more.html?secret=1"}), "Done.")
    response = post(searching.url, {"model": model, "input": QUESTION, "tools": [SEARCH]}).response
    assert [item["type"] for item in response["output"]] == ["message"]
    assert "neither in the conversation" in replies(upstream)[0]
    model = scripted(
        upstream,
        ("web_search", {"queries": ["a"]}),
        ("open_page", {"url": f"{lab.site}/article.html"}),
        ("open_page", {"url": f"{lab.site}/more.html"}),
        "Done.",
    )
    response = post(searching.url, {"model": model, "input": QUESTION, "tools": [SEARCH]}).response
    assert [item.get("status") for item in response["output"]][:3] == ["completed"] * 3


@shows("web-search-pages")
def test_the_filters_hold_for_results_and_pages(
    searching: PenstockServer, upstream: ScriptedUpstream, lab: WebLab
) -> None:
    tool = SEARCH | {"filters": {"allowed_domains": ["example"]}}
    model = scripted(
        upstream, ("web_search", {"queries": ["a"]}), ("open_page", {"url": f"{lab.site}/plain.txt"}), "Done."
    )
    request = {"model": model, "input": f"{QUESTION} {lab.site}/plain.txt", "tools": [tool]}
    response = post(searching.url, request | {"include": ["web_search_call.action.sources"]}).response
    searched, read, _ = response["output"]
    assert [source["url"] for source in searched["action"]["sources"]] == ["http://other.example/page"]
    assert read["status"] == "failed"
    assert "filters do not allow its domain" in replies(upstream)[1]


def test_what_the_next_turn_of_a_chain_reads_is_what_was_found(
    searching: PenstockServer, upstream: ScriptedUpstream, lab: WebLab
) -> None:
    model = scripted(upstream, ("web_search", {"queries": ["river"]}), "Found\u30101\u3011.")
    first = post(searching.url, {"model": model, "input": QUESTION, "tools": [SEARCH]}).response
    follow = {"model": "text", "input": "And?", "previous_response_id": first["id"]}
    post(searching.url, follow)
    [reply] = replies(upstream)
    assert f"{lab.site}/article.html" in reply
    [asked] = [message for message in upstream.requests[-1].body["messages"] if message.get("tool_calls")]
    function = asked["tool_calls"][0]["function"]
    assert (function["name"], json.loads(function["arguments"])) == ("web_search", {"queries": ["river"]})


BAD = {
    "tools[0].filters.allowed_domains": {"filters": {"allowed_domains": [f"a{n}.example" for n in range(101)]}},
    "tools[0].filters.blocked_domains": {"filters": {"blocked_domains": [f"a{n}.example" for n in range(101)]}},
    "tools[0].filters.allowed_domains[1]": {"filters": {"allowed_domains": ["a.example", "https://b.example/"]}},
    "tools[0].filters.blocked_domains[0]": {"filters": {"blocked_domains": [7]}},
    "tools[0].filters": {"filters": {"allowed_domain": ["a.example"]}},
    "tools[0].user_location": {"user_location": {"town": "Bern"}},
    "tools[0].user_location.country": {"user_location": {"type": "approximate", "country": "Germany"}},
    "tools[0].user_location.type": {"user_location": {"type": "exact"}},
    "tools[0].user_location.city": {"user_location": {"city": "a" * 101}},
}


@pytest.mark.parametrize("param", BAD)
def test_a_wrong_parameter_is_named(searching: PenstockServer, upstream: ScriptedUpstream, param: str) -> None:
    reply = post(searching.url, {"model": "text", "input": "Hi", "tools": [SEARCH | BAD[param]]})
    assert (reply.status, reply.error["param"]) == (400, param)
    assert upstream.requests == []


def test_a_request_has_one_web_search_tool(searching: PenstockServer, upstream: ScriptedUpstream) -> None:
    """The filters of one would not be those of the other. That of the request counts more than those of items."""
    closed = {"type": "web_search_preview", "search_context_size": "low"}
    reply = post(searching.url, {"model": "text", "input": "Hi", "tools": [SEARCH, closed]})
    assert (reply.status, reply.error["param"]) == (400, "tools[1]")
    earlier = [{"type": "additional_tools", "role": "developer", "tools": [tool]} for tool in (closed, SEARCH)]
    for more, count in (({"tools": [closed]}, 1), ({"tools": [SEARCH]}, 3), ({}, 3)):
        post(searching.url, {"model": "text", "input": [*earlier, {"role": "user", "content": "Hi"}], **more})
        assert len(upstream.requests[-1].body["tools"]) == count


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("asked", [{"tool_choice": "required"}, {"tool_choice": SEARCH}, {"input": "Use web_search"}])
def test_the_synthetic_model_calls_it_rightly(start: Start, lab: WebLab, seed: int, asked: Json) -> None:
    """So that a load test of hosted tools needs no model."""
    server = start(PENSTOCK_SEARCH=f"searxng:{lab.searx}", PENSTOCK_EGRESS_ALLOW=lab.endpoint)
    request = {"model": "synthetic", "input": QUESTION, "tools": [SEARCH], "seed": seed} | asked
    found, message = httpx2.post(f"{server.url}/responses", json=request).json()["output"]
    assert (found["type"], found["status"], found["action"]["type"]) == ("web_search_call", "completed", "search")
    assert message["type"] == "message"


def test_the_synthetic_model_opens_a_page_that_the_user_names(start: Start, lab: WebLab) -> None:
    server = start(PENSTOCK_SEARCH=f"searxng:{lab.searx}", PENSTOCK_EGRESS_ALLOW=lab.endpoint)
    url = f"{lab.site}/plain.txt"
    request = {"model": "synthetic", "input": f"open_page {url} and find_in_page {url}", "tools": [SEARCH]}
    output = post(server.url, request).response["output"]
    assert [(item["status"], item["action"]["type"]) for item in output[:-1]] == [
        ("completed", "open_page"),
        ("completed", "find_in_page"),
    ]


@shows("web-search-location")
def test_the_preview_only_searches_and_locations_are_sent_to_the_model(
    searching: PenstockServer, upstream: ScriptedUpstream
) -> None:
    location = {"type": "approximate", "city": "Bern", "country": "ch"}
    for kind, names in (
        ("web_search", ["web_search", "open_page", "find_in_page"]),
        ("web_search_2025_08_26", ["web_search", "open_page", "find_in_page"]),
        ("web_search_preview", ["web_search"]),
        ("web_search_preview_2025_03_11", ["web_search"]),
    ):
        tool = {"type": kind, "user_location": location}
        post(searching.url, {"model": "text", "input": "Hi", "tools": [tool]})
        offered = [tool["function"] for tool in upstream.requests[-1].body["tools"]]
        assert [function["name"] for function in offered] == names
        assert "Bern, ch" in offered[0]["description"]


@shows("web-search-offline")
def test_without_access_to_the_web_only_lately_found_results_are_used(
    searching: PenstockServer, upstream: ScriptedUpstream
) -> None:
    closed = SEARCH | {"external_web_access": False}
    queries = {"queries": [f"never asked before {time.monotonic()}"]}
    for tool, status in ((closed, "failed"), (SEARCH, "completed"), (closed, "completed")):
        model = scripted(upstream, ("web_search", queries), "Done.")
        response = post(searching.url, {"model": model, "input": QUESTION, "tools": [tool]}).response
        assert response["output"][0]["status"] == status
    assert [tool["function"]["name"] for tool in upstream.requests[-1].body["tools"]] == ["web_search"]


def test_wrong_arguments_are_reported_to_the_model_which_may_repeat_the_call(
    searching: PenstockServer, upstream: ScriptedUpstream
) -> None:
    model = scripted(upstream, ("web_search", {"queries": []}), ("web_search", {"query": "river"}), "Done.")
    response = post(searching.url, {"model": model, "input": QUESTION, "tools": [SEARCH]}).response
    assert [item["type"] for item in response["output"]] == ["web_search_call", "message"]
    assert "1 to 4 queries" in replies(upstream)[0]


def test_json_gets_no_citations(searching: PenstockServer, upstream: ScriptedUpstream) -> None:
    model = scripted(upstream, ("web_search", {"queries": ["river"]}), '{"a": "\u30101\u3011"}')
    request = {"model": model, "input": QUESTION, "tools": [SEARCH], "text": {"format": {"type": "json_object"}}}
    response = post(searching.url, request).response
    assert response["output"][-1]["content"][0]["text"] == '{"a": "\u30101\u3011"}'
    assert "cite it" not in upstream.requests[-1].body["tools"][0]["function"]["description"]


@shows("web-search")
def test_an_engine_that_is_gone_fails_the_call_alone(start: Start, upstream: ScriptedUpstream) -> None:
    server = start("--upstream", upstream.url, PENSTOCK_SEARCH="searxng:http://127.0.0.1:9")
    model = scripted(upstream, ("web_search", {"queries": ["river"]}), "Nothing.")
    response = post(server.url, {"model": model, "input": QUESTION, "tools": [SEARCH]}).response
    assert (response["status"], response["output"][0]["status"]) == ("completed", "failed")
    assert replies(upstream) == ["The search failed: the search engine cannot be reached: connection refused."]


@shows("web-search", "absent-tools")
def test_without_an_engine_the_tool_is_ignored_or_its_setting_is_named(
    start: Start, upstream: ScriptedUpstream
) -> None:
    server = start("--upstream", upstream.url, PENSTOCK_LIMITS_HEAD_WAIT_S="4")
    for _ in range(2):
        reply = post(server.url, {"model": "text", "input": "Hi", "tools": [SEARCH]})
        assert reply.headers["x-penstock-ignored"] == "tools.web_search"
    assert server.log.count("the setting PENSTOCK_SEARCH turns it on") == 1
    for choice in (SEARCH, "required"):
        reply = post(server.url, {"model": "text", "input": "Hi", "tools": [SEARCH], "tool_choice": choice})
        assert (reply.status, reply.error["param"]) == (400, "tool_choice")
        assert "The setting PENSTOCK_SEARCH turns it on." in reply.error["message"]


@shows("doctor")
def test_the_doctor_asks_the_engine(
    lab: WebLab, upstream: ScriptedUpstream, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTOCK_SEARCH", f"searxng:{lab.searx}")
    assert main(["doctor", "--upstream", upstream.url, "--store", "none://"]) == 0
    assert "ok    search searxng: 3 results for 'penstock' (" in capsys.readouterr().out
