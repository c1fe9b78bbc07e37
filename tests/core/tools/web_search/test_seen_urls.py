"""The URLs of a conversation: those that others than the model have written."""

from __future__ import annotations

import json

import pytest

from penstock.egress import Egress
from penstock.json_codec import Decoder
from penstock.tools.web_search.seen_urls import urls_in, urls_of
from penstock.wire import InputItem
from requirements import shows

ITEMS = Decoder(list[InputItem])
URL = "https://a.example/x?y=1&z"


@pytest.mark.parametrize(
    "text",
    [
        f"Read {URL}, please.",
        f"({URL})",
        f"[a page]({URL}).",
        f"[a page]({URL})[another](https://b.example/)",
        f'"{URL}"',
        f"<{URL}>",
        f"**{URL}**",
        f"{URL}\nnext",
        f"{URL}\u3011",
        "HTTPS://A.EXAMPLE./x?y=1&z#part",
    ],
)
def test_a_url_is_found_in_a_text(text: str) -> None:
    assert URL in set(urls_in([text], Egress()))


def test_a_url_that_may_not_be_called_is_none() -> None:
    text = "http://127.0.0.1/ https://a.example:22/ http://u:p@a.example/ file:///x"
    assert not list(urls_in([text], Egress()))


def of(*items: object) -> set[str]:
    return urls_of(ITEMS.decode(json.dumps(items).encode()), Egress())


SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
CITATION = {"type": "url_citation", "url": URL, "title": "A", "start_index": 0, "end_index": 1}
SEEN = {
    "a user": {"type": "message", "role": "user", "content": f"Read {URL}"},
    "a user, in parts": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": f'"{URL}"'}]},
    "the operator": {"type": "message", "role": "developer", "content": URL},
    "the output of a function": {"type": "function_call_output", "call_id": "c", "output": f"see {URL}"},
    "a source": SEARCH | {"action": {"type": "search", "query": "q", "sources": [{"type": "url", "url": URL}]}},
    "a result": SEARCH | {"results": [{"url": URL}]},
    "an opened page": SEARCH | {"action": {"type": "open_page", "url": URL}},
    "a citation": {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "A", "annotations": [CITATION]}],
    },
    "an MCP server": {
        "type": "mcp_call",
        "id": "mcp_1",
        "server_label": "a",
        "name": "b",
        "arguments": "{}",
        "output": URL,
    },
}
UNSEEN = {
    "the model's text": {"type": "message", "role": "assistant", "content": f"I open {URL}"},
    "the model's arguments": {"type": "function_call", "call_id": "c", "name": "f", "arguments": f'"{URL}"'},
    "the model's query": SEARCH | {"action": {"type": "search", "query": URL, "queries": [URL]}},
    "the model's thoughts": {"type": "reasoning", "id": "rs_1", "summary": [], "content": [
        {"type": "reasoning_text", "text": URL}
    ]},
}  # fmt: skip


@pytest.mark.parametrize("who", SEEN)
def test_what_others_have_written_was_seen(who: str) -> None:
    assert of(SEEN[who]) == {URL}


@pytest.mark.parametrize("who", UNSEEN)
def test_what_only_the_model_has_written_was_not(who: str) -> None:
    assert of(UNSEEN[who]) == set()


@shows("linear-work")
def test_of_a_long_conversation_the_last_urls_were_seen() -> None:
    pages = [f"https://a.example/{number}" for number in range(30_000)]
    texts = (" ".join(pages[at : at + 500]) for at in range(0, len(pages), 500))
    assert of(*({"type": "message", "role": "user", "content": text} for text in texts)) == set(pages[-10_000:])
