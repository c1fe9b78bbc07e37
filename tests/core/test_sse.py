"""Server-sent events: what is written is framed as promised, and what is read does not depend on how it came."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.kit import CUTS, from_json, skeleton, split
from penstock.errors import ApiError
from penstock.sse import DONE, HEARTBEAT, SseReader, encode_event, encode_events
from penstock.wire import FunctionTool, InProgress, OutputTextDelta
from requirements import shows
from support import sse

ROOMY = 10_000

READ: dict[str, tuple[bytes, list[bytes]]] = {
    "nothing": (b"", []),
    "one": (b"data: a\n\n", [b"a"]),
    "two": (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
    "no space": (b"data:a\n\n", [b"a"]),
    "one space of two": (b"data:  a\n\n", [b" a"]),
    "empty data": (b"data:\n\ndata\n\n", [b""]),
    "CRLF": (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
    "CR": (b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
    "every ending": (b"data: a\r\n\ndata: b\n\r\ndata: c\r\r\n", [b"a", b"b", b"c"]),
    "several lines": (b"data: a\ndata: b\n\n", [b"a\nb"]),
    "other fields": (b"event: x\nid: 1\nretry: 5\ndata: a\nwhatever\n\n", [b"a"]),
    "fields without data": (b"event: x\n\ndata: a\n\n", [b"a"]),
    "comments": (b": hi\n\n:\n\ndata: a\n: between\ndata: b\n\n", [b"a\nb"]),
    "a field that begins alike": (b"database: x\ndata: a\n\n", [b"a"]),
    "blank lines before": (b"\n\n\ndata: a\n\n\n\n", [b"a"]),
    "BOM": (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
    "BOM in the middle": (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [b"a"]),
    "UTF-8": ("data: Grüße 你好 😀\n\n".encode(), ["Grüße 你好 😀".encode()]),
    "cut before the blank line": (b"data: a\n\ndata: b", [b"a", b"b"]),
    "cut behind CR": (b"data: a\r", [b"a"]),
    "spaces and controls within": (b"data: \t a \x0b\x0c\x85 \n\n", [b"\t a \x0b\x0c\x85 "]),
}


def read(pieces: list[bytes]) -> list[bytes]:
    reader = SseReader(event_bytes_max=ROOMY)
    return [event for piece in pieces for event in reader.feed(piece)] + reader.close()


@pytest.mark.parametrize(("sent", "events"), READ.values(), ids=READ)
def test_it_reads(sent: bytes, events: list[bytes]) -> None:
    assert read([sent]) == events
    assert read([sent[at : at + 1] for at in range(len(sent))]) == events


@given(st.lists(st.sampled_from([sent for sent, _ in READ.values()]), max_size=4).map(b"".join), CUTS)
def test_any_split_gives_the_same_events(sent: bytes, cuts: list[int]) -> None:
    assert read(split(sent, cuts)) == read([sent])


@shows("quirk-framing")
@given(st.lists(st.sampled_from([b"data:", b" ", b"a", b"\r", b"\n", b"\xef\xbb\xbf", b":"])).map(b"".join), CUTS)
def test_any_split_of_any_bytes_gives_the_same_events(sent: bytes, cuts: list[int]) -> None:
    assert read(split(sent, cuts)) == read([sent])


@pytest.mark.parametrize("piece", [b"data: " + b"x" * 60, b"data: x\n" * 20, b"x" * 200, b"x" * 200 + b"\r"])
def test_an_event_that_never_ends_is_the_upstreams_fault(piece: bytes) -> None:
    reader = SseReader(event_bytes_max=100)
    with pytest.raises(ApiError, match="over 100 bytes") as caught:
        for _ in range(3):
            reader.feed(piece)
    assert caught.value.status == 502


def test_events_that_end_may_be_as_many_as_they_like() -> None:
    reader = SseReader(event_bytes_max=10)
    assert [len(reader.feed(b"data: x\n\n" * 100)) for _ in range(10)] == [100] * 10


def delta(text: str) -> OutputTextDelta:
    return OutputTextDelta(item_id="msg_1", output_index=0, content_index=0, delta=text)


def test_a_batch_is_one_buffer_of_framed_events() -> None:
    written = encode_events([delta("a"), delta("b")])
    assert written == encode_event(delta("a")) + encode_event(delta("b"))
    assert [event["delta"] for event in sse.events(bytes(written), done=False)] == ["a", "b"]
    assert encode_events([]) == b""


@given(st.text())
def test_data_is_one_line_whatever_it_contains(text: str) -> None:
    written = encode_event(delta(text))
    assert written.count(b"\n") == 3
    assert b"\r" not in written
    assert [event["delta"] for event in sse.events(written, done=False)] == [text]
    assert len(read([written])) == 1


def test_what_stands_between_and_behind_events_is_no_event() -> None:
    assert [frame.data for frame in sse.parse(HEARTBEAT + DONE)] == [None, "[DONE]"]
    assert read([HEARTBEAT, DONE]) == [b"[DONE]"]


def test_a_schema_of_the_client_is_one_line_too() -> None:
    tool = from_json({"type": "function", "name": "f", "parameters": {"a": "\n"}}, FunctionTool)
    assert encode_event(InProgress(response=skeleton(tools=[tool]))).count(b"\n") == 3


def test_whole_events_with_names_are_read_as_in_any_split() -> None:
    """The head of the event before is expected, and another one, or an error by its name, is seen all the same."""
    named = b"event: a\ndata: 1\n\n"
    chunks = [
        named,
        named * 3,
        b"event: a\ndata: 2\ndata: 3\n\n",
        b"event:  error\ndata: {}\n\n",
        named,
        b"data: 4\n\n",
    ]
    whole, split = (SseReader(event_bytes_max=1_000, is_lenient=True) for _ in range(2))
    read = [event for chunk in [b"data: 0\n\n", *chunks] for event in whole.feed(chunk)]
    assert read == [b"0", b"1", b"1", b"1", b"1", b"2\n3", b'{"error":{}}', b"1", b"4"]
    assert read == [event for at in b"data: 0\n\n" + b"".join(chunks) for event in split.feed(bytes([at]))]
