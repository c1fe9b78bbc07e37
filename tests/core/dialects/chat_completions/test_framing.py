"""How a reply is framed: lines of JSON, events without blank lines, words for an end or for nothing."""

from __future__ import annotations

import json

import pytest

from core.dialects.chat_completions.decoded import EVENT_BYTES_MAX, STOP, bytewise, choice, decode, stream, whole
from penstock.dialects.chat_completions.decode import ChatDecoder
from penstock.dialects.chat_completions.objects import OBJECTS_MAX, objects_in
from penstock.errors import ApiError
from penstock.transcript.deltas import TextDelta
from requirements import shows
from support.growth import check_growth

HELLO = [choice({"content": "Hel"}), choice({"content": "lo"}), choice({}, "stop")]
LINES = [json.dumps(chunk).encode() for chunk in HELLO]
GOOD = stream(*HELLO)
OPEN = stream(*HELLO[:2], done=False)
TOO_LONG = {"error": {"message": "prompt is too long: 9 > 8", "code": 400}}
BOM = b"\xef\xbb\xbf"

READ: dict[str, bytes] = {
    "lines of JSON": b"\n".join(LINES) + b"\n",
    "lines of JSON, and an end": b"\r\n".join(LINES) + b"\r\n[DONE]\r\n",
    "objects without a break": b"".join(LINES),
    "objects with blanks between them": b"  ".join(LINES),
    "objects without a break, and an end": b"".join(LINES) + b"[DONE]",
    "several objects on a line": LINES[0] + b"\n" + LINES[1] + LINES[2] + b"\n",
    "several objects in an event": b"data: " + b"".join(LINES) + b"\n\ndata: [DONE]\n\n",
    "a brace in the text of such": json.dumps(choice({"content": ""}, None, note="}{")).encode() + b"".join(LINES),
    "no blank lines": GOOD.replace(b"\n\n", b"\n"),
    "no blank lines, by CRLF": GOOD.replace(b"\n\n", b"\r\n"),
    "an end right after the last chunk": GOOD.replace(b"\n\ndata: [DONE]", b"\ndata: [DONE]"),
    "an end in quotes": GOOD.replace(b"[DONE]", b'"[DONE]"'),
    "an end in small letters": OPEN + b"data: [done]\n\n",
    "an end without brackets": OPEN + b"data: DONE\n\n",
    "an end that is no data": OPEN + b"[DONE]\n\n",
    "the name of the field twice": GOOD.replace(b"data: ", b"data: data: "),
    "a space before the name of the field": GOOD.replace(b"data: ", b" data: "),
    "the name of the field in capitals": GOOD.replace(b"data: ", b"Data: "),
    "words that keep a connection alive": b"data: ping\n\ndata: keep-alive\n\ndata: : x\n\ndata: null\n\n" + GOOD,
    "a mark before the stream": BOM + GOOD,
}


@shows("odd-framing")
@pytest.mark.parametrize("data", READ.values(), ids=READ)
def test_an_answer_is_read_in_any_frame(data: bytes) -> None:
    for pieces in ([data], bytewise(data)):
        deltas = decode(*pieces)
        assert "".join(delta.text for delta in deltas if isinstance(delta, TextDelta)) == "Hello"
        assert deltas[-1] == STOP


def test_events_without_blank_lines_are_read_as_they_come() -> None:
    decoder = ChatDecoder(inline_think=False, event_bytes_max=EVENT_BYTES_MAX)
    fed = [decoder.feed(b"data: " + line + b"\n") for line in LINES]
    assert [bool(deltas) for deltas in fed] == [False, True, True]


@shows("odd-framing")
def test_a_mark_before_a_body_is_skipped() -> None:
    body = json.dumps(json.loads(whole({"content": "Hello"})), indent=1).encode()
    for data in (BOM + body, BOM + body + b"\n\n", body + b"\n"):
        for pieces in ([data], bytewise(data)):
            assert decode(*pieces) == [TextDelta("Hello"), STOP]


@shows("error-shapes", "too-long-amid")
@pytest.mark.parametrize(
    "data",
    [
        json.dumps(TOO_LONG).encode() + b"\n\ndata: [DONE]\n\n",
        OPEN + json.dumps(TOO_LONG, indent=2).encode() + b"\n",
        OPEN + b"data: " + json.dumps(TOO_LONG, indent=2).encode() + b"\n\n",
    ],
    ids=["before the end", "over several lines", "over several lines, as data"],
)
def test_an_error_in_lines_of_its_own_is_one(data: bytes) -> None:
    for pieces in ([data], bytewise(data)):
        with pytest.raises(ApiError, match="too long") as caught:
            decode(*pieces)
        assert caught.value.code == "context_length_exceeded"


def test_a_comment_that_reports_an_error_is_quoted() -> None:
    with pytest.raises(ApiError, match="before it was finished: error: engine died"):
        decode(OPEN + b": keep-alive\n\n: error: engine died\n\n")


def test_lines_that_are_no_fields_are_quoted_within_bounds() -> None:
    with pytest.raises(ApiError, match="before it was finished: x") as caught:
        decode(OPEN + b"x\n" * 100_000)
    assert len(caught.value.message) < 300


@shows("objects-without-breaks")
def test_an_error_behind_a_chunk_without_a_break_is_one() -> None:
    body = LINES[0] + json.dumps(TOO_LONG).encode()
    for data in (body, b"data: " + body + b"\n\n"):
        with pytest.raises(ApiError, match="too long"):
            decode(data)


@shows("objects-without-breaks")
@pytest.mark.parametrize("rest", [b"{", b"oh", b"{'a': 1}", b"{" * 100_000])
def test_what_follows_an_object_and_is_none_is_an_error(rest: bytes) -> None:
    with pytest.raises(ApiError, match="not a chat completion"):
        decode(LINES[0] + LINES[1] + rest, event_bytes_max=10**6)


def test_one_object_is_not_several() -> None:
    assert objects_in(b'{"a": "}{"}') == objects_in(b"{}") == objects_in(b"} {") == []
    assert objects_in(b'{"a": "}{"} {} x') == [b'{"a": "}{"}', b"{}", b"x"]


@shows("objects-without-breaks")
def test_objects_are_read_up_to_a_number() -> None:
    assert objects_in(b"{} \n" * OBJECTS_MAX) == [b"{}"] * OBJECTS_MAX
    assert objects_in(b"{}" * (OBJECTS_MAX + 1)) == []
    with pytest.raises(ApiError, match="not a chat completion"):
        decode((LINES[0] + LINES[1]) * OBJECTS_MAX, event_bytes_max=10**8)


@shows("objects-without-breaks")
def test_what_stands_behind_an_object_is_not_copied_for_each() -> None:
    """Else the work would grow with the number of objects times the size of the body."""

    def split(size: int) -> None:
        assert len(objects_in(b"{}" * size + bytes(4_000 * size))) == size + 1

    check_growth(split, 1_000)
