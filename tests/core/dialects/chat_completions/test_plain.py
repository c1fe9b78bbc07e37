"""Plain chunks: read one by one they have the same content, however many one read returns."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.dialects.chat_completions.decoded import EVENT_BYTES_MAX, choice, decode, likely, stream
from core.kit import CUTS, Json, split
from penstock.dialects.chat_completions import plain
from penstock.dialects.chat_completions.decode import ChatDecoder
from penstock.errors import ApiError
from penstock.transcript.deltas import ReasoningRun, RefusalDelta, TextRun
from requirements import shows

PLAIN = [{"content": "a"}, {"content": "ü\u2028"}, {"content": ""}, {"role": "assistant", "content": "b"}, {}]
PLAIN += [{"reasoning_content": "c"}, {"reasoning": "d", "content": None}, {"content": "e", "reasoning_content": "f"}]
OTHERS = [{"content": "g", "tool_calls": []}, {"content": "h", "glow": 1}, {"content": ["i"]}, {"refusal": "j"}]
MIXED = st.lists(
    st.builds(choice, st.sampled_from(PLAIN * 3 + OTHERS), st.none(), logprobs=st.sampled_from([None, likely("t")])),
    max_size=20,
)


@shows("text-runs")
@given(MIXED, CUTS, st.booleans())
def test_how_a_stream_is_cut_changes_nothing_of_what_it_contains(
    chunks: list[Json], cuts: list[int], think: bool
) -> None:
    """Nor does it matter whether a chunk is read as a plain one."""
    data = stream(*chunks, choice({"content": "."}, "stop"))
    single = decode(
        *[stream(chunk, done=False) for chunk in chunks], stream(choice({"content": "."}, "stop")), inline_think=think
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(plain.PlainReader, "run", lambda *_: None)
        without = decode(data, inline_think=think)
    assert decode(*split(data, cuts), inline_think=think) == decode(data, inline_think=think) == single == without


def test_what_one_read_brings_of_a_text_is_one_run() -> None:
    decoder = ChatDecoder(inline_think=False, event_bytes_max=EVENT_BYTES_MAX)
    thoughts = [choice({"reasoning_content": piece}) for piece in "ab"]
    texts = [choice({"content": piece}) for piece in "cde"]
    assert decoder.feed(stream(*thoughts, done=False)) == [ReasoningRun(["a", "b"])]
    assert decoder.feed(stream(*texts, choice({"refusal": "f"}), *texts, done=False)) == [
        TextRun(["c", "d", "e"]),
        RefusalDelta("f"),
        TextRun(["c", "d", "e"]),
    ]


def test_chunks_that_are_never_plain_are_soon_read_in_one_way(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(plain, "_decode", lambda data: asked.append(data) or _missed())
    assert len(decode(stream(*[choice({"content": "a"})] * 50, choice({}, "stop")))) == 51
    assert len(asked) == 8


def _missed() -> Any:
    raise msgspec.DecodeError


MESSAGES = [{"content": "a"}, {"content": "ü", "role": "assistant", "tool_calls": [], "refusal": None}]
OTHER_MESSAGES = [{"content": ""}, {"content": "b", "reasoning": "c"}, {"content": "d", "glow": 1}, {"refusal": "e"}]
OTHER_MESSAGES += [{"content": ["f"]}, {"content": "g", "annotations": [{"url": "https://h"}]}, None]
USAGES = [None, {"prompt_tokens": 3, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 2}}, {}]
WHOLE = st.fixed_dictionaries(
    {
        "choices": st.lists(
            st.fixed_dictionaries(
                {"message": st.sampled_from(MESSAGES * 2 + OTHER_MESSAGES)},
                optional={
                    "finish_reason": st.sampled_from(["stop", "length", None, "error", "odd"]),
                    "index": st.sampled_from([0, 1]),
                    "delta": st.just({"content": "i"}),
                    "logprobs": st.sampled_from([None, likely("t")]),
                    "usage": st.sampled_from(USAGES),
                    "error": st.just("j"),
                },
            ),
            max_size=2,
        )
    },
    optional={"usage": st.sampled_from(USAGES), "error": st.just({"message": "k"}), "id": st.just("l")},
)


@given(WHOLE, st.booleans())
def test_a_plain_reply_means_the_same_as_any_other(reply: Json, think: bool) -> None:
    body = msgspec.json.encode(reply)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("penstock.dialects.chat_completions.decode.read_plain_reply", lambda _: None)
        without = _decoded_or_refused(body, think)
    assert _decoded_or_refused(body, think) == without


def _decoded_or_refused(body: bytes, think: bool) -> object:
    try:
        return decode(body, inline_think=think)
    except ApiError as error:
        return error.status, error.message
