"""Two API keys over every hosted tool and every route: what the tools of one have found is nothing to the other."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from requirements import shows
from support import raw
from support.mcp_lab import McpLab
from support.scripts import call, text, turn
from support.server import PenstockServer
from support.steps import Expect, Json, Script
from support.upstream import ScriptedUpstream

KEY, OTHER_KEY = "sk-of-one", "sk-of-another"
PAGE = "https://rivers.example/length"
HOSTED_TYPES = {"web_search_call", "mcp_list_tools", "mcp_call", "mcp_approval_request"}


class Engine(BaseHTTPRequestHandler):
    """A search engine that finds one page, in the form of SearXNG."""

    def do_GET(self) -> None:
        body = json.dumps({"results": [{"url": PAGE, "title": "Rivers", "content": "7 km"}]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """The log of the test stays quiet."""


@pytest.fixture(scope="module")
def engine() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Engine) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def lab() -> Iterator[McpLab]:
    with McpLab() as lab:
        yield lab


@pytest.fixture(scope="module")
def upstream_of_all() -> Iterator[ScriptedUpstream]:
    """A model that searches, rolls, and asks to look."""
    with ScriptedUpstream() as upstream:
        calls = [("web_search", {"queries": ["river"]}), ("dice__roll", {}), ("dice__look", {})]
        anything = Expect(text=None, calls=None)
        for model, count in (("tools", 3), ("search", 1)):
            chunks: list[Json] = []
            for index, (name, arguments) in enumerate(calls[:count]):
                chunks += call(index, json.dumps(arguments), "", call_id=f"call_{index}", name=name)
            upstream.add(model, Script(turn(chunks, "tool_calls"), anything))
            for results in range(1, count + 1):
                upstream.add_after(results, model, Script(turn(text("Done.")), anything))
        yield upstream


@pytest.fixture(scope="module")
def server(upstream_of_all: ScriptedUpstream, engine: str, lab: McpLab) -> Iterator[PenstockServer]:
    env = {
        "PENSTOCK_API_KEYS": f"{KEY},{OTHER_KEY}",
        "PENSTOCK_MCP": "on",
        "PENSTOCK_EGRESS_ALLOW": lab.address,
        "PENSTOCK_SEARCH": f"searxng:{engine}",
        "PENSTOCK_STORE": "memory://",
    }
    with PenstockServer("--upstream", upstream_of_all.url, env=env) as server:
        yield server


def asked(server: PenstockServer, key: str, method: str, path: str, body: Json | None = None) -> tuple[int, Any]:
    """The status and the body of a reply."""
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    answer = raw.ask(server.url, method, path, b"" if body is None else json.dumps(body).encode(), headers)
    return answer.status, answer.json()


def tools(lab: McpLab, **fields: Any) -> list[Json]:
    approval = {"never": {"tool_names": ["roll"]}}
    dice = {"type": "mcp", "server_label": "dice", "server_url": lab.url, "require_approval": approval}
    return [{"type": "web_search", **fields}, dice]


@pytest.fixture(scope="module")
def ids(server: PenstockServer, lab: McpLab) -> dict[str, str]:
    """What the first key has: a response in a conversation, with an item of each hosted type."""
    _, conversation = asked(server, KEY, "POST", "/conversations", {})
    body = {"model": "tools", "input": "Go", "tools": tools(lab), "conversation": conversation["id"]}
    status, response = asked(server, KEY, "POST", "/responses", body)
    assert status == 200
    found = {item["type"]: item["id"] for item in response["output"]}
    assert found.keys() == HOSTED_TYPES
    return found | {"response": response["id"], "conversation": conversation["id"]}


def missing(name: str, ids: dict[str, str]) -> str:
    """An id of the same form that does not exist."""
    return re.sub("_.*", "_" + "0" * 48, ids[name])


ROUTES = [
    ("GET", "/responses/{response}"),
    ("GET", "/responses/{response}?include=web_search_call.results"),
    ("GET", "/responses/{response}/input_items"),
    ("POST", "/responses/{response}/cancel"),
    ("DELETE", "/responses/{response}"),
    ("GET", "/conversations/{conversation}"),
    ("GET", "/conversations/{conversation}/items?include=web_search_call.results"),
    *(("GET", f"/conversations/{{conversation}}/items/{{{kind}}}") for kind in sorted(HOSTED_TYPES)),
    *(("DELETE", f"/conversations/{{conversation}}/items/{{{kind}}}") for kind in sorted(HOSTED_TYPES)),
    ("DELETE", "/conversations/{conversation}"),
]


@shows("owners")
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_no_route_has_anything_of_it(server: PenstockServer, ids: dict[str, str], method: str, path: str) -> None:
    absent_ids = {name: missing(name, ids) for name in ids}
    status, foreign = asked(server, OTHER_KEY, method, path.format(**ids))
    _, absent = asked(server, OTHER_KEY, method, path.format(**absent_ids))
    assert status == 404
    assert json.dumps(foreign) == _with_ids(json.dumps(absent), absent_ids, ids)


def _with_ids(body: str, old: dict[str, str], new: dict[str, str]) -> str:
    for name, one in old.items():
        body = body.replace(one, new[name])
    return body


def answer(request_id: str) -> Json:
    return {"type": "mcp_approval_response", "approval_request_id": request_id, "approve": True}


@shows("owners", "mcp-approval-once")
def test_no_request_refers_to_it_and_the_approval_is_still_the_owners(
    server: PenstockServer, lab: McpLab, ids: dict[str, str]
) -> None:
    lab.calls.clear()
    approval = answer(ids["mcp_approval_request"])
    references = [{"type": "item_reference", "id": ids[kind]} for kind in sorted(HOSTED_TYPES)]
    for body in (
        {"previous_response_id": ids["response"], "input": [approval]},
        {"conversation": ids["conversation"], "input": [approval]},
        {"input": [references[2], approval]},
        {"input": [approval]},
        *({"input": [reference]} for reference in references),
    ):
        status, reply = asked(server, OTHER_KEY, "POST", "/responses", body | {"model": "tools", "tools": tools(lab)})
        assert (status in (400, 404), "error" in reply) == (True, True), reply
    assert not lab.calls
    body = {"model": "tools", "conversation": ids["conversation"], "input": [approval], "tools": tools(lab)}
    status, response = asked(server, KEY, "POST", "/responses", body)
    assert (status, response["output"][0]["output"], lab.calls["look"]) == (200, "A table.", 1)
    assert asked(server, KEY, "POST", "/responses", body)[0] == 400


@shows("owners")
def test_a_key_searches_what_it_has_searched_itself_and_lists_for_itself(
    server: PenstockServer, lab: McpLab, ids: dict[str, str]
) -> None:
    """Without access to the web, the results are those of an earlier search: of the same key."""
    cached = tools(lab, external_web_access=False)
    body = {"model": "search", "input": "Go", "tools": cached, "include": ["web_search_call.results"]}
    lab.requests.clear()
    [own] = _searches(asked(server, KEY, "POST", "/responses", body)[1])
    assert (own["status"], own["results"][0]["url"]) == ("completed", PAGE)
    assert len(lab.requests) == 1  # the list, in the session that there is
    lab.requests.clear()
    [foreign] = _searches(asked(server, OTHER_KEY, "POST", "/responses", body)[1])
    assert (foreign["status"], foreign.get("results")) == ("failed", None)
    assert len(lab.requests) > 1  # with the beginning of a session


def _searches(response: Json) -> list[Json]:
    return [item for item in response["output"] if item["type"] == "web_search_call"]
