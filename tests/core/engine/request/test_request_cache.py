"""RequestCache: values that are sent again are decoded once, and every request is read as without the cache."""

import asyncio
import json
import logging
import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.kit import (
    JSON_HEADERS,
    LIMITS,
    NOW_S,
    Answer,
    FakeUpstream,
    Json,
    Scripted,
    ScriptedReply,
    ask,
    at_once,
    routes,
    service,
    to_json,
)
from penstock.dialects.chat_completions import ChatCompletions, Options, wire
from penstock.engine import Policies, RemoteUpstream, decode, make_plan, resolve
from penstock.engine.request import request_cache
from penstock.engine.request.decode import Decoded
from penstock.engine.request.request_cache import RequestCache
from penstock.errors import ApiError
from penstock.json_codec import encode
from penstock.limits import Limits
from penstock.service import Service
from penstock.stores.sqlite import SqliteStore
from requirements import shows

ME, OTHER = "me", "other"
LONG = "Answer in verse. " * 100
TOOL = {"type": "function", "name": "f", "description": "é" * 800, "parameters": {"type": "object", "instructions": 1}}
BODY = {"instructions": LONG, "input": "Hi", "tools": [TOOL], "tool_choice": "auto"}
SECRET = "Bearer of-a-tool"
POLICY = {"type": "allowlist", "domain_secrets": [{"domain": "example.com", "name": "k", "value": SECRET}]}
KEYED_TOOLS: dict[str, Json] = {
    "mcp": {"type": "mcp", "server_label": "s", "authorization": SECRET, "headers": {"x-key": SECRET}},
    "code_interpreter": {"type": "code_interpreter", "container": {"type": "auto", "network_policy": POLICY}},
    "shell": {"type": "shell", "environment": {"type": "container_auto", "network_policy": POLICY}},
    "an unknown field": {"type": "web_search", "api_key": SECRET},
}
VARYING = re.compile(rb'"(resp|msg)_[0-9a-f]+"|"(created|completed)_at":\d+')
DONE = b'{"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}'


def raw(body: Json, **how: Any) -> bytes:
    return json.dumps(body, **how).encode()


def warm(*bodies: bytes, limits: Limits = LIMITS, owner: str = ME) -> RequestCache:
    """The cache after some bodies, each of which came as often as it must."""
    cache = RequestCache(limits)
    for body in bodies:
        for _ in range(3):
            outcome(body, cache, limits, owner)
    return cache


def outcome(body: bytes, cache: RequestCache | None, limits: Limits = LIMITS, owner: str = ME) -> object:
    """Everything that a body is read as, or its error."""
    try:
        return result_of(decode(body, limits, cached=cache, owner=owner))
    except ApiError as error:
        return error.status, error.code, error.param, error.message


def result_of(decoded: Decoded) -> object:
    unknown = {name: bytes(value) for name, value in decoded.unknown.items()}
    return to_json(decoded.request), unknown, decoded.size, decoded.mapped


def cached_names(cache: RequestCache, body: bytes, owner: str = ME) -> list[str]:
    shortened = cache.shorten(owner, body)
    return sorted(shortened.cached) if shortened else []


# What is found.


@shows("read-once")
def test_what_comes_again_is_not_decoded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = warm(raw(BODY))
    later = raw(BODY | {"input": "And now?", "previous_response_id": "resp_1", "metadata": {"turn": "2"}})
    assert cached_names(cache, later) == ["instructions", "tools"]
    cold = outcome(later, None)
    sizes: list[int] = []
    confirms = request_cache.RequestCache.confirms

    def note(self: RequestCache, shortened: request_cache.Shortened, request: Any) -> bool:
        sizes.append(len(shortened.body))
        return confirms(self, shortened, request)

    monkeypatch.setattr(request_cache.RequestCache, "confirms", note)
    assert outcome(later, cache) == cold
    assert sizes
    assert sizes[0] < 600 < len(later)


def test_what_comes_once_is_not_cached() -> None:
    cache = RequestCache(LIMITS)
    for turn in range(20):
        outcome(raw(BODY | {"instructions": f"{turn} {LONG}", "tools": []}), cache)
    assert not cache._by_last_use


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (",\t", " :\t")])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_it_is_found_however_it_is_written(separators: tuple[str, str], ascii_only: bool) -> None:
    how = {"separators": separators, "ensure_ascii": ascii_only}
    assert cached_names(warm(raw(BODY, **how)), raw(BODY | {"input": [], "n": 1}, **how)) == ["instructions", "tools"]


def test_tools_with_the_same_beginning_are_distinguished() -> None:
    bodies = [raw(BODY | {"tools": [TOOL, {"type": "function", "name": f"g{n}"}]}) for n in range(3)]
    cache = warm(*bodies)
    for body in bodies:
        assert cached_names(cache, body) == ["instructions", "tools"]
        assert outcome(body, cache) == outcome(body, None)


# What is not taken for it.

ELSEWHERE: dict[str, bytes] = {
    "within an unknown parameter": raw({"input": "Hi", "x": {"instructions": LONG, "tools": [TOOL]}}),
    "within a tool": raw({"input": "Hi", "tools": [TOOL | {"parameters": {"default": {"instructions": LONG}}}]}),
    "within an item": raw({"input": [{"type": "additional_tools", "role": "developer", "tools": [TOOL]}]}),
    "behind a name that ends same_prefix": raw({"input": "Hi", 'x"instructions': LONG, 'x"tools': [TOOL]}),
    "in a text": raw({"input": raw(BODY).decode()}),
    "named twice, the last one wins": b'{"instructions": %b, "input": "Hi", "instructions": "No."}' % raw(LONG),  # type: ignore[arg-type]
    "named twice, the known one wins": b'{"instructions": "No.", "input": "Hi", "instructions": %b}' % raw(LONG),  # type: ignore[arg-type]
    "named twice, once by an escape": b'{"instructions": %b, "input": "Hi", "instruction\\u0073": "No."}' % raw(LONG),  # type: ignore[arg-type]
    "named twice, once wrongly": b'{"instructions": 7, "input": "Hi", "instructions": %b}' % raw(LONG),  # type: ignore[arg-type]
    "as an entry": raw({"input": "Hi", "include": [LONG]}),
    "and more": raw(BODY)[:-1] + b"} ]",
    "cut": raw(BODY)[:-1],
    "on several lines": raw(BODY, indent=1),
    "with another mistake": raw(BODY | {"temperature": 9}),
    "with a mistake behind it": raw({"tools": [TOOL], "input": "Hi", "instructions": LONG})[:-1] + b",}",
    "with an item that lacks its type": raw(BODY | {"input": [{"role": "user", "content": "Hi"}]}),
    "with an unknown word in an item": raw(BODY | {"input": [{"role": "user", "content": "Hi", "new": 1}]}),
    "with what is no text": raw(BODY)[:-1] + b', "x": "\xff"}',
}


@shows("read-once")
@pytest.mark.parametrize("body", ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_body_is_read_as_without_a_cache(body: bytes) -> None:
    assert outcome(body, warm(raw(BODY), raw(BODY, separators=(",", ":")))) == outcome(body, None)


def test_a_cached_value_that_is_repeated_by_another_name_is_no_tool() -> None:
    cache = warm(raw(BODY))
    assert outcome(raw({"input": "Hi", "tools": LONG}), cache) == outcome(raw({"input": "Hi", "tools": LONG}), None)


def short() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(request_cache, "_VALUE_BYTES_MIN", 5)
        patch.setattr(request_cache, "_PREFIX_BYTES", 3)
        yield


texts = st.sampled_from(["Be brief", "Be quick", 'say "tools": []', "é\U0001f600", "a\\", "", "instructions"])
tools = st.lists(
    st.one_of(
        st.builds(lambda name: {"type": "function", "name": name}, st.sampled_from("fgh")),
        st.builds(lambda inner: {"type": "function", "name": "x", "parameters": {"tools": inner}}, texts),
        st.just({"type": "web_search", "new": 1}),
        st.just(KEYED_TOOLS["an unknown field"]),
        st.just(7),
    ),
    max_size=3,
)
values = st.one_of(
    texts, tools, st.none(), st.builds(lambda text, many: {"instructions": text, "tools": many}, texts, tools)
)
items = st.lists(
    st.one_of(
        st.builds(lambda text: {"role": "user", "content": text}, texts),
        st.builds(lambda many: {"type": "additional_tools", "role": "developer", "tools": many}, tools),
    ),
    max_size=2,
)
names = st.sampled_from(["instructions", "tools", "input", "model", "x", "metadata", 'a"tools', "tool_choice"])
pairs = st.lists(st.tuples(names, st.one_of(values, items)), max_size=6)
separators = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t:")])


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """JSON objects of such names and values, in any order, some names twice."""
    comma, colon = draw(separators)
    fields = draw(pairs) + ([("input", draw(items))] if draw(st.booleans()) else [])
    written = [json.dumps(name) + colon + json.dumps(value, separators=(comma, colon)) for name, value in fields]
    return ("{" + comma.join(written) + "}" + draw(st.sampled_from(["", " ", "}"]))).encode()


@shows("read-once")
@given(st.lists(bodies(), min_size=1, max_size=4))
def test_whatever_is_cached_a_body_is_read_the_same(sent: list[bytes]) -> None:
    for _ in short():
        cache = warm(*sent)
        for body in sent:
            assert outcome(body, cache) == outcome(body, None)


# The path of a request.


def asked_of(bodies: list[bytes], options: Options, *, is_warm: bool) -> list[tuple[list[bytes], object]]:
    """For each body what the upstream is sent and the client gets, of one server for all or of one for each."""
    transport = Scripted(ScriptedReply(DONE, headers={"content-type": "application/json"}))

    def server() -> Service:
        upstream = RemoteUpstream(ChatCompletions(options, LIMITS), transport, LIMITS)
        return service(upstream, policies=Policies(absent_tools="ignore"))

    async def main() -> list[tuple[list[bytes], object]]:
        outcomes: list[tuple[list[bytes], object]] = []
        one = server()
        for body in bodies * (3 if is_warm else 1):
            transport.requests.clear()
            answer = await ask(one if is_warm else server(), body, headers=JSON_HEADERS)
            outcomes.append(([request.body for request in transport.requests if request.body], same(answer)))
        return outcomes[-len(bodies) :]

    return asyncio.run(main())


def same(answer: Answer) -> object:
    """An answer without what differs from run to run; all other bytes are compared."""
    headers = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
    return answer.status, headers, VARYING.sub(b"", answer.body)


choices = st.sampled_from([None, "auto", "none", "required", {"type": "function", "name": "f"}])
requests = st.builds(
    lambda text, many, choice, own, truncation: {
        "model": "m",
        "instructions": text,
        "tools": [tool for tool in many if tool != 7],
        "tool_choice": choice,
        "input": own,
        "truncation": truncation,
    },
    texts,
    tools,
    choices,
    items,
    st.sampled_from(["auto", "disabled"]),
)


@shows("read-once")
@given(st.lists(requests, min_size=1, max_size=3), st.sampled_from([Options(), Options(short_call_ids=True)]))
def test_the_upstream_and_the_client_get_the_same(asked: list[Json], options: Options) -> None:
    for _ in short():
        sent = [raw(each) for each in asked]
        assert asked_of(sent, options, is_warm=True) == asked_of(sent, options, is_warm=False)


@shows("read-once")
def test_cached_tools_are_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    function = wire.Function

    def note(**fields: Any) -> wire.Function:
        made.append(fields["name"])
        return function(**fields)

    monkeypatch.setattr(wire, "Function", note)
    others = raw(BODY | {"tools": [TOOL | {"name": "g"}]})
    asked_of([raw(BODY)] * 4 + [others] * 4, Options(), is_warm=True)
    assert (made.count("f"), made.count("g")) == (3, 3)  # not cached, cached, and from then on copied


@shows("read-once", "stored-secrets")
@pytest.mark.parametrize("is_streamed", [False, True])
def test_secrets_of_cached_tools_stay_hidden(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *, is_streamed: bool
) -> None:
    """They are in no reply, no log line and no file of the store, whether or not the tools are cached."""
    caplog.set_level(logging.DEBUG)
    transport = Scripted(ScriptedReply(DONE, headers={"content-type": "application/json"}))
    store = SqliteStore(tmp_path / "penstock.db")
    upstream = RemoteUpstream(ChatCompletions(Options(), LIMITS), transport, LIMITS)
    server = service(upstream, store=store, policies=Policies(absent_tools="ignore"))
    body = raw(BODY | {"tools": [TOOL, KEYED_TOOLS["an unknown field"]], "stream": is_streamed})

    async def main() -> list[bytes]:
        answers = [await ask(server, body, headers=JSON_HEADERS) for _ in range(5)]
        assert [answer.status for answer in answers] == [200] * 5, answers[0].body
        [response_id] = set(re.findall(rb"resp_[0-9a-f]+", answers[-1].body))
        answers.append(await ask(server, method="GET", path=f"/v1/responses/{response_id.decode()}"))
        await server.aclose()
        return [answer.body for answer in answers]

    visible = [*asyncio.run(main()), (tmp_path / "penstock.db").read_bytes()]
    assert [b'"api_key":"<redacted>"' in text for text in visible] == [True] * 7
    assert not [text for text in (*visible, caplog.text.encode()) if SECRET.encode() in text]


@shows("read-once")
@pytest.mark.parametrize("tool", KEYED_TOOLS.values(), ids=KEYED_TOOLS)
def test_cached_tools_are_listed_like_others(tool: Json) -> None:
    body = raw(BODY | {"tools": [TOOL, tool]})
    cache = warm(body)

    def planned(cached: RequestCache | None) -> tuple[bytes, bytes]:
        decoded = decode(body, LIMITS, cached=cached, owner=ME)
        context, to = at_once(resolve(decoded)), routes(FakeUpstream(), relays=True)
        made = make_plan(decoded, context, to, Policies(), bearer=None, response_id="resp_1", created_at=NOW_S)
        return encode(made.skeleton), encode(made.turn.request)

    assert cached_names(cache, body) == ["instructions", "tools"]
    assert [planned(cache), planned(cache)] == [planned(None)] * 2
    visible, sent = planned(cache)
    assert SECRET.encode() not in visible
    assert SECRET.encode() in sent


# Owners and bounds.


@shows("read-once")
def test_what_one_owner_sends_no_other_one_is_served_from() -> None:
    body = raw(BODY)
    cache = warm(body, owner=ME)
    assert cached_names(cache, body, ME) == ["instructions", "tools"]
    assert cached_names(cache, body, OTHER) == []
    ours, theirs = warm(body, owner=ME), RequestCache(LIMITS)
    for _ in range(3):
        outcome(body, ours, owner=OTHER)
        outcome(body, theirs, owner=OTHER)
    assert {each.prefix for each in ours._by_last_use} > {each.prefix for each in theirs._by_last_use}


def test_what_is_cached_holds_nothing_else_of_its_body() -> None:
    long = raw(BODY | {"input": "x" * 4_000_000})
    tracemalloc.start()
    try:
        cache = warm(long)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert cached_names(cache, long) == ["instructions", "tools"]
    assert held < 200_000


@shows("bounded-caches")
def test_it_holds_no_more_than_it_may() -> None:
    limits = Limits(request_cache_bytes_max=1_000_000)
    cache = RequestCache(limits)
    for turn in range(150):
        tools = [TOOL | {"name": f"f{turn}_{n}"} for n in range(5)]
        body = raw({"instructions": f"{turn} " + LONG * 3, "input": "Hi", "tools": tools})
        for _ in range(2):
            outcome(body, cache, limits)
    held = sum(len(each.raw) for each in cache._by_last_use) * request_cache._COST
    assert 500_000 < held <= 1_000_000
    assert cache._bytes_left == 1_000_000 - held
    assert len(cache._seen) <= request_cache._SEEN_MAX
    assert sorted(map(id, cache._by_last_use)) == sorted(
        id(each) for same_prefix in cache._by_prefix.values() for each in same_prefix
    )
    assert cached_names(cache, body) == ["instructions", "tools"]


def test_a_value_that_would_take_much_of_the_room_is_not_cached() -> None:
    limits = Limits(request_cache_bytes_max=100_000)
    assert not warm(raw(BODY | {"instructions": LONG * 3, "tools": []}), limits=limits)._by_last_use


def test_the_bounds_of_a_body_count_what_is_cached() -> None:
    """An object of many keys is refused whether or not most of the body is cached."""
    many = {f"k{n}": 0 for n in range(150)}
    tools = [TOOL | {"parameters": many}]
    fine, over = raw(BODY | {"tools": tools}), raw(BODY | {"tools": tools, "x": {f"{n}": 0 for n in range(101)}})
    for limits in (Limits(json_keys_max=160), Limits(json_values_max=250, json_keys_max=160)):
        cache = warm(fine, limits=limits)
        assert outcome(fine, cache, limits) == outcome(fine, None, limits)
        assert outcome(over, cache, limits) == outcome(over, None, limits)


def test_it_may_be_asked_by_several_threads() -> None:
    async def main() -> None:
        cache = RequestCache(Limits(request_cache_bytes_max=90_000))
        bodies = [raw(BODY | {"instructions": f"{n} {LONG}"}) for n in range(10)]
        expected = [outcome(body, None) for body in bodies]

        def work() -> bool:
            return all(
                outcome(body, cache) == result for _ in range(20) for body, result in zip(bodies, expected, strict=True)
            )

        assert all(await asyncio.gather(*(asyncio.to_thread(work) for _ in range(4))))
        assert 0 <= cache._bytes_left < 50_000

    asyncio.run(main())
