"""Pools: which of several upstreams is asked, in which order and with which key, and when no other is."""

import asyncio
import json
from collections import Counter
from collections.abc import Coroutine
from random import Random
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.kit import LIMITS, Scripted, ScriptedReply, ask, make_run, plan, to_json
from penstock.access import Access
from penstock.dialects.chat_completions import ChatCompletions, Options
from penstock.engine import RemoteUpstream, Route, Routes
from penstock.errors import ApiError
from penstock.limits import Limits
from penstock.ports import AttemptFailed, HttpReply, HttpRequest, TransportError
from penstock.secrets import Secret
from penstock.service import Service
from requirements import shows

T = TypeVar("T")

GOOD = b'{"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}'
STREAM = b'data: {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
JSON = {"content-type": "application/json"}
REFUSED, LATE = TransportError("connection refused"), TransportError("no answer", timed_out=True)


def go(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(coroutine, 10))


def good() -> ScriptedReply:
    return ScriptedReply(GOOD, headers=JSON)


def status(code: int, body: bytes = b"", **headers: str) -> ScriptedReply:
    return ScriptedReply(body, status=code, headers=JSON | headers)


class Noted(Scripted):
    """It notes in the list of all when it is asked."""

    def __init__(self, order: list[int], index: int, replies: list[Any]) -> None:
        super().__init__(*replies)
        self.order = order
        self.index = index

    async def send(self, request: HttpRequest) -> HttpReply:
        self.order.append(self.index)
        return await super().send(request)


class Several:
    """Some upstreams, each by what it replies; all serve every model, unless a test states otherwise."""

    def __init__(self, *replies: Any, limits: Limits = LIMITS, routes: list[dict[str, Any]] | None = None) -> None:
        self.order: list[int] = []
        self.transports = [
            Noted(self.order, index, each if isinstance(each, list) else [each]) for index, each in enumerate(replies)
        ]
        self.now_s = 0.0
        self.routes = Routes(
            [
                Route(
                    name="abc"[index],
                    upstream=RemoteUpstream(
                        ChatCompletions(Options(**given.pop("options", {})), limits),
                        transport,
                        limits,
                        key=given.pop("key", None),
                    ),
                    **given,
                )
                for index, (transport, given) in enumerate(
                    zip(self.transports, routes or [{} for _ in replies], strict=True)
                )
            ],
            limits=limits,
            clock_s=lambda: self.now_s,
            random=Random(7),
        )
        self.limits = limits

    async def answer(self, stream: bool = False, **asked: Any) -> str:
        run = make_run(plan(to=self.routes, model="m", stream=stream, **asked), self.limits)
        await run.open()
        events = [event async for batch in run.events() for event in batch]
        assert events[-1].type == "response.completed", to_json(events[-1])
        return str(to_json(run.response)["output"][0]["content"][0]["text"])

    @property
    def asked(self) -> list[int]:
        """How often each was."""
        return [len(transport.requests) for transport in self.transports]

    def sent(self, index: int) -> Any:
        return json.loads(self.transports[index].requests[-1].body)


# Failover.

# what each upstream replies; how often each is asked; the status in the end
OVER: dict[str, tuple[list[Any], list[int], int]] = {
    "refused": ([REFUSED, good()], [1, 1], 200),
    "503": ([status(503), good()], [1, 1], 200),
    "no answer in time": ([LATE, good()], [1, 1], 200),
    "429": ([status(429), good()], [1, 1], 200),
    "500": ([status(500), good()], [1, 1], 200),
    "our key": ([status(401), good()], [1, 1], 200),
    "two of three": ([REFUSED, status(502), good()], [1, 1, 1], 200),
    "a bad request": ([status(400), good()], [1, 0], 400),
    "no such model": ([status(404), good()], [1, 0], 404),
    "too large": ([status(413), good()], [1, 0], 400),
    "an error as 200": ([ScriptedReply(b'{"error": "boom"}', headers=JSON), good()], [1, 0], 502),
    "a cut body": ([ScriptedReply(b'{"choices": ', REFUSED, headers=JSON), good()], [1, 0], 502),
    "around again": ([[REFUSED, good()], REFUSED], [2, 1], 200),
    "only who may take it again": ([status(429), [REFUSED, REFUSED, good()]], [1, 3], 200),
    "nobody": ([REFUSED, status(503)], [3, 3], 503),
    "everybody is busy": ([status(429), status(429, **{"retry-after": "7"})], [1, 1], 429),
}


@pytest.mark.parametrize(("replies", "asked", "code"), OVER.values(), ids=OVER)
def test_another_one_is_asked_where_that_may_help(replies: list[Any], asked: list[int], code: int) -> None:
    several = Several(*replies)
    if code == 200:
        assert go(several.answer()) == "Hi"
    else:
        with pytest.raises(ApiError) as caught:
            go(several.answer())
        assert caught.value.status == code
    assert several.asked == asked


@pytest.mark.parametrize("stream", [False, True])
def test_streams_bodies_and_the_background_alike(stream: bool) -> None:
    several = Several(status(503), ScriptedReply(STREAM) if stream else good())
    assert go(several.answer(stream)) == "Hi"
    assert several.asked == [1, 1]


def test_no_other_upstream_is_tried_after_the_first_byte() -> None:
    several = Several(ScriptedReply(b'data: {"choices": [{"delta": {"content": "H"}}]}\n\n', REFUSED), good())
    with pytest.raises(AssertionError, match=r"response\.failed"):
        go(several.answer(stream=True))
    assert several.asked == [1, 0]


@pytest.mark.parametrize("stream", [False, True])
def test_a_head_that_never_comes_is_not_waited_for_where_there_is_another(stream: bool) -> None:
    limits = Limits(stream_head_s=0.05, whole_head_s=0.05)
    several = Several(None, ScriptedReply(STREAM) if stream else good(), limits=limits)
    assert go(several.answer(stream)) == "Hi"
    assert several.asked == [1, 1]


def test_the_last_one_may_take_its_time() -> None:
    several = Several(REFUSED, None, limits=Limits(whole_head_s=0.05, retries_max=0))

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(several.answer(), 0.3)

    go(main())


def test_all_attempts_together_are_bounded() -> None:
    several = Several(REFUSED, REFUSED, REFUSED, limits=Limits(attempts_max=5, retry_backoff_s=0.001))
    with pytest.raises(AttemptFailed):
        go(several.answer())
    assert several.asked == [2, 2, 1]


REPLIES: dict[str, tuple[Any, bool, bool]] = {
    "good": (GOOD, False, False),
    "refused": (REFUSED, True, True),
    "late": (LATE, False, True),
    "500": (500, True, True),
    "503": (503, True, True),
    "429": (429, False, True),
    "400": (400, False, False),
}
"""What an upstream may do, whether it may be asked again, and whether another one may."""


def replying(name: str) -> Any:
    what = REPLIES[name][0]
    return good() if what is GOOD else status(what) if isinstance(what, int) else what


@given(st.lists(st.lists(st.sampled_from(list(REPLIES)), min_size=9, max_size=9), min_size=1, max_size=3))
def test_whatever_they_do_it_ends_where_it_must(names: list[list[str]]) -> None:
    """With the first that answers, or with an error that no other could avoid; and none is asked too often."""
    limits = Limits(retry_backoff_s=1e-9, breaker_failures=100)
    several = Several(*([replying(name) for name in each] for each in names), limits=limits)
    try:
        end: int = asyncio.run(several.answer()) and 200
    except ApiError as error:
        end = error.status
    asked = [0 for _ in names]
    text = []
    for index in several.order:
        text.append(names[index][asked[index]])
        asked[index] += 1
    assert not any(REPLIES[name][2] is False for name in text[:-1])
    assert (end == 200) == (text[-1] == "good")
    assert len(text) <= limits.attempts_max
    for each, times in zip(names, asked, strict=True):
        assert times <= 1 + limits.retries_max
        assert all(REPLIES[name][1] for name in each[: max(times - 1, 0)])
    if REPLIES[text[-1]][2] and len(text) < limits.attempts_max:
        for each, times in zip(names, asked, strict=True):
            assert times == 1 + limits.retries_max or not REPLIES[each[times - 1]][1]


# As whom.


def test_each_upstream_gets_its_own_model_name() -> None:
    """By its name for the model, with its options, and with its key."""
    several = Several(
        REFUSED,
        good(),
        routes=[
            {"models": ["one"], "aliases": {"m": "one"}, "key": Secret("sk-one")},
            {"models": ["m"], "options": {"max_tokens_field": "max_completion_tokens"}, "takes_bearer": True},
        ],
        limits=Limits(retries_max=0),
    )
    go(several.answer(max_output_tokens=20, bearer=Secret("sk-client")))
    first, second = several.sent(0), several.sent(1)
    assert (first["model"], first["max_tokens"]) == ("one", 20)
    assert (second["model"], second["max_completion_tokens"]) == ("m", 20)
    keys = [dict(transport.requests[0].headers)["authorization"] for transport in several.transports]
    assert keys == ["Bearer sk-one", "Bearer sk-client"]


def test_the_clients_key_is_not_sent_to_other_upstreams() -> None:
    several = Several(REFUSED, good(), routes=[{}, {"takes_bearer": True}], limits=Limits(retries_max=0))
    go(several.answer(bearer=Secret("sk-client")))
    assert "authorization" not in dict(several.transports[0].requests[0].headers)
    assert dict(several.transports[1].requests[0].headers)["authorization"] == "Bearer sk-client"


# Order.


def first_asked(several: Several, times: int) -> Counter[str]:
    for _ in range(times):
        go(several.answer())
    return Counter("abc"[index] for index in several.order)


def test_without_priorities_the_order_is_that_of_the_configuration() -> None:
    assert first_asked(Several(good(), good()), 20) == {"a": 20}


def test_lower_priorities_come_first() -> None:
    assert first_asked(Several(good(), good(), routes=[{"priority": 2}, {"priority": 1}]), 20) == {"b": 20}
    assert first_asked(Several(good(), good(), routes=[{}, {"priority": 1}]), 20) == {"b": 20}


def test_within_a_priority_they_share_by_weight() -> None:
    several = Several(
        good(), good(), good(), routes=[{"priority": 0, "weight": 3.0}, {"priority": 0}, {"priority": 1, "weight": 9.0}]
    )
    counts = first_asked(several, 400)
    assert 265 < counts["a"] < 335  # 300 give or take four standard deviations
    assert counts["c"] == 0


@given(
    st.lists(st.tuples(st.none() | st.integers(0, 3), st.floats(0.1, 10)), min_size=1, max_size=3),
    st.integers(0, 2**32),
)
def test_each_upstream_is_tried_once_in_order(ranks: list[tuple[int | None, float]], seed: int) -> None:
    several = Several(
        *(status(429) for _ in ranks), routes=[{"priority": priority, "weight": weight} for priority, weight in ranks]
    )
    several.routes._random.seed(seed)
    with pytest.raises(ApiError):
        asyncio.run(several.answer())
    order = several.order
    assert sorted(order) == list(range(len(ranks)))
    positions = [(1, index) if ranks[index][0] is None else (0, ranks[index][0]) for index in order]
    assert positions == sorted(positions, key=lambda position: (position[0], position[1] or 0))


# Breakers.

TWO = Limits(breaker_failures=2, breaker_rest_s=10, retries_max=0)


def test_repeated_failures_open_the_breaker_until_a_probe() -> None:
    several = Several([REFUSED, REFUSED, good()], good(), limits=TWO)
    for _ in range(5):
        go(several.answer())
    assert several.asked == [2, 5]
    several.now_s += 11
    for _ in range(2):
        go(several.answer())
    assert several.asked == [4, 5]


@pytest.mark.parametrize("code", [400, 404, 429, 500])
def test_what_a_request_may_be_to_blame_for_opens_nothing(code: int) -> None:
    several = Several(status(code), limits=TWO)
    for _ in range(5):
        with pytest.raises(ApiError) as caught:
            go(several.answer())
        assert caught.value.status in {code, 502}
    assert several.asked == [5]


@pytest.mark.parametrize(("between", "opens"), [(400, False), (429, False), (500, True)])
def test_any_answer_but_a_500_closes_the_breaker(between: int, opens: bool) -> None:
    several = Several([REFUSED, status(between), REFUSED, good()], limits=TWO)
    for _ in range(3):
        with pytest.raises(ApiError):
            go(several.answer())
    if opens:
        with pytest.raises(ApiError, match="no requests are sent to it"):
            go(several.answer())
    else:
        assert go(several.answer()) == "Hi"


def test_the_client_gets_retry_after_where_all_breakers_are_open() -> None:
    several = Several(REFUSED, status(503), limits=TWO)
    for text in ("one", "two"):
        with pytest.raises(ApiError):
            go(several.answer(input=text))
    several.now_s += 4
    with pytest.raises(ApiError) as caught:
        go(several.answer())
    assert (caught.value.status, dict(caught.value.headers())["retry-after"]) == (503, "6")
    assert "no requests are sent to it" in caught.value.message
    assert several.asked == [2, 2]


CUT = TransportError("it closed the connection", was_connected=True)
PROVOKED: dict[str, Any] = {"a cut": CUT, "503": status(503), "502": status(502), "504": status(504)}
FIVE = Limits(retry_backoff_s=1e-9)


@shows("blameless-upstreams")
@pytest.mark.parametrize("reply", PROVOKED.values(), ids=PROVOKED)
def test_failures_that_one_request_may_have_caused_do_not_open_the_breaker(reply: Any) -> None:
    """Each is tried three times, and sent again and again."""
    several = Several([reply] * 24 + [good()], limits=FIVE)
    for text in ["one", "two", "three", "four"] * 2:
        with pytest.raises(ApiError, match=r"closed the connection|failed with status"):
            go(several.answer(input=text, client="a"))
    assert several.asked == [24]
    assert go(several.answer(client="b")) == "Hi"


@shows("blameless-upstreams")
def test_failing_requests_of_one_client_reject_no_other_client() -> None:
    several = Several([*[CUT] * 13, good()], limits=FIVE)  # the fifth one is tried once: then it is left alone
    for text in range(5):
        with pytest.raises(ApiError, match="closed the connection"):
            go(several.answer(input=str(text), client="a"))
    with pytest.raises(ApiError, match="no requests are sent to it"):
        go(several.answer(client="a"))
    assert go(several.answer(client="b")) == "Hi"
    assert go(several.answer(client="a")) == "Hi"


@shows("breakers")
def test_the_breaker_opens_for_all_when_several_clients_fail() -> None:
    several = Several([CUT], limits=FIVE)
    for text in range(5):
        with pytest.raises(ApiError, match="closed the connection"):
            go(several.answer(input=str(text), client="ab"[text % 2]))
    for client in "abc":
        with pytest.raises(ApiError, match="no requests are sent to it"):
            go(several.answer(client=client))


def test_a_breaker_is_the_upstreams_and_not_the_models() -> None:
    several = Several(REFUSED, limits=TWO)
    for model in ("x", "y"):
        with pytest.raises(ApiError):
            go(several.routes.choose(model)[1].upstream.models(None))
    with pytest.raises(ApiError, match="no requests are sent to it"):
        go(several.answer())


def test_a_disconnect_during_the_probe_does_not_block_others() -> None:
    several = Several([REFUSED, REFUSED, None, good()], limits=TWO)

    async def main() -> str:
        for _ in range(2):
            with pytest.raises(ApiError):
                await several.answer()
        several.now_s += 11
        probe = asyncio.ensure_future(several.answer())
        await asyncio.sleep(0.01)
        with pytest.raises(ApiError, match="no requests are sent to it"):
            await several.answer()
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
        return await several.answer()

    assert go(main()) == "Hi"


# Counts and sizes.


def sizes(**by_name: int) -> ScriptedReply:
    listed = [{"id": name, "max_model_len": tokens} for name, tokens in by_name.items()]
    return ScriptedReply(json.dumps({"data": listed}).encode(), headers=JSON)


def size(several: Several) -> int | None:
    upstream = several.routes.choose("m")[1].upstream
    return go(upstream.context_tokens("m", None))


def test_the_size_of_a_context_is_the_smallest_that_is_known() -> None:
    """Each knows the model by its own name, and one that does not answer hides nothing."""
    named = [{"models": ["m"]}, {"models": [], "aliases": {"m": "theirs"}}, {"models": ["m"]}]
    assert size(Several(sizes(m=9, x=1), sizes(theirs=7, m=1), status(500), routes=named)) == 7
    assert size(Several(status(500), ScriptedReply(b'{"data": []}', headers=JSON))) is None
    with pytest.raises(ApiError):
        size(Several(status(500)))


def test_tokens_are_counted_by_the_first_that_counts() -> None:
    counted = ScriptedReply(b'{"count": 5}', headers=JSON)
    several = Several(REFUSED, counted, routes=[{"options": {"tokenizer": "vllm"}} for _ in range(2)])
    upstream = several.routes.choose("m")[1].upstream
    assert go(upstream.count_tokens(plan(model="m").turn)) == 5
    assert several.asked == [1, 1]


def test_those_that_relay_and_those_that_do_not_never_stand_in_for_each_other() -> None:
    several = Several(REFUSED, good(), routes=[{"relays": True}, {}], limits=Limits(retries_max=0))
    with pytest.raises(ApiError):
        go(several.answer())
    assert several.asked == [1, 0]


# Relays.


def relayed(several: Several, body: bytes, path: str = "/v1/chat/completions") -> Any:
    return go(ask(Service(several.routes, access=Access([]), limits=several.limits), body, path=path))


def test_a_relay_is_tried_at_the_next_upstream_too() -> None:
    several = Several(REFUSED, status(503), ScriptedReply(b"{ }", headers=JSON))
    assert relayed(several, b'{"model": "m"}').body == b"{ }"
    assert several.asked == [1, 1, 1]


def test_where_no_upstream_accepts_a_relay_the_last_error_is_returned() -> None:
    several = Several(status(429, b'{"slow" : "down"}', **{"retry-after": "7", "x-other": "1"}))
    reply = relayed(several, b'{"model": "m"}')
    assert (reply.status, reply.body, reply.headers["retry-after"]) == (429, b'{"slow" : "down"}', "7")
    assert "x-other" not in reply.headers


@shows("spent-quota")
@pytest.mark.parametrize("code", [402, 429])
def test_spent_credit_is_relayed_as_it_came_after_the_others_were_tried(code: int) -> None:
    body = b'{"error": {"message": "Insufficient Balance"}}'
    several = Several(status(code, body), status(code, body))
    reply = relayed(several, b'{"model": "m"}')
    assert several.asked == [1, 1]
    assert (reply.status, reply.body, reply.headers["x-should-retry"]) == (code, body, "false")
    answers = Several(status(code, body), ScriptedReply(b"{ }", headers=JSON))
    assert relayed(answers, b'{"model": "m"}').body == b"{ }"


def test_an_unreachable_upstream_has_our_own_message() -> None:
    reply = relayed(Several(status(503), REFUSED), b'{"model": "m"}')
    assert reply.json()["error"]["message"] == "The upstream cannot be reached: connection refused"
    assert reply.status == 502


def test_an_upstreams_error_about_our_key_is_not_passed_on() -> None:
    several = Several(status(401, b'{"error": "wrong key sk-ours"}'), routes=[{"key": Secret("sk-ours")}])
    reply = relayed(several, b'{"model": "m"}')
    assert reply.status == 502
    assert b"sk-ours" not in reply.body
