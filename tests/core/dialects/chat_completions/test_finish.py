"""How an answer ended, by any name for it."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from core.dialects.chat_completions.decoded import STOP, bytewise, choice, decode, stream, whole
from core.kit import LIMITS, singly
from penstock.dialects.chat_completions import PRESETS, ChatCompletions, Options
from penstock.errors import ApiError
from penstock.transcript.deltas import Delta, Finish, TextDelta
from requirements import shows

LENGTH, FILTER = Finish("max_output_tokens"), Finish("content_filter")

COMPLETED = """stop STOP tool_calls tool_use TOOL_CALL function_call eos eos_token end_turn stop_sequence COMPLETE
    pause_turn FINISH_REASON_STOP normal toolCalls endTurn eosFound stopStringFound stop_str"""
CUT = """length max_tokens MAX_TOKENS model_length ERROR_LIMIT model_context_window_exceeded token_limit Max-Tokens
    FINISH_REASON_MAX_TOKENS maxTokens MaxTokens max_completion_tokens stop_length
    maxPredictedTokensReached contextLengthReached context_limit repetition"""
FILTERED = """content_filter SAFETY RECITATION refusal ERROR_TOXIC PROHIBITED_CONTENT BLOCKLIST SPII sensitive
    content_filtered guardrail_intervened IMAGE_SAFETY content_filter:RECITATION contentFilter content-filter
    guardrail_intervention content_blocked blocked"""
FAILED = """error abort ABORT network_error insufficient_system_resource engine_overloaded timeout user_cancel
    MALFORMED_FUNCTION_CALL error_finish userStopped modelUnloaded model_error interrupted"""
ENDS = [(name, end) for names, end in ((COMPLETED, STOP), (CUT, LENGTH), (FILTERED, FILTER)) for name in names.split()]


def ways(reason: Any, **beside: Any) -> list[bytes]:
    """An answer with this end as a stream, and whole."""
    body = json.loads(whole({"content": "a"}, reason))
    body["choices"][0] |= beside
    return [stream(choice({"content": "a"}), choice({}, reason, **beside)), json.dumps(body).encode()]


@shows("odd-finishes", "finish-reasons")
@pytest.mark.parametrize(("reason", "end"), ENDS)
def test_a_reason_has_one_meaning_by_any_name(reason: str, end: Finish) -> None:
    for data in ways(reason):
        assert decode(data) == [TextDelta("a"), end]
        assert decode(*bytewise(data)) == [TextDelta("a"), end]


@shows("odd-finishes", "finish-reasons")
@pytest.mark.parametrize("reason", FAILED.split())
def test_an_answer_that_failed_is_no_answer(reason: str) -> None:
    for data in ways(reason):
        with pytest.raises(ApiError, match=f"while it was answering: {reason}") as caught:
            decode(data)
        assert caught.value.status == 502


HIDDEN: dict[str, tuple[Any, Any, Finish]] = {
    "a cut": ("stop", "MAX_TOKENS", LENGTH),
    "a filter": ("stop", "SAFETY", FILTER),
    "a refusal": ("stop", "refusal", FILTER),
    "nothing": ("stop", "end_turn", STOP),
    "an unknown end": ("length", "unheard_of", LENGTH),
    "an end that stands alone": (None, "MAX_TOKENS", LENGTH),
    "nulls": ("stop", None, STOP),
}


@shows("odd-finishes", "finish-reasons")
@pytest.mark.parametrize(("reason", "native", "end"), HIDDEN.values(), ids=HIDDEN)
def test_a_gateway_hides_no_reason(reason: Any, native: Any, end: Finish) -> None:
    for data in ways(reason, native_finish_reason=native):
        assert decode(data) == [TextDelta("a"), end]


def test_a_gateway_hides_no_error() -> None:
    for data in ways("stop", native_finish_reason="network_error"):
        with pytest.raises(ApiError, match="network_error"):
            decode(data)


@pytest.mark.parametrize("word", ["null", "None", "", "not_finished"])
def test_a_word_for_nothing_is_no_end(word: str) -> None:
    data = stream(choice({"content": "a"}, word), done=False)
    with pytest.raises(ApiError, match="before it was finished"):
        decode(data)


def test_an_answer_that_was_cut_stays_so() -> None:
    data = stream(choice({"content": "a"}, "length"), choice({}, "stop"))
    assert decode(data) == [TextDelta("a"), LENGTH]


def through(dialect: ChatCompletions, data: bytes) -> list[Delta]:
    decoder = dialect.decoder(None)  # type: ignore[arg-type]
    return singly(decoder.feed(data) + decoder.close())


@shows("odd-finishes", "finish-reasons")
def test_an_unknown_reason_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    dialect = ChatCompletions(Options(), LIMITS)
    with caplog.at_level(logging.WARNING):
        for reason in ("unheard_of", "unheard_of", "x" * 10_000):
            assert through(dialect, stream(choice({"content": "a"}, reason))) == [TextDelta("a"), STOP]
    first, second = (record.getMessage() for record in caplog.records)
    assert first == "the upstream's finish reason 'unheard_of' is not known: the answer counts as whole"
    assert "xxx" in second
    assert len(second) < 200


def test_unknown_reasons_are_remembered_within_bounds(caplog: pytest.LogCaptureFixture) -> None:
    dialect = ChatCompletions(Options(), LIMITS)
    with caplog.at_level(logging.WARNING):
        for number in range(300):
            through(dialect, stream(choice({"content": "a"}, f"reason {number}")))
    assert len(caplog.records) == 100


@shows("odd-finishes", "finish-reasons")
def test_an_upstream_has_words_of_its_own() -> None:
    dialect = ChatCompletions(
        Options(finish_reasons={"stop": "content_filter", "Out-Of-Room": "max_output_tokens"}), LIMITS
    )
    assert through(dialect, ways("stop")[0]) == [TextDelta("a"), FILTER]
    assert through(dialect, ways("out_of_room")[0]) == [TextDelta("a"), LENGTH]


@pytest.mark.parametrize(("preset", "reason"), [("deepseek", "insufficient_system_resource"), ("openrouter", "error")])
def test_a_preset_has_the_words_of_its_server(preset: Any, reason: str) -> None:
    assert PRESETS[preset].finish_reasons[reason] == "failed"
