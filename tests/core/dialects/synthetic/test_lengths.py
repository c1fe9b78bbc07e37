"""Exact lengths: the tokens of an answer are those that were asked for, and no text costs more than its batches."""

from __future__ import annotations

import tracemalloc
from typing import Any

import msgspec
import pytest

from core.dialects.test_synthetic import LOGPROBS, PLAIN, SCHEMA, WEATHER, calls, deltas, text, thought, turn, usage
from penstock.dialects.synthetic import generate
from penstock.dialects.synthetic.draws import Draws
from penstock.dialects.synthetic.options import DEFAULTS, SyntheticOptions
from penstock.dialects.synthetic.options.grammar import read_options
from penstock.errors import ApiError
from penstock.limits import Limits
from penstock.ports import Choice, Turn
from penstock.transcript.deltas import Delta, Finish, TextDelta
from requirements import shows

JSON = {"text": {"format": {"type": "json_schema", "name": "weather", "schema": SCHEMA}}}
FORMS: dict[str, dict[str, Any]] = {
    "text": {},
    "reasoning": {"reasoning": {"effort": "high"}},
    "call": {"said": "Use get_weather for Paris.", "tools": [WEATHER]},
    "required": {"tools": [WEATHER, PLAIN], "choice": Choice(mode="required")},
    "json": JSON,
    "logprobs": LOGPROBS,
}


def extended(extras: dict[str, Any], **asked: Any) -> Turn:
    """A turn with parameters that OpenAI's API does not have."""
    made = turn(**asked)
    made.extras = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in extras.items()}
    return made


def answer(options: str, made: Turn, number: int = 0) -> list[Delta]:
    read = read_options(options) if options else DEFAULTS
    batches = generate(made, read, Draws(read.seed or 0, number))
    return [each for batch in batches for each in deltas_of(batch)]


def deltas_of(batch: list[Delta]) -> list[Delta]:
    from core.dialects.test_synthetic import unfolded

    return list(unfolded(batch))


def finish(made: list[Delta]) -> str | None:
    [found] = [delta.incomplete for delta in made if isinstance(delta, Finish)]
    return found


@shows("synthetic-lengths")
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("limit", [1, 2, 17, 1_000])
@pytest.mark.parametrize("form", FORMS)
def test_with_ignore_eos_the_limit_decides(form: str, limit: int, stream: bool) -> None:
    made = answer("", extended({"ignore_eos": True}, max_output_tokens=limit, stream=stream, **FORMS[form]))
    assert usage(made).output_tokens == limit
    assert usage(made).total_tokens == usage(made).input_tokens + limit
    assert finish(made) == "max_output_tokens"


@shows("synthetic-lengths")
@pytest.mark.parametrize("options", ["", "tokens=5", "reasoning_tokens=30", "tokens=300"])
@pytest.mark.parametrize("at_least", [0, 1, 20, 200])
def test_a_stop_sequence_ends_the_text_after_min_tokens_alone(options: str, at_least: int) -> None:
    """As in vLLM: before them, nothing ends the output."""
    stop = " "
    made = answer(options, extended({"min_tokens": at_least}, stop=[stop]))
    free = answer(options, extended({"min_tokens": at_least}))
    thoughts = usage(made).output_tokens_details.reasoning_tokens
    begin = max(0, at_least - thoughts)
    assert usage(made).output_tokens >= at_least
    assert text(free).startswith(text(made))
    assert made[-1] == Finish()
    assert len(text(made)) == len(text(free)) or text(free)[len(text(made))] == stop
    assert stop not in "".join([each.text for each in made if isinstance(each, TextDelta)][begin:])


@pytest.mark.parametrize("at_least", [6, 1_000_000_000])
def test_min_tokens_above_the_limit_is_a_mistake(at_least: int) -> None:
    with pytest.raises(ApiError) as raised:
        answer("", extended({"min_tokens": at_least}, max_output_tokens=5))
    assert (raised.value.param, raised.value.code) == ("min_tokens", "invalid_value")
    assert f"{at_least:,} is more than the limit of 5 tokens" in raised.value.message


def test_the_limit_decides_against_the_option_too() -> None:
    for options in ("tokens=5", "tokens=5000", "reasoning_tokens=700", "reasoning_tokens=2000&tokens=1"):
        made = answer(options, extended({"ignore_eos": True}, max_output_tokens=1_000))
        assert (usage(made).output_tokens, finish(made)) == (1_000, "max_output_tokens")


def test_ignore_eos_without_a_limit_changes_nothing() -> None:
    assert answer("", extended({"ignore_eos": True})) == deltas(turn())
    assert answer("", extended({"ignore_eos": None, "min_tokens": None})) == deltas(turn())
    assert answer("", extended({"ignore_eos": False}, max_output_tokens=9)) == deltas(turn(max_output_tokens=9))


@pytest.mark.parametrize("form", FORMS)
def test_min_tokens_is_a_lower_bound(form: str) -> None:
    plain, small, large = (answer("", extended({"min_tokens": least}, **FORMS[form])) for least in (0, 1, 777))
    assert plain == small == deltas(turn(**FORMS[form]))
    assert usage(large).output_tokens == 777
    assert finish(large) is None
    assert text(large).startswith(text(plain).rstrip("."))


def test_json_remains_json() -> None:
    for options in ("tokens=3", "tokens=300"):
        assert set(msgspec.json.decode(text(answer(options, turn(**JSON))))) == {"city", "days"}


@shows("synthetic-lengths")
@pytest.mark.parametrize("tokens", [0, 1, 127, 128, 129, 5_000])
def test_an_option_gives_exactly_so_many_tokens(tokens: int) -> None:
    made = answer(f"tokens={tokens}&reasoning_tokens={tokens // 2}", turn())
    assert usage(made).output_tokens == tokens + tokens // 2
    assert usage(made).output_tokens_details.reasoning_tokens == tokens // 2
    assert sum(isinstance(delta, TextDelta) for delta in made) == tokens
    assert bool(thought(made)) == (tokens > 1)
    assert finish(made) is None


def test_a_length_may_vary_from_request_to_request() -> None:
    lengths = [usage(answer("seed=7&tokens=uniform(10,20)", turn(), number)).output_tokens for number in range(50)]
    assert set(lengths) == set(range(10, 21))
    again = [usage(answer("seed=7&tokens=uniform(10,20)", turn(), number)).output_tokens for number in range(50)]
    assert lengths == again


@shows("synthetic-lengths")
def test_a_context_bounds_the_input_and_the_output() -> None:
    tokens = usage(deltas(turn())).input_tokens
    with pytest.raises(ApiError, match="exceeds the context window") as raised:
        answer(f"context={tokens}", turn())
    assert (raised.value.status, raised.value.code) == (400, "context_length_exceeded")
    made = answer(f"context={tokens + 5}&tokens=9", turn())
    assert (usage(made).output_tokens, finish(made)) == (5, "max_output_tokens")


def test_a_rate_decides_whether_tools_are_called() -> None:
    def called(rate: float, number: int, choice: str = "auto") -> bool:
        asked = turn("Hello", tools=[WEATHER, PLAIN], choice=Choice(mode=choice))  # type: ignore[arg-type]
        return bool(calls(answer(f"tool_call_rate={rate}", asked, number)))

    assert sum(called(0.3, number) for number in range(200)) == 64
    assert all(called(1, number) for number in range(5))
    assert not any(called(0, number) for number in range(5))
    assert called(0, 0, "required")
    assert not called(1, 0, "none")


@pytest.mark.parametrize(
    ("options", "extras", "asked", "param"),
    [
        ("tokens=1000001", {}, {}, "model"),
        ("reasoning_tokens=1000001", {}, {}, "model"),
        ("", {"min_tokens": 1_000_001}, {}, "min_tokens"),
        ("", {"min_tokens": 10}, {"max_output_tokens": 9}, "min_tokens"),
        ("", {"min_tokens": -1}, {}, "min_tokens"),
        ("", {"min_tokens": 1.5}, {}, "min_tokens"),
        ("", {"ignore_eos": 1}, {}, "ignore_eos"),
        ("", {"ignore_eos": True}, {"max_output_tokens": 1_000_001}, "max_output_tokens"),
        ("tokens=10001", {}, LOGPROBS, "top_logprobs"),
    ],
)
def test_what_is_too_much_is_named(options: str, extras: Any, asked: Any, param: str) -> None:
    with pytest.raises(ApiError) as raised:
        answer(options, extended(extras, **asked))
    assert (raised.value.status, raised.value.param) == (400, param)


def test_a_long_text_costs_no_memory_before_it_is_read() -> None:
    batches = generate(turn("Hi"), SyntheticOptions(), Draws(), 1)  # what is loaded only once
    next(batches)
    tracemalloc.start()
    batches = generate(turn("Hi"), read_options("tokens=1000000"), tokens_max=Limits().synthetic_tokens_max)
    for _ in range(1_000):
        next(batches)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 400_000
