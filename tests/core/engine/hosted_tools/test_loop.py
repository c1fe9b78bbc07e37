"""The loop over the turns of a response with hosted tools."""

import asyncio
import json
from typing import Any

import pytest
from msgspec.structs import replace

from core.engine.hosted_tools.families import (
    END,
    MAPS,
    SEARCH,
    FakeTool,
    Turns,
    called,
    maps_tool,
    policies,
    search_tool,
)
from core.kit import LIMITS, Json, make_run, plan, to_json
from penstock.dialects.chat_completions import ChatCompletions
from penstock.dialects.chat_completions.wire import Options
from penstock.engine import Run
from penstock.errors import ApiError, upstream_failed
from penstock.limits import Limits
from penstock.transcript.deltas import (
    Finish,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    TextRun,
    ToolCallDelta,
    UsageDelta,
)
from penstock.wire import InputImage, InputText, Logprob, Usage
from requirements import shows
from support import oracle

ANSWER = [[TextDelta("Done.")], END]


def played(upstream: Turns, *families: FakeTool, limits: Limits = LIMITS, stream: bool = True, **request: Any) -> Json:
    """The final Response; a stream is judged."""
    return to_json(run_to_end(upstream, *families, limits=limits, stream=stream, **request).response)


def run_to_end(
    upstream: Turns, *families: FakeTool, limits: Limits = LIMITS, stream: bool = True, **request: Any
) -> Run:
    async def main() -> Run:
        run = make_run(plan(upstream, policies(*families), stream=stream, **request), limits)
        await run.open()
        if not stream:
            await run.finish()
            return run
        events = [to_json(event) async for batch in run.events() for event in batch]
        assert oracle.check_stream(events) == to_json(run.response)
        RECORDED.extend(events)
        return run

    RECORDED.clear()
    run = asyncio.run(asyncio.wait_for(main(), 20))
    assert upstream.closed == len(upstream.turns)
    assert all(family.closed == 1 and family.running == 0 for family in families)
    return run


RECORDED: list[Json] = []
"""The events of the last stream."""


def kinds() -> list[str]:
    return [event["type"].removeprefix("response.") for event in RECORDED]


def messages(upstream: Turns, number: int) -> list[Json]:
    """What a chat model reads in a turn."""
    request = ChatCompletions(Options(), LIMITS).encode(upstream.turns[number])
    messages: list[Json] = json.loads(request.body)["messages"]
    return messages


def offered(upstream: Turns, number: int) -> list[str]:
    return [offer.name for offer in upstream.turns[number].offers]


def test_a_call_is_run_and_the_model_reads_its_reply() -> None:
    upstream = Turns([called(0, "web_search", '{"q', '":1}'), END], ANSWER)
    response = played(upstream, search_tool(), tools=[SEARCH])
    assert kinds() == [
        "created",
        "in_progress",
        "output_item.added",
        "web_search_call.in_progress",
        "web_search_call.searching",
        "web_search_call.completed",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [item["type"] for item in response["output"]] == ["web_search_call", "message"]
    assert messages(upstream, 1)[1]["tool_calls"][0]["id"] == response["output"][0]["id"]
    assert messages(upstream, 1)[2] == {
        "role": "tool",
        "content": 'found {"q":1}',
        "tool_call_id": response["output"][0]["id"],
    }


def test_remote_tools_are_listed_before_the_first_turn() -> None:
    upstream = Turns([called(0, "maps__route", "{}"), END], ANSWER)
    response = played(upstream, maps_tool(), tools=[MAPS])
    assert kinds()[2:13] == [
        "output_item.added",
        "mcp_list_tools.in_progress",
        "mcp_list_tools.completed",
        "output_item.done",
        "output_item.added",
        "mcp_call.in_progress",
        "mcp_call_arguments.delta",
        "mcp_call_arguments.done",
        "mcp_call.completed",
        "output_item.done",
        "output_item.added",
    ]
    assert offered(upstream, 0) == ["maps__route", "maps__find"]
    assert [item["type"] for item in response["output"]] == ["mcp_list_tools", "mcp_call", "message"]


def test_calls_of_one_turn_run_at_once_and_interleave() -> None:
    upstream = Turns([[*called(0, "maps__route", "{}"), *called(1, "web_search", "{}")], END], ANSWER)
    search, maps = search_tool(), maps_tool()
    played(upstream, search, maps, tools=[SEARCH, MAPS])
    roles = [message["role"] for message in messages(upstream, 1)]
    assert roles == ["user", "assistant", "tool", "tool"]
    assert len(messages(upstream, 1)[1]["tool_calls"]) == 2


@pytest.mark.parametrize(("parallel", "most"), [(None, 3), (False, 1)])
def test_parallel_tool_calls_decides_whether_calls_run_at_once(parallel: bool | None, most: int) -> None:
    calls = [delta for index in range(3) for delta in called(index, "web_search", "{}")]
    search = search_tool()
    played(Turns([calls, END], ANSWER), search, tools=[SEARCH], parallel_tool_calls=parallel)
    assert search.most_running == most


def test_a_process_runs_so_many_calls_at_a_time() -> None:
    calls = [delta for index in range(3) for delta in called(index, "web_search", "{}")]
    search = search_tool()

    async def main() -> None:
        run = make_run(plan(Turns([calls, END], ANSWER), policies(search, runs_max=2), tools=[SEARCH]))
        await run.open()
        await run.finish()

    asyncio.run(main())
    assert search.most_running == 2


@shows("max-tool-calls", "tool-call-limit")
@pytest.mark.parametrize("stream", [True, False])
def test_max_tool_calls_bounds_all_calls_of_the_response(stream: bool) -> None:
    turn = [[*called(0, "web_search", "1"), *called(1, "web_search", "2"), *called(2, "web_search", "3")], END]
    upstream, search = Turns(turn, ANSWER), search_tool()
    response = played(upstream, search, tools=[SEARCH], max_tool_calls=2, stream=stream)
    assert (search.runs, response["status"]) == (["1", "2"], "completed")
    assert [item["type"] for item in response["output"]] == ["web_search_call", "web_search_call", "message"]
    assert offered(upstream, 1) == []
    sent = messages(upstream, 1)
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "tool", "tool"]
    assert "limit of tool calls" in sent[-1]["content"]


def test_a_model_that_never_stops_calling_is_stopped() -> None:
    upstream, search = Turns([called(0, "web_search", "{}"), END]), search_tool()
    limits = replace(LIMITS, tool_rounds_max=3, tool_calls_max=100)
    response = played(upstream, search, limits=limits, tools=[SEARCH])
    assert response["status"] == "completed"
    assert len(upstream.turns) == 4
    assert offered(upstream, 3) == []


@shows("hosted-turns")
def test_calls_of_the_client_end_the_response_after_the_hosted_ones() -> None:
    function = {"type": "function", "name": "mine", "parameters": {"type": "object"}}
    upstream = Turns([[*called(0, "mine", "{}"), *called(1, "web_search", "{}")], END])
    search = search_tool()
    response = played(upstream, search, tools=[function, SEARCH])
    assert [(item["type"], item["status"]) for item in response["output"]] == [
        ("function_call", "completed"),
        ("web_search_call", "completed"),
    ]
    assert (len(upstream.turns), search.runs, response["status"]) == (1, ["{}"], "completed")


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("given", [ValueError("a bug"), None], ids=["raises", "gives nothing"])
def test_a_tool_that_fails_fails_its_item_alone(given: Any, stream: bool, caplog: pytest.LogCaptureFixture) -> None:
    upstream = Turns([called(0, "maps__route", "{}"), END], ANSWER)
    response = played(upstream, maps_tool(lambda _: given), tools=[MAPS], stream=stream)
    assert response["status"] == "completed"
    assert response["output"][1]["status"] == "failed"
    assert "internal error" in messages(upstream, 1)[-1]["content"]
    assert "a bug" not in json.dumps(response)


@shows("memory")
def test_the_images_of_a_response_are_bounded() -> None:
    """Each is within the limit, and both together are not."""
    image = InputImage(image_url="data:image/png;base64," + "A" * 60)
    tool = search_tool(lambda _: [InputText(text="Look."), image])
    upstream = Turns([called(0, "web_search", "{}"), called(1, "web_search", "{}"), END], ANSWER)
    played(upstream, tool, limits=replace(LIMITS, tool_images_bytes_max=100), tools=[SEARCH])
    read = json.dumps(messages(upstream, 1))
    assert (read.count("AAAA" * 15), read.count("an image is left out"), read.count("Look.")) == (1, 1, 2)


@shows("hosted-failures")
def test_a_tool_that_takes_too_long_is_cancelled() -> None:
    search = search_tool(lambda _: asyncio.Event())
    upstream = Turns([called(0, "web_search", "{}"), END], ANSWER)
    response = played(upstream, search, limits=replace(LIMITS, tool_call_s=0.05), tools=[SEARCH])
    assert response["output"][0]["status"] == "failed"
    assert search.cancelled == 1
    assert "longer than 0.05 s" in messages(upstream, 1)[-1]["content"]


def test_arguments_that_are_not_json_have_no_item() -> None:
    upstream = Turns([called(0, "web_search", "broken"), END], ANSWER)
    response = played(upstream, search_tool(), tools=[SEARCH])
    assert [item["type"] for item in response["output"]] == ["message"]
    assert messages(upstream, 1)[1]["tool_calls"][0]["function"] == {
        "name": "web_search",
        "arguments": '{"invalid_json":"broken"}',
    }
    assert messages(upstream, 1)[2]["content"] == "These arguments are not JSON."


@pytest.mark.parametrize("stream", [True, False])
def test_a_cut_turn_runs_no_call(stream: bool) -> None:
    upstream = Turns([called(0, "maps__route", '{"to'), [Finish("max_output_tokens")]])
    maps = maps_tool()
    response = played(upstream, maps, tools=[MAPS], stream=stream)
    assert (response["status"], maps.runs) == ("incomplete", [])
    assert (response["output"][1]["status"], response["output"][1]["arguments"]) == ("incomplete", '{"to')


def test_a_later_turn_that_fails_fails_the_response() -> None:
    upstream = Turns([called(0, "web_search", "{}"), END], [upstream_failed("It is down.")])
    response = played(upstream, search_tool(), tools=[SEARCH])
    assert (response["status"], response["error"]["message"]) == ("failed", "It is down.")
    assert response["output"][0]["status"] == "completed"


def test_the_usage_is_the_sum_of_all_turns() -> None:
    def usage(tokens: int) -> list[Any]:
        return [UsageDelta(Usage(input_tokens=tokens, output_tokens=1, total_tokens=tokens + 1))]

    upstream = Turns([called(0, "web_search", "{}"), usage(10), END], [[TextDelta("Yes")], usage(20), END])
    usage_sum = played(upstream, search_tool(), tools=[SEARCH])["usage"]
    assert (usage_sum["input_tokens"], usage_sum["output_tokens"], usage_sum["total_tokens"]) == (30, 2, 32)


@shows("hosted-choice")
@pytest.mark.parametrize(
    ("choice", "offers", "mode", "name"),
    [
        ("required", ["maps__route", "maps__find", "web_search"], "required", None),
        ({"type": "web_search_preview"}, ["web_search"], "required", "web_search"),
        ({"type": "mcp", "server_label": "maps"}, ["maps__route", "maps__find"], "required", None),
        ({"type": "mcp", "server_label": "maps", "name": "find"}, ["maps__find"], "required", "maps__find"),
        ("none", ["maps__route", "maps__find", "web_search"], "none", None),
    ],
)
def test_a_choice_counts_for_the_first_turn(choice: Any, offers: list[str], mode: str, name: str | None) -> None:
    upstream = Turns([called(0, "web_search", "{}"), END], ANSWER)
    played(upstream, search_tool(), maps_tool(), tools=[MAPS, SEARCH], tool_choice=choice)
    first, second = upstream.turns
    assert (sorted(offered(upstream, 0)), first.choice.mode, first.choice.name) == (sorted(offers), mode, name)
    assert second.choice.mode == ("none" if mode == "none" else "auto")
    assert len(second.offers) == 3


def test_allowed_tools_filter_all_turns() -> None:
    upstream = Turns([called(0, "maps__find", "{}"), END], ANSWER)
    allowed = {"type": "mcp", "server_label": "maps", "name": "find"}
    choice = {"type": "allowed_tools", "mode": "required", "tools": [allowed]}
    played(upstream, search_tool(), maps_tool(), tools=[MAPS, SEARCH], tool_choice=choice)
    assert [offered(upstream, number) for number in (0, 1)] == [["maps__find"], ["maps__find"]]
    assert [turn.choice.mode for turn in upstream.turns] == ["required", "auto"]


def test_a_client_that_leaves_ends_the_calls() -> None:
    search = search_tool(lambda _: asyncio.Event())
    upstream = Turns([called(0, "web_search", "{}"), END])

    async def main() -> None:
        run = make_run(plan(upstream, policies(search), tools=[SEARCH], stream=True))
        await run.open()
        events = run.events()
        async for _ in events:
            if search.running:
                break
        await events.aclose()
        await run.aclose()

    asyncio.run(asyncio.wait_for(main(), 10))
    assert (search.cancelled, search.running, search.closed) == (1, 0, 1)


@pytest.mark.parametrize("stream", [True, False])
def test_a_response_that_must_end_ends_its_open_items(stream: bool) -> None:
    maps = maps_tool(lambda _: asyncio.Event())
    upstream = Turns([called(0, "maps__route", '{"a":1}'), END])

    async def main() -> Run:
        run = make_run(plan(upstream, policies(maps), tools=[MAPS], stream=stream))
        await run.open()
        asyncio.get_running_loop().call_later(0.1, run.end_early)
        if stream:
            events = [to_json(event) async for batch in run.events() for event in batch]
            oracle.check_stream(events)
        else:
            await run.finish()
        return run

    response = to_json(asyncio.run(asyncio.wait_for(main(), 10)).response)
    assert (response["status"], maps.cancelled) == ("incomplete", 1)
    assert (response["output"][1]["status"], response["output"][1]["arguments"]) == ("incomplete", '{"a":1}')


def test_the_first_turn_that_is_refused_has_an_http_status() -> None:
    class Refusing(Turns):
        async def open(self, turn: Any) -> Any:
            raise upstream_failed("It is full.")

    search = search_tool()

    async def main() -> None:
        run = make_run(plan(Refusing(), policies(search), tools=[SEARCH]))
        with pytest.raises(ApiError, match="It is full"):
            await run.open()

    asyncio.run(main())
    assert search.closed == 1


@pytest.mark.parametrize("stream", [True, False])
def test_the_answer_cites_what_a_tool_has_found(stream: bool) -> None:
    texts = [TextRun(["So it is", " 【1"]), TextDelta("】."), ReasoningDelta("Hmm"), TextDelta("Yes 【1】")]
    upstream = Turns([called(0, "web_search", "{}"), END], [[delta] for delta in texts] + [END])
    response = played(upstream, search_tool(lambda _: "[{n}] Rivers"), tools=[SEARCH], stream=stream)
    link = "([example.com](https://example.com/rivers))"
    first, _, second = (item["content"][0] for item in response["output"][1:])
    assert [first["text"], second["text"]] == [f"So it is {link}.", f"Yes {link}"]
    assert [(one["start_index"], one["end_index"]) for part in (first, second) for one in part["annotations"]] == [
        (9, 9 + len(link)),
        (4, 4 + len(link)),
    ]
    assert upstream.turns[1].items[-1].unknown  # it carries the reply
    assert messages(upstream, 1)[-1]["content"] == "[1] Rivers"


@pytest.mark.parametrize("stream", [True, False])
def test_no_logprob_is_lost_by_a_citation(stream: bool) -> None:
    """They are of the tokens that the model wrote, so that those of a marker are among them."""
    tokens = ["So", "\u3010", "1", "\u3011", " and", "\u3010", "no", "\u3011", "\u3010"]
    texts: list[Any] = [
        [TextDelta(token, [Logprob(token=token, logprob=-1, bytes=[], top_logprobs=[])])] for token in tokens
    ]
    upstream = Turns([called(0, "web_search", "{}"), END], [*texts, END])
    include = ["message.output_text.logprobs"]
    response = played(upstream, search_tool(lambda _: "[{n}]"), tools=[SEARCH], include=include, stream=stream)
    [part] = response["output"][1]["content"]
    assert [each["token"] for each in part["logprobs"]] == tokens
    assert part["text"] == "So([example.com](https://example.com/rivers)) and\u3010no\u3011\u3010"
    if stream:
        sent = [each for event in RECORDED if event["type"].endswith("text.delta") for each in event["logprobs"]]
        assert [each["token"] for each in sent] == tokens


def test_a_refusal_and_thoughts_have_no_citations() -> None:
    texts: list[Any] = [[ReasoningDelta("Hm \u30101\u3011")], [RefusalDelta("No \u30101\u3011")], END]
    upstream = Turns([called(0, "web_search", "{}"), END], texts)
    response = played(upstream, search_tool(lambda _: "[{n}]"), tools=[SEARCH])
    assert response["output"][2]["content"] == [{"type": "refusal", "refusal": "No \u30101\u3011"}]
    assert "example.com" not in json.dumps(response)


def test_json_has_no_citations() -> None:
    upstream = Turns([called(0, "web_search", "{}"), END], [[TextDelta('{"a":"【1】"}')], END])
    search = search_tool(lambda _: "[{n}]")
    response = played(upstream, search, tools=[SEARCH], text={"format": {"type": "json_object"}})
    assert response["output"][1]["content"][0]["text"] == '{"a":"【1】"}'


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("name", ["web_search", None])
def test_arguments_that_no_item_shows_are_bounded(name: str | None, stream: bool) -> None:
    pieces = [[ToolCallDelta(index=0, name=name, arguments="x" * 600)] for _ in range(3)]
    limits = replace(LIMITS, output_bytes_max=1_000)
    response = played(Turns([*pieces, END]), search_tool(), limits=limits, stream=stream, tools=[SEARCH])
    assert (response["status"], response["output"]) == ("failed", [])
    assert "more than 1000 characters" in response["error"]["message"]


def test_the_calls_of_a_turn_are_bounded() -> None:
    calls = [delta for index in range(6) for delta in called(index, "web_search", "{}")]
    response = played(Turns([calls, END]), search_tool(), limits=replace(LIMITS, output_items_max=5), tools=[SEARCH])
    assert "more than 5 calls" in response["error"]["message"]


@pytest.mark.parametrize("others", [[], called(1, "web_search", "{}")], ids=["alone", "beside a hosted call"])
def test_a_call_without_a_name_fails_the_response(others: Any) -> None:
    upstream = Turns([[ToolCallDelta(index=0, call_id="c", arguments="{}"), *others], END])
    response = played(upstream, search_tool(), tools=[SEARCH])
    assert (response["status"], "without naming it" in response["error"]["message"]) == ("failed", True)
