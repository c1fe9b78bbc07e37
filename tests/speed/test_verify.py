"""The check of replies under load: a good one scores, whichever server has sent it, and no other."""

from __future__ import annotations

import pytest
from bench.bodies import SSE_END, WORD_CHARS, response_events, response_json
from bench.verify import fault_of

from requirements import shows

WORDS = 5
EVENTS = response_events(WORDS)


def fault(body: bytes, *, stream: bool = True) -> str | None:
    return fault_of(200, body, stream, WORDS * WORD_CHARS)


@shows("bench-compare")
@pytest.mark.parametrize("events", [EVENTS, EVENTS[:-1]], ids=["with [DONE]", "without"])
def test_a_stream_may_end_without_done(events: list[bytes]) -> None:
    """As OpenAI's streams do."""
    assert events[-1] == SSE_END or SSE_END not in events
    assert fault(b"".join(events)) is None


@pytest.mark.parametrize(
    ("body", "about"),
    [
        (b"".join(EVENTS[:-2]), "not exactly one response.completed"),
        (b"".join([*EVENTS, EVENTS[-2]]), "not exactly one response.completed"),
        (b"".join(EVENTS)[:-40], "unreadable"),
        (b"".join([*EVENTS[:-1], EVENTS[0]]), "the Response is not completed"),
        (b"", "not exactly one response.completed"),
        (b"".join(response_events(WORDS - 1)), "the text has 20 characters, expected 25"),
    ],
)
def test_a_stream_that_is_not_good_does_not_score(body: bytes, about: str) -> None:
    assert about in (fault(body) or "")


def test_a_whole_reply() -> None:
    assert fault(response_json(WORDS), stream=False) is None
    assert "unreadable" in (fault(response_json(WORDS)[:-1], stream=False) or "")
