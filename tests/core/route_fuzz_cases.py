"""Requests without end to every route but the hot one: valid ones, changed in path, query, headers, body and coding.

The same seed gives the same requests, on every machine: ids stand in them as `~names~`, which are filled in when they
are asked. Knows paths and JSON text, and nothing of what is behind them.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping
from random import Random
from typing import NamedTuple
from urllib.parse import urlencode

from core.mutations import HOSTED, NEW, VALID, Json, mutated
from penstock.http import Request

KEY, OTHER_KEY = "sk-one", "sk-two"
USER: Json = {"type": "message", "role": "user", "content": "Hi"}
CALL: Json = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
NAMES = ["response", "background", "conversation", "item", "output", "model"]
"""What there is, of the one who asks and, as `their_…`, of another owner."""

Query = Mapping[str, list[str]]

ITEM_BODIES: list[Json] = [
    {"items": [USER]},
    {"items": [USER | {"id": "msg_1"}, CALL, NEW]},
    {"items": [*HOSTED, {"type": "item_reference", "id": "~item~"}]},
    {"items": [{"type": "reasoning", "summary": [], "encrypted_content": "x"}, {"type": "compaction_trigger"}]},
]
CONVERSATION_BODIES: list[Json] = [{}, {"metadata": {"a": "b"}}, *({"metadata": {}} | body for body in ITEM_BODIES)]
METADATA_BODIES: list[Json] = [{"metadata": {"a": "b"}}, {"metadata": None}, {}]
REQUEST_BODIES: list[Json] = [
    *VALID,
    {"previous_response_id": "~response~", "input": "Hi"},
    {"previous_response_id": "~background~", "input": [{"type": "item_reference", "id": "~item~"}], "stream": True},
    {"previous_response_id": "~their_response~", "input": "Hi"},
    {"conversation": "~conversation~", "input": "Hi", "store": False},
    {"conversation": {"id": "~conversation~"}, "input": [USER, NEW], "stream": True},
    {"conversation": "~their_conversation~", "input": "Hi"},
    {"input": [{"type": "item_reference", "id": "~their_item~"}, {"id": "~output~"}, USER]},
    {"input": "Hi", "background": True, "stream": True},
    {"input": [CALL, {"type": "function_call_output", "call_id": "c", "output": "1"}], "background": True},
    {"prompt": {"id": "p", "version": "1", "variables": {"a": "x", "b": {"type": "input_text", "text": "y"}}}},
]

INCLUDE = ["message.output_text.logprobs", "web_search_call.results", "reasoning.encrypted_content", "everything"]
PAGES: Query = {
    "limit": ["1", "20", "100", "0", "101"],
    "order": ["asc", "desc", "up"],
    "after": ["~item~", "~output~", "~their_item~"],
    "include[]": INCLUDE,
    "include": INCLUDE,
}
INCLUDED: Query = {"include[]": INCLUDE, "include": INCLUDE}
RETRIEVAL: Query = {
    **INCLUDED,
    "stream": ["true", "false", "1", "0", "maybe"],
    "starting_after": ["0", "1", "5", "1000"],
    "include_obfuscation": ["true", "false"],
}
ODD = ["", "-1", "1.5", "+1", "9" * 30, "\u0661", "\x00", "a b", "a\r\nb: c", "null", "x" * 5_000, "\ud83d"]
ODD_IDS = ["", "*", "..", ".", "%00", "%2e%2e%2f", "a b", "resp_" + "0" * 48, "x" * 300, "\u00fc", "~", "\x00", "a\nb"]
METHODS = ["GET", "POST", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS", "get", "", "BREW"]


class Route(NamedTuple):
    """A method, a path in which `*` is an id, and what may be sent there."""

    method: str
    path: str
    ids: list[str]
    """What each `*` stands for."""
    query: Query = {}
    bodies: list[Json] = []


ROUTES = [
    *(Route("GET", "/responses/*", [name], RETRIEVAL) for name in ("response", "background", "background")),
    *(Route("POST", "/responses/*/cancel", [name], {}, METADATA_BODIES) for name in ("response", "background")),
    *(Route("GET", "/responses/*/input_items", [name], PAGES) for name in ("response", "background")),
    Route("DELETE", "/responses/*", ["response"]),
    Route("DELETE", "/responses/*", ["background"]),
    Route("POST", "/conversations", [], {}, CONVERSATION_BODIES),
    Route("GET", "/conversations/*", ["conversation"]),
    Route("POST", "/conversations/*", ["conversation"], {}, METADATA_BODIES),
    Route("DELETE", "/conversations/*", ["conversation"]),
    Route("GET", "/conversations/*/items", ["conversation"], PAGES),
    Route("POST", "/conversations/*/items", ["conversation"], INCLUDED, ITEM_BODIES),
    Route("GET", "/conversations/*/items/*", ["conversation", "item"], INCLUDED),
    Route("DELETE", "/conversations/*/items/*", ["conversation", "item"]),
    Route("POST", "/responses/input_tokens", [], {}, REQUEST_BODIES),
    Route("POST", "/responses", [], {}, REQUEST_BODIES),
    Route("POST", "/responses", [], {}, REQUEST_BODIES[len(VALID) :]),
    Route("GET", "/models", [], {"client_version": ["0.1", "x"]}),
    Route("GET", "/models/*", ["model"]),
]


class Asked(NamedTuple):
    """A request whose ids are still names. What `codings` defines is done to the body last."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    codings: list[str]

    def filled(self, ids: Mapping[str, str]) -> Request:
        """With ids for names."""
        path, query, body = self.path, self.query, self.body
        for name, value in ids.items():
            path, query = (text.replace(f"~{name}~", value) for text in (path, query))
            body = body.replace(f"~{name}~".encode(), value.encode())
        for coding in self.codings:
            body = gzip.compress(body, 1, mtime=0) if coding == "gzip" else zlib.compress(body, 1)
        return Request(method=self.method, path=path, query=query, headers=self.headers, body=body)


def requests(count: int, seed: int) -> Iterator[Asked]:
    """So many requests, some of them right."""
    rng = Random(seed)
    for _ in range(count):
        yield _asked(rng, rng.choice(ROUTES))


def _asked(rng: Random, route: Route) -> Asked:
    method = route.method if rng.random() < 0.95 else rng.choice(METHODS)
    body = mutated(rng, rng.choice(route.bodies)) if route.bodies else rng.choice((b"", b"", b"{}", b"x"))
    headers, codings = _headers(rng)
    return Asked(method, _path(rng, route), _query(rng, route.query), headers, body, codings)


def _path(rng: Random, route: Route) -> str:
    """With or without the prefix; now and then with an id of another kind, another owner's, or one that is none."""
    steps = route.path
    for name in route.ids:
        steps = steps.replace("*", _id(rng, name), 1)
    prefix, end = rng.choice(("/v1", "")), ""
    if rng.random() < 0.05:
        prefix, end = (
            rng.choice(("/v1", "/v2", "/v1/v1", "/")),
            rng.choice(("/", "//", "/x", "?", "/../..", "/*")),
        )
    return prefix + steps + end


def _id(rng: Random, name: str) -> str:
    if rng.random() < 0.7:
        return f"~{name}~"
    return rng.choice((f"~their_{name}~", f"~{rng.choice(NAMES)}~", rng.choice(ODD_IDS)))


def _query(rng: Random, known: Query) -> str:
    pairs = []
    for _ in range(rng.choice((0, 0, 1, 1, 2, 4))):
        name = rng.choice([*known, "x"])
        values = known.get(name, ["1"])
        pairs.append((name, rng.choice(values if rng.random() < 0.7 else ODD)))
    text = urlencode(pairs, safe="~", errors="surrogatepass")
    if rng.random() < 0.05:
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice(("&", "=", "%", "%zz", "%ff", ";", "\x00", "&&", "[]")) + text[at:]
    return text


TYPES = ["text/plain", "", "application/json; charset=utf-8", "APPLICATION/JSON", "application/jsonp", "a/b; c=d"]
DECLARED_CODINGS = ["gzip", "deflate", "gzip, deflate", "identity", "", "br", "zstd", "x", "gzip," * 10, "\x00"]
KEYS = ["", "Bearer", f"bearer {KEY}", "Bearer wrong", f"Basic {KEY}", "Bearer " + "x" * 10_000, "Bearer \u00e9"]


def _headers(rng: Random) -> tuple[dict[str, str], list[str]]:
    """Decent ones, or of each kind now and then one that is not; and how the body is really coded."""
    headers = {"content-type": "application/json", "authorization": f"Bearer {KEY}", "host": "localhost"}
    codings: list[str] = []
    if rng.random() < 0.1:
        codings = rng.choice((["gzip"], ["deflate"], ["deflate", "gzip"]))
        headers["content-encoding"] = ", ".join(codings)
    for name, values in (
        ("content-type", TYPES),
        ("content-encoding", DECLARED_CODINGS),
        ("authorization", KEYS),
        ("x-request-id", ["x", "a\r\nb: c", "", "\u00fc", "x" * 200]),
        ("upgrade", ["websocket", "h2c"]),
        ("accept", ["text/event-stream", "x"]),
        ("last-event-id", ["3", "x"]),
        ("origin", ["https://evil.example", "null"]),
        ("x-forwarded-for", ["127.0.0.1"]),
    ):
        if rng.random() < 0.02:
            headers[name] = rng.choice(values)
    return headers, codings
