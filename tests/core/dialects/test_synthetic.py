"""The synthetic model answers the same with the same, within every limit, and as any upstream would."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.dialects.synthetic import BATCH_DELTAS, MODELS, count_tokens, generate
from penstock.errors import ApiError
from penstock.limits import Limits
from penstock.ports import Choice, Turn
from penstock.tool_calls import OFFERS, CallFormat, FunctionDefinition
from penstock.transcript import Reducer, Transcript, fold
from penstock.transcript.deltas import (
    Delta,
    Finish,
    ReasoningDelta,
    ReasoningRun,
    TextDelta,
    TextRun,
    ToolCallDelta,
    UsageDelta,
)
from penstock.wire import CreateResponse, Event, InputItem, Response, Tool, Usage
from support.actions import ACTIONS

QUESTION = "What is the weather in Paris today?"
GOLDEN = (
    "Where “weather” meets “Paris”, the turbine answers one part in a thousand. The old pipe explains the"
    " spring thaw; its pressure holds back a head of 180 m while the turbine follows the next turn from "
    "source 🌊 to sea."
)
GOLDEN_THOUGHT = (
    "The user mentions “today” in most years. Good: does a small café by the dam come before “weather”?\n\n"
    "Alternatively, the water feeds the next turn."
)
GOLDEN_JSON = '{"topic":"weather Paris today","summary":"flow valve river meadow winter","score":0.73,"final":false}'
GOLDEN_CALL_ID = "call_ef7aab8fb1b9a82d4cbec42e"
LOGPROBS = {"include": ["message.output_text.logprobs"]}
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["c", "f"]}},
        "required": ["city", "unit"],
        "additionalProperties": False,
    },
}
TIME = {
    "type": "function",
    "name": "clock",
    "parameters": {"type": "object", "properties": {"zone": {"type": "string"}}},
}
PLAIN = {"type": "function", "name": "ping", "parameters": None}
PATCH = {"type": "custom", "name": "apply_patch"}
ASKED = {"role": "user", "content": "Use get_weather for Paris."}
CALL = {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": '{"city":"Paris"}'}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "18 °C and\n dry"}
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
}

Json = dict[str, Any]


def offered(tools: list[Json]) -> list[tuple[FunctionDefinition, CallFormat]]:
    declared = msgspec.json.decode(json.dumps(tools), type=list[Tool])
    return [each for tool in declared for each in OFFERS[type(tool)](tool) or ()]


def turn(
    prompt: str | list[Json] = QUESTION, *, stream: bool = True, choice: Choice | None = None, **asked: Any
) -> Turn:
    """A turn as the engine would plan it."""
    items = [{"type": "message", "role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    request = msgspec.json.decode(json.dumps(asked), type=CreateResponse)
    return Turn(
        model="synthetic",
        request=request,
        items=msgspec.json.decode(json.dumps([{"type": "message"} | item for item in items]), type=list[InputItem]),
        offers=[offer for offer, _ in offered(asked.get("tools", []))],
        choice=choice or Choice(),
        stream=stream,
    )


def unfolded(batch: list[Delta]) -> Iterator[Delta]:
    """The deltas of a batch, those of runs one by one."""
    for delta in batch:
        if isinstance(delta, TextRun):
            yield from map(TextDelta, delta.texts)
        elif isinstance(delta, ReasoningRun):
            yield from map(ReasoningDelta, delta.texts)
        else:
            yield delta


def deltas(turn: Turn) -> list[Delta]:
    return [delta for batch in generate(turn) for delta in unfolded(batch)]


def text(generated: list[Delta]) -> str:
    return "".join(delta.text for delta in generated if isinstance(delta, TextDelta))


def thought(generated: list[Delta]) -> str:
    return "".join(delta.text for delta in generated if isinstance(delta, ReasoningDelta))


def usage(generated: list[Delta]) -> Usage:
    [found] = [delta.usage for delta in generated if isinstance(delta, UsageDelta)]
    return found


def calls(generated: list[Delta]) -> dict[int, tuple[str, str]]:
    """Name and arguments of every call, by its index."""
    made: dict[int, tuple[str, str]] = {}
    for delta in generated:
        if isinstance(delta, ToolCallDelta):
            name, arguments = made.get(delta.index, ("", ""))
            made[delta.index] = (name or delta.name or "", arguments + delta.arguments)
    return made


def called(turn: Turn) -> list[str]:
    return [name for name, _ in calls(deltas(turn)).values()]


# --- the same to the same ---


def test_the_answer_is_the_same_on_every_machine() -> None:
    generated = deltas(turn(reasoning={"effort": "low"}))
    assert text(generated) == GOLDEN
    assert thought(generated) == GOLDEN_THOUGHT
    assert text(deltas(turn(text={"format": {"type": "json_object"}}))) == GOLDEN_JSON
    call = deltas(turn("ping", tools=[PLAIN]))[0]
    assert isinstance(call, ToolCallDelta)
    assert call.call_id == GOLDEN_CALL_ID


@pytest.mark.parametrize(
    "change",
    [
        {"instructions": "Be brief."},
        {"seed": 1},
        {"temperature": 0.5},
        {"tools": [TIME]},
        {"text": {"format": {"type": "json_object"}}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_request_has_another_answer(change: Json) -> None:
    assert text(deltas(turn(**change))) != text(deltas(turn()))


@pytest.mark.parametrize(
    "change",
    [
        {"reasoning": {"effort": "high"}},
        {"top_logprobs": 3},
        {"text": {"format": {"type": "text"}}},
        {"store": False},
        {"user": "someone"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_is_beside_the_point_changes_nothing(change: Json) -> None:
    assert text(deltas(turn(**change))) == text(deltas(turn()))


def test_ids_change_nothing() -> None:
    def history(id: str) -> list[Json]:
        return [ASKED, CALL | {"call_id": id, "id": f"fc_{id}"}, OUTPUT | {"call_id": id}]

    assert text(deltas(turn(history("call_a")))) == text(deltas(turn(history("call_b"))))


# --- how it is result ---


ASKS = st.fixed_dictionaries(
    {},
    optional={
        "reasoning": st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh", "max"]).map(
            lambda e: {"effort": e}
        ),
        "text": st.sampled_from(
            [
                {"verbosity": "low"},
                {"verbosity": "high"},
                {"format": {"type": "json_object"}},
                {"format": {"type": "json_schema", "name": "weather", "schema": SCHEMA}},
            ]
        ),
        "max_output_tokens": st.integers(1, 60),
        "stop": st.sampled_from(["the", ["e", "water"], ".", "}"]),
        "top_logprobs": st.integers(0, 3),
        "tools": st.sampled_from([[WEATHER], [WEATHER, TIME, PLAIN], [PATCH, TIME]]),
        "parallel_tool_calls": st.booleans(),
        "seed": st.integers(0, 50),
    },
)
INPUTS = st.sampled_from(
    [
        QUESTION,
        "",
        "Get weather for Paris, then apply_patch, then look at the clock: ping!",
        "天気はどうですか",
        [ASKED, CALL, OUTPUT],
    ]
)
CHOICES = st.sampled_from([Choice(), Choice(mode="none"), Choice(mode="required")])


@given(INPUTS, ASKS, CHOICES)
def test_whole_and_piecewise_are_the_same(prompt: str | list[Json], asked: Json, choice: Choice) -> None:
    piecewise = deltas(turn(prompt, choice=choice, **asked))
    [whole] = generate(turn(prompt, choice=choice, stream=False, **asked))
    assert text(piecewise) == text(whole)
    assert thought(piecewise) == thought(whole)
    assert calls(piecewise) == calls(whole)
    assert piecewise[-2:] == whole[-2:]
    assert [type(delta) for delta in whole[-2:]] == [UsageDelta, Finish]


@given(INPUTS, ASKS, CHOICES)
def test_every_token_is_counted(prompt: str | list[Json], asked: Json, choice: Choice) -> None:
    *tokens, use, end = deltas(turn(prompt, choice=choice, **asked))
    result = usage([use])
    assert result.output_tokens == len(tokens)
    assert result.output_tokens_details.reasoning_tokens == sum(isinstance(token, ReasoningDelta) for token in tokens)
    assert result.total_tokens == result.input_tokens + result.output_tokens
    limit = asked.get("max_output_tokens")
    assert limit is None or result.output_tokens <= limit
    assert end in (Finish("max_output_tokens"), Finish())


@given(INPUTS, ASKS, CHOICES)
def test_a_stream_comes_in_batches_of_which_none_is_large(
    prompt: str | list[Json], asked: Json, choice: Choice
) -> None:
    *batches, end = [list(unfolded(batch)) for batch in generate(turn(prompt, choice=choice, **asked))]
    assert all(0 < len(batch) <= BATCH_DELTAS for batch in batches)
    calls_begun = [token for batch in batches for token in batch if isinstance(token, ToolCallDelta) and token.name]
    assert len(batches) <= sum(map(len, batches)) // BATCH_DELTAS + 2 + len(calls_begun)  # the last of each is small
    assert isinstance(end[-1], Finish)


def transcript(turn: Turn, forms: dict[str, CallFormat]) -> tuple[Response, list[Event]]:
    """What the engine would make of it."""
    ids = iter(range(10_000))
    result = Transcript()
    reducer = Reducer(
        result, forms=forms, limits=Limits(), new_id=lambda prefix: f"{prefix}{next(ids)}", now_s=lambda: 1
    )
    skeleton = {"id": "resp_1", "created_at": 0, "status": "in_progress", "model": "synthetic", "text": {}}
    reducer.begin(msgspec.convert(skeleton, type=Response))
    for batch in generate(turn):
        for delta in batch:
            reducer.receive_all([delta])
    result.record(reducer.ending(_no_estimate))
    return result.snapshot(), result.take()


def _no_estimate(_: Response) -> Usage:
    raise AssertionError("the model says what it used")


@given(INPUTS, ASKS, CHOICES, st.booleans())
def test_it_makes_a_legal_transcript(prompt: str | list[Json], asked: Json, choice: Choice, stream: bool) -> None:
    forms = {offer.name: form for offer, form in offered(asked.get("tools", []))}
    asked_turn = turn(prompt, choice=choice, stream=stream, **asked)
    response, events = transcript(asked_turn, forms)
    assert response == fold(events)
    finish = deltas(asked_turn)[-1]
    assert isinstance(finish, Finish)
    assert response.status == ("incomplete" if finish.incomplete else "completed")


@pytest.mark.parametrize("name", ACTIONS)
@given(st.integers(0, 2**31), st.sampled_from([QUESTION, "Run ls -l, please.", ""]))
def test_it_calls_tools_as_they_take_it(name: str, seed: int, prompt: str) -> None:
    """No call of it is one that the client could not carry out."""
    tools = [ACTIONS[name].tool]
    asked = turn(prompt, choice=Choice("required", name), tools=tools, seed=seed)
    response, _ = transcript(asked, {offer.name: form for offer, form in offered(tools)})
    assert [item.type for item in response.output] == [ACTIONS[name].reported["type"]]


# --- text ---


def test_the_answer_quotes_the_question() -> None:
    answers = [text(deltas(turn("Why do lighthouses flicker?", seed=seed))) for seed in range(20)]
    assert all("lighthouses" in answer or "flicker" in answer for answer in answers)


def test_lengths_are_skewed_around_the_median() -> None:
    lengths = sorted(usage(deltas(turn(seed=seed, stream=False))).output_tokens for seed in range(400))
    assert 50 <= lengths[200] <= 85
    assert lengths[0] < 20
    assert lengths[-1] > 250


def test_verbosity_scales_the_length() -> None:
    def mean(verbosity: str) -> float:
        turns = [turn(seed=seed, stream=False, text={"verbosity": verbosity}) for seed in range(100)]
        return sum(usage(deltas(each)).output_tokens for each in turns) / len(turns)

    assert mean("low") * 1.5 < mean("medium") < mean("high") / 1.5


def test_some_answers_leave_ascii() -> None:
    answers = [text(deltas(turn(seed=seed, stream=False))) for seed in range(50)]
    assert any("ü" in answer for answer in answers)
    assert any("🌊" in answer for answer in answers)


@pytest.mark.parametrize("limit", [1, 7, 30])
def test_the_limit_cuts(limit: int) -> None:
    whole = deltas(turn(text={"verbosity": "high"}))
    cut = deltas(turn(text={"verbosity": "high"}, max_output_tokens=limit))
    assert cut[:limit] == whole[:limit]
    assert cut[-1] == Finish("max_output_tokens")
    assert len(cut) == limit + 2


@pytest.mark.parametrize("stream", [True, False])
def test_what_cuts_an_answer_does_not_cut_the_next_one(stream: bool) -> None:
    asked = turn(reasoning={"effort": "low"}, stream=stream)
    whole = deltas(asked)
    for limit in (3, 40):
        deltas(turn(reasoning={"effort": "low"}, stream=stream, max_output_tokens=limit))
        deltas(turn(reasoning={"effort": "low"}, stream=stream, stop=[text(whole)[limit : limit + 3]]))
    assert deltas(asked) == whole


def test_a_limit_that_is_just_enough_cuts_nothing() -> None:
    whole = deltas(turn())
    assert deltas(turn(max_output_tokens=usage(whole).output_tokens)) == whole


def test_thoughts_use_the_limit_first() -> None:
    cut = deltas(turn(reasoning={"effort": "max"}, max_output_tokens=10))
    assert [type(delta) for delta in cut[:-2]] == [ReasoningDelta] * 10
    assert usage(cut).output_tokens_details.reasoning_tokens == 10


@given(st.integers(0, 30), st.integers(1, 6))
def test_it_stops_before_a_stop_sequence(start: int, length: int) -> None:
    whole = text(deltas(turn(seed=3)))
    stop = whole[start : start + length]
    cut = deltas(turn(seed=3, stop=["never said, this", stop]))
    assert text(cut) == whole[: whole.index(stop)]
    assert cut[-1] == Finish()


# --- thoughts ---


def test_it_thinks_when_asked_and_longer_with_effort() -> None:
    efforts = ["none", "minimal", "low", "medium", "high", "xhigh", "max"]
    lengths = [
        sum(len(thought(deltas(turn(seed=seed, stream=False, reasoning={"effort": effort})))) for seed in range(20))
        for effort in efforts
    ]
    assert lengths[0] == 0
    assert lengths == sorted(set(lengths))
    assert not thought(deltas(turn()))


# --- log probabilities ---


def test_no_logprobs_unless_asked() -> None:
    assert not any(delta.logprobs for delta in deltas(turn()) if isinstance(delta, TextDelta))


@pytest.mark.parametrize(("asked", "top"), [(LOGPROBS, 0), ({"top_logprobs": 1}, 1), ({"top_logprobs": 5}, 5)])
def test_logprobs_for_every_token(asked: Json, top: int) -> None:
    generated = [delta for delta in deltas(turn("ノルウェー", **asked)) if isinstance(delta, TextDelta)]
    for delta in generated:
        [logprob] = delta.logprobs
        assert logprob.token == delta.text
        assert bytes(logprob.bytes).decode() == delta.text
        assert len(logprob.top_logprobs) == top
        assert not top or logprob.top_logprobs[0].token == delta.text
        likelihoods = [each.logprob for each in logprob.top_logprobs]
        assert likelihoods == sorted(likelihoods, reverse=True)
        assert sum(2.718**each for each in likelihoods) < 1.001
        assert len({each.token for each in logprob.top_logprobs}) == top


def test_logprobs_follow_the_cut() -> None:
    [whole] = generate(turn(stream=False, max_output_tokens=5, **LOGPROBS))
    [generated] = [delta for delta in whole if isinstance(delta, TextDelta)]
    assert "".join(logprob.token for logprob in generated.logprobs) == generated.text
    assert len(generated.logprobs) == 5


# --- tools ---


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        (QUESTION, []),
        ("Use get_weather for Paris.", ["get_weather"]),
        ("GET WEATHER in Paris!", ["get_weather"]),
        ("forget weather", []),
        ("get_weathering", []),
        ("the clock, then get-weather", ["clock", "get_weather"]),
    ],
)
def test_auto_calls_what_the_user_names(prompt: str, expected: list[str]) -> None:
    assert called(turn(prompt, tools=[WEATHER, TIME])) == expected


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (Choice(mode="none"), []),
        (Choice(mode="required"), ["get_weather", "clock"]),
        (Choice(mode="required", name="clock"), ["clock"]),
        (Choice(name="ping"), ["ping"]),
    ],
)
def test_the_choice_is_obeyed(choice: Choice, expected: list[str]) -> None:
    assert called(turn("get_weather and clock", choice=choice, tools=[WEATHER, TIME, PLAIN])) == expected


def test_who_must_call_calls_something() -> None:
    chosen = [called(turn(seed=seed, choice=Choice(mode="required"), tools=[WEATHER, TIME])) for seed in range(20)]
    assert {name for [name] in chosen} == {"get_weather", "clock"}


def test_one_call_at_a_time_when_asked() -> None:
    generated = turn("get_weather and clock", tools=[WEATHER, TIME], parallel_tool_calls=False)
    assert called(generated) == ["get_weather"]


def test_arguments_satisfy_the_schema_in_the_users_words() -> None:
    [(name, arguments)] = calls(deltas(turn("Use get_weather for Paris.", tools=[WEATHER]))).values()
    assert name == "get_weather"
    read = json.loads(arguments)
    assert read["city"] == "Paris"
    assert read["unit"] in ("c", "f")


PAGE = {
    "type": "function",
    "name": "read",
    "parameters": {
        "type": "object",
        "properties": {"url": {"type": "string"}, "words": {"type": "string"}},
        "required": ["url"],
    },
}


def test_a_url_is_one_that_the_user_names() -> None:
    """So that a tool that opens no other pages has something to open."""
    url = "https://news.example/a?b=1"
    for prompt, begins in ((f"Use read on {url}, please", f'{{"url":"{url}"'), ("Use read", '{"url":"https://example')):
        [(name, arguments)] = calls(deltas(turn(prompt, tools=[PAGE]))).values()
        assert (name, arguments[: len(begins)]) == ("read", begins)


@pytest.mark.parametrize("seed", range(8))
def test_without_a_url_no_tool_is_chosen_that_needs_one(seed: int) -> None:
    required = Choice(mode="required")
    assert called(turn("Hello", choice=required, seed=seed, tools=[PAGE, PLAIN])) == ["ping"]
    assert called(turn("Hello", choice=required, seed=seed, tools=[PAGE])) == ["read"]


def test_a_function_without_parameters_gets_an_empty_object() -> None:
    assert calls(deltas(turn("ping", tools=[PLAIN]))) == {0: ("ping", "{}")}


def test_a_call_comes_in_fragments() -> None:
    first, *rest = [
        delta for delta in deltas(turn("get_weather Paris", tools=[WEATHER])) if isinstance(delta, ToolCallDelta)
    ]
    assert first.name == "get_weather"
    assert first.call_id is not None
    assert first.call_id.startswith("call_")
    assert len(first.call_id) == 29
    assert len(rest) > 3
    assert all(delta.name is None and delta.call_id is None and delta.arguments for delta in rest)


def test_call_ids_differ() -> None:
    generated = [
        delta for delta in deltas(turn("clock and ping", tools=[TIME, PLAIN])) if isinstance(delta, ToolCallDelta)
    ]
    ids = [delta.call_id for delta in generated if delta.call_id]
    assert len(ids) == len(set(ids)) == 2


def test_a_custom_tool_gets_its_input() -> None:
    forms = {offer.name: form for offer, form in offered([PATCH])}
    response, _ = transcript(turn("Run apply_patch on parser.py", tools=[PATCH]), forms)
    [item] = response.output
    assert item.type == "custom_tool_call"
    assert item.input == "parser.py"


def test_results_are_answered_in_text() -> None:
    generated = deltas(turn([ASKED, CALL, OUTPUT], tools=[WEATHER]))
    assert not calls(generated)
    assert text(generated).startswith("get_weather says: “18 °C and dry”.")


def test_the_item_of_a_hosted_call_has_its_result() -> None:
    item = {
        "type": "mcp_call",
        "id": "mcp_1",
        "server_label": "lab",
        "name": "roll",
        "arguments": "{}",
        "output": "Six",
    }
    generated = deltas(turn([ASKED, item], tools=[WEATHER]))
    assert text(generated).startswith("lab__roll says: “Six”.")
    assert not calls(deltas(turn([{"role": "user", "content": "Use get_weather"}, item], tools=[WEATHER])))


@pytest.mark.parametrize("name", ["", " ", "\u2003"])
def test_no_token_is_empty_where_a_tool_has_no_name(name: str) -> None:
    asked = turn([ASKED, CALL | {"name": name}, OUTPUT])
    generated = deltas(asked)
    assert text(generated).startswith("says: “18 °C and dry”.")
    assert all(delta.text for delta in generated if isinstance(delta, TextDelta))
    assert usage(generated).output_tokens == len(generated) - 2


def test_a_new_question_is_a_new_turn() -> None:
    history = [
        ASKED,
        CALL,
        OUTPUT,
        {"role": "assistant", "content": "18 °C."},
        {"role": "user", "content": "Again: get weather."},
    ]
    assert called(turn(history, tools=[WEATHER])) == ["get_weather"]


def test_who_must_call_does_so_after_results_too() -> None:
    assert called(turn([ASKED, CALL, OUTPUT], tools=[WEATHER], choice=Choice(mode="required"))) == ["get_weather"]


def test_a_call_may_be_cut() -> None:
    asked = turn("get_weather and clock", tools=[WEATHER, TIME], max_output_tokens=3)
    [(name, arguments)] = calls(deltas(asked)).values()
    assert name == "get_weather"
    assert arguments.startswith("{")
    forms = {offer.name: form for offer, form in offered([WEATHER, TIME])}
    response, _ = transcript(asked, forms)
    assert [(item.type, item.status) for item in response.output] == [("function_call", "incomplete")]


# --- JSON ---


def test_any_object_is_an_object() -> None:
    assert isinstance(json.loads(text(deltas(turn(text={"format": {"type": "json_object"}})))), dict)


def test_a_schema_is_followed() -> None:
    answer = json.loads(
        text(deltas(turn(text={"format": {"type": "json_schema", "name": "weather", "schema": SCHEMA}})))
    )
    assert set(answer) == {"city", "days"}
    assert isinstance(answer["days"], int)


UNUSABLE = [
    [],
    "object",
    False,
    {"type": "thing"},
    {"type": 3},
    {"$ref": "#/$defs/Nowhere"},
    {"type": "object", "properties": {"n": {"minimum": 2, "maximum": 1}}, "required": ["n"]},
]


@pytest.mark.parametrize("schema", UNUSABLE)
def test_an_unusable_format_is_the_clients_error(schema: Any) -> None:
    form = {"type": "json_schema", "name": "x", "schema": schema}
    with pytest.raises(ApiError) as raised:
        generate(turn(text={"format": form}))
    assert (raised.value.status, raised.value.param) == (400, "text.format.schema")


@pytest.mark.parametrize("schema", [*UNUSABLE, {"type": "string"}])
def test_an_unusable_function_is_the_clients_error(schema: Any) -> None:
    broken = {"type": "function", "name": "broken", "parameters": schema}
    with pytest.raises(ApiError) as raised:
        generate(turn("broken", tools=[TIME, broken]))
    assert (raised.value.status, raised.value.param) == (400, "tools[1].parameters")


# --- counting ---


def test_a_token_is_four_bytes() -> None:
    assert [count_tokens(text) for text in ("", "a", "four", "fives", "日本", "a" * 4000)] == [0, 1, 1, 2, 2, 1000]


def test_the_estimate_is_near_what_is_generated() -> None:
    generated = [deltas(turn(seed=seed)) for seed in range(50)]
    counted = sum(usage(each).output_tokens for each in generated)
    estimated = sum(count_tokens(text(each)) for each in generated)
    assert 0.85 < estimated / counted < 1.15


@pytest.mark.parametrize(
    ("less", "more"),
    [
        (turn("hi"), turn("hi there, how do you do?")),
        (turn("hi"), turn("hi", instructions="Be brief.")),
        (turn("hi"), turn("hi", tools=[WEATHER])),
        (turn("hi"), turn("hi", text={"format": {"type": "json_schema", "name": "x", "schema": SCHEMA}})),
        (turn([ASKED]), turn([ASKED, CALL, OUTPUT])),
        (turn([ASKED]), turn([ASKED, {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]}])),
        (
            turn("hi"),
            turn(
                [
                    {
                        "role": "user",
                        "content": [
                            {"type": "input_text", "text": "hi"},
                            {"type": "input_image", "image_url": "data:,"},
                        ],
                    }
                ]
            ),
        ),
    ],
    ids=["text", "instructions", "tools", "schema", "calls", "thoughts", "image"],
)
def test_everything_sent_is_counted(less: Turn, more: Turn) -> None:
    assert usage(deltas(less)).input_tokens < usage(deltas(more)).input_tokens


def test_an_item_that_no_chat_model_knows_is_refused() -> None:
    with pytest.raises(ApiError, match="item_reference") as raised:
        generate(turn([{"type": "item_reference", "id": "msg_1"}]))
    assert raised.value.param == "input[0].type"


def test_it_has_a_name() -> None:
    assert "synthetic" in MODELS
