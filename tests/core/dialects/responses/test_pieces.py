"""Plain pieces of a relayed stream: they are read in a shorter way, with the same result."""

import json
from functools import partial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.dialects.responses.test_whole import ITEMS, placed
from core.kit import CUTS, LIMITS, Json, Recording, plan, split
from penstock.dialects.responses import ResponsesDialect
from penstock.dialects.responses.decode import ResponsesDecoder
from penstock.dialects.responses.pieces import PieceReader
from penstock.transcript.deltas import RelayedRun
from penstock.wire import OutputTextDelta
from requirements import shows
from support import samples

TURN = plan(stream=True).turn
PART: Json = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
PIECE: Json = {"type": "response.output_text.delta", **PART, "logprobs": [], "sequence_number": 7}
CHANGES: list[Json] = [
    {},
    {"delta": ""},
    {"delta": "a % and a \u2028 and a \n"},
    {"obfuscation": "xyz"},
    {"of_tomorrow": {"a": 1.50}},
    {"logprobs": [samples.LOGPROB]},
    {"logprobs": None},
    {"output_index": 7},
    {"content_index": None},
    {"content_index": -1},
    {"summary_index": 0},
    {"item_id": "nobody's"},
    {"delta": 5},
    {"sequence_number": "seven"},
]
"""What may be otherwise in an event by which a text grows."""


class Slow(PieceReader):
    """Takes nothing for a plain piece."""

    def run(self, events: list[bytes], start: int) -> RelayedRun | None:
        return None


def decoder(*, is_slow: bool = False) -> ResponsesDecoder:
    made = ResponsesDialect(None, LIMITS).decoder(TURN)
    if is_slow:
        made._pieces = Slow()
    return made


def result(decoder: ResponsesDecoder, chunks: list[bytes]) -> list[Any]:
    """The events, one by one; of a failure only that it is one, since it may be found at another step."""
    recording = Recording()
    recording.record(
        delta for read in [*(partial(decoder.feed, chunk) for chunk in chunks), decoder.close] for delta in read()
    )
    *events, last = recording.events
    return [*events, last["type"]] if last["type"] == "response.failed" else recording.events


def changed(events: list[Json], changes: list[Json]) -> list[Json]:
    """The events, the pieces among them otherwise."""
    following = iter(changes)
    return [event | next(following, {}) if event["type"].endswith(".delta") else event for event in events]


@given(
    st.lists(st.sampled_from(ITEMS), min_size=1, max_size=3, unique_by=lambda events: events[0]["item"]["id"]),
    st.lists(st.sampled_from(CHANGES), max_size=6),
    st.booleans(),
    CUTS,
)
@shows("relayed-runs")
def test_plain_pieces_are_what_they_would_be_otherwise(
    items: list[list[Json]], changes: list[Json], is_named: bool, cuts: list[int]
) -> None:
    events = changed(samples.stream(placed(items)), changes)
    names = [f"event: {event['type']}\n" * is_named for event in events]
    stream = "".join(f"{name}data: {json.dumps(event)}\n\n" for name, event in zip(names, events, strict=True)).encode()
    chunks = split(stream, cuts)
    assert result(decoder(), chunks) == result(decoder(is_slow=True), chunks)


@shows("relayed-runs")
def test_the_pieces_of_one_read_are_one_run() -> None:
    other = PIECE | {"content_index": 1}
    pieces = [PIECE | {"delta": "a"}, PIECE | {"delta": "b"}, other | {"delta": "c"}, PIECE | {"delta": "d"}]
    read = decoder().feed(b"".join(b"data: %b\n\n" % json.dumps(piece).encode() for piece in pieces))
    event = OutputTextDelta(**PART, delta="")
    assert read == [
        RelayedRun(event, ["a", "b"]),
        RelayedRun(replace(event, content_index=1), ["c"]),
        RelayedRun(event, ["d"]),
    ]
