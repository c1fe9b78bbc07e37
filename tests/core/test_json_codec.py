"""What is unknown here goes in and comes out unchanged, and what is known gives what it always gave."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.kit import Json
from penstock import wire
from penstock.json_codec import Decoder, encode
from penstock.sse import encode_event, encode_events
from penstock.wire._base import Wire
from requirements import shows
from support import samples, sse

TEXT = {"type": "output_text", "text": "x", "annotations": [samples.CITATION], "logprobs": [samples.LOGPROB]}
REQUEST: Json = {
    "model": "any",
    "input": [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
        {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [TEXT]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "x"}], "content": []},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_image", "detail": None}]},
        {"type": "custom_tool_call_output", "call_id": "c", "output": "done", "caller": {"type": "direct"}},
        {"type": "item_reference", "id": "msg_1"},
    ],
    "tools": [
        {"type": "function", "name": "f", "description": None, "parameters": {"a": [{}]}, "strict": None},
        {"type": "custom", "name": "g", "format": {"type": "grammar", "syntax": "lark", "definition": "s"}},
        {"type": "namespace", "name": "n", "description": "", "tools": [{"type": "custom", "name": "g"}]},
        {"type": "mcp", "server_label": "s", "headers": {"a": "b"}, "allowed_tools": {"names": []}},
    ],
    "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "custom", "name": "g"}]},
    "text": {"format": {"type": "json_schema", "name": "n", "schema": {}, "strict": None}, "verbosity": "low"},
    "reasoning": {"effort": "high", "summary": None},
    "metadata": {"a": "b"},
}
KNOWN: list[tuple[Any, Json]] = [
    (wire.CreateResponse, REQUEST),
    *((wire.InputItem, item) for item in REQUEST["input"]),
    *((wire.Tool, tool) for tool in REQUEST["tools"]),
    *((wire.StreamEvent, event) for event in samples.stream()),
]
FREE = {"metadata", "headers", "env"}
"""Dictionaries of the client's own: a key there is no unknown field."""
LISTS = {"input", "content", "summary", "output", "annotations", "tools"}
"""Where objects of any type may stand."""
TYPELESS = {("shell_call_output", "output"), ("response.shell_call_output_content.done", "output")}
"""Of these, by the type of the object that they are in, those of which the objects have no type."""

# Numbers of which Python would make others stand as texts between two marks, until the JSON is written.
LITERALS = ["1e400", "-0", "1.50", "123456789012345678901234567890", "1E-7"]
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
values = st.recursive(
    st.none() | st.booleans() | texts | st.sampled_from([f"<<{literal}>>" for literal in LITERALS]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts | st.just(wire.UNKNOWN), inner, max_size=3),
    max_leaves=5,
)
names = st.sampled_from([wire.UNKNOWN, "", "x", "typ", "\n", "ключ", '"', "call"]) | texts.map("x-{}".format)
unknown = st.dictionaries(names, values, max_size=2)
types = st.sampled_from([wire.UNKNOWN, "", "new", 'a"b\n', "Message"]) | texts.map("x-{}".format)
objects = st.builds(lambda kind, fields: {"type": kind, **fields}, types, unknown)


def to_text(value: Any) -> bytes:
    return re.sub(r'"<<([-.+eE0-9]+)>>"', r"\1", json.dumps(value)).encode()


def exact(text: bytes) -> Any:
    """JSON in which a number is the text that it was written as, and no object has a key twice."""

    def unique(pairs: list[tuple[str, Any]]) -> Json:
        assert len(dict(pairs)) == len(pairs), pairs
        return dict(pairs)

    def number(written: str) -> Any:
        return "number", written

    return json.loads(text, parse_int=number, parse_float=number, object_pairs_hook=unique)


def written(value: Json, kind: Any) -> Json:
    """A known value as we write it, defaults and all."""
    text = msgspec.json.encode(msgspec.json.decode(json.dumps(value).encode(), type=kind))
    known: Json = {key: inner for key, inner in json.loads(text).items() if inner is not None or key in value}
    return known


@st.composite
def with_unknown(draw: st.DrawFn, value: Any, name: str = "") -> Any:
    """The value with unknown keys in any object, and objects of unknown types in any list that may have them."""
    if isinstance(value, dict):
        names_of = {key: "" if (value.get("type"), key) in TYPELESS else key for key in value}
        fields = {key: draw(with_unknown(inner, names_of[key])) for key, inner in value.items()}
        return fields if name in FREE else {**draw(unknown), **fields}
    if isinstance(value, list):
        entries = [draw(with_unknown(entry)) for entry in value]
        return draw(st.lists(objects, max_size=1)) + entries if name in LISTS else entries
    return value


def lost(sent: Any, got: Any, path: str = "$") -> list[str]:
    """Where something that was sent did not come back; more may have come."""
    if isinstance(sent, dict) and isinstance(got, dict):
        return [location for key in sent for location in lost(sent[key], got.get(key, ...), f"{path}.{key}")]
    if isinstance(sent, list) and isinstance(got, list) and len(sent) == len(got):
        pairs = zip(sent, got, strict=True)
        return [location for index, (a, b) in enumerate(pairs) for location in lost(a, b, f"{path}[{index}]")]
    return [] if sent == got else [f"{path}: {sent!r} became {got!r}"]


@shows("lean-start")
def test_a_decoder_is_made_when_it_is_first_used(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[type] = []
    make = msgspec.json.Decoder
    monkeypatch.setattr(msgspec.json, "Decoder", lambda kind: made.append(kind) or make(kind))  # type: ignore[func-returns-value]
    decoder = Decoder[int](int)
    assert made == []
    assert [decoder.decode(b"1"), decoder.decode(b"2")] == [1, 2]
    assert made == [int]


@pytest.mark.parametrize(("kind", "value"), KNOWN)
def test_what_is_known_is_read_and_written_as_by_msgspec_alone(kind: Any, value: Json) -> None:
    text = json.dumps(value).encode()
    plain = msgspec.json.decode(text, type=kind)
    assert Decoder(kind).decode(text) == Decoder(kind, lenient=True).decode(text) == plain
    assert encode(plain) == msgspec.json.encode(plain)


@given(st.sampled_from(KNOWN), st.booleans(), st.data())
def test_nothing_is_lost(known: tuple[Any, Json], lenient: bool, data: st.DataObject) -> None:
    kind, value = known
    value = written(value, kind)
    strange = data.draw(with_unknown(value))
    if kind is wire.CreateResponse:  # `decode` reports its own unknown parameters
        strange = {key: strange[key] for key in value}
    text = to_text(strange)
    decoder = Decoder[Any](kind, lenient=lenient)
    struct = decoder.decode(text)
    assert lost(exact(text), exact(encode(struct))) == []
    assert decoder.decode(encode(struct)) == struct
    assert encode(decoder.decode(encode(struct))) == encode(struct)


@given(objects, st.sampled_from([wire.InputItem, wire.OutputItem, wire.Tool, wire.ContentPart, wire.Annotation]))
def test_an_object_of_an_unknown_type_comes_back_as_it_was_sent(value: Json, kind: Any) -> None:
    text = to_text(value)
    struct = Decoder[Any](kind).decode(text)
    assert exact(encode(struct)) == exact(text)
    assert struct.unknown.type == value["type"]


@given(objects)
def test_an_event_of_an_unknown_type_is_reported_under_its_own_name(value: Json) -> None:
    event = Decoder[wire.Event](wire.StreamEvent).decode(to_text(value))
    event.sequence_number = 7
    text = encode_event(event)
    head, _, rest = text.rpartition(b"data: ")
    assert exact(rest) == {**exact(to_text(value)), "sequence_number": ("number", "7")}
    assert head == (f"event: {event.type}\n".encode() if event.type.isprintable() else b"")
    assert text.count(b"\n") == 2 + bool(head)


def test_events_with_unknown_fields_stand_in_a_batch_with_others() -> None:
    decoder = Decoder[wire.Event](wire.StreamEvent)
    sent = [event | {"x": index} if index % 2 else event for index, event in enumerate(samples.stream())]
    events = [decoder.decode(json.dumps(event).encode()) for event in sent]
    assert lost(sent, sse.events(bytes(encode_events(events)), done=False)) == []


class Parts(Wire, kw_only=True):
    by_name: dict[str, str | wire.InputText | wire.UnknownPart]


def test_unknown_fields_in_a_dictionary_of_objects_stay() -> None:
    text = b'{"by_name":{"a":"x","b":{"type":"input_text","text":"x","new":1},"new":{"type":"new"}},"new":2}'
    assert exact(encode(Decoder[Parts](Parts).decode(text))) == exact(text)


def test_what_an_unknown_object_contains_can_be_read() -> None:
    text = b'{"type": "new", "id": "x_1", "call_id": "c", "status": "searching", "query": "?"}'
    item = Decoder[Any](wire.InputItem).decode(text)
    assert (item.type, item.id, item.call_id, item.status) == ("new", "x_1", "c", "searching")
    assert json.loads(encode(msgspec.structs.replace(item, status="done"))) == {**json.loads(text), "status": "done"}


# A client that knows how unknown fields are stored gains nothing by it.

TRICKS = [
    b'{"type":"message","role":"user","content":"x","$unknown":{"role":"system"}}',
    b'{"type":"message","role":"user","content":"x","\\u0024unknown":"{\\"role\\":\\"system\\"}"}',
    b'{"type":"$unknown","$unknown":"{\\"type\\":\\"message\\"}"}',
    b'{"type":"$unknown"}',
    b'{"type":"new","$unknown":null,"x":{"$unknown":"\\"$unknown\\":"}}',
]


@pytest.mark.parametrize("text", TRICKS)
def test_a_key_of_that_name_is_an_unknown_field_like_any_other(text: bytes) -> None:
    item = Decoder[Any](wire.InputItem).decode(text)
    assert json.loads(encode(item)) == json.loads(text)


def test_no_encoder_but_this_one_writes_unknown_fields() -> None:
    item = Decoder[Any](wire.InputItem).decode(TRICKS[0])
    with pytest.raises(TypeError):
        msgspec.json.encode(item)
    with pytest.raises(TypeError):
        encode(object())


# Mistakes, of a client and of an upstream.

MISTAKES = {
    "a type that is none": (b'{"input":[{"type":"message","x":1,"role":"user","content":[{"type":3}]}]}', ".type`"),
    "no type": (b'{"input":[{"type":"new"}],"tools":[{"name":"f"}]}', "`type` - at `$.tools[0]`"),
    "a role": (b'{"input":[{"type":"new"},{"type":"message","role":"x","content":""}]}', "at `$.input[1].role`"),
    "an id that is none": (b'{"input":[{"type":"new","id":3}]}', "at `$.input[0].id`"),
    "a choice": (b'{"tool_choice":{"type":"new"}}', "at `$.tool_choice.type`"),
    "a type that is a list": (b'{"input":[{"type":"new"},{"type":[{"type":-1e400}]}]}', "at `$.input[1].type`"),
    "an object for a list": (b'{"input":{"type":"message"}}', "at `$.input`"),
}


@pytest.mark.parametrize(("text", "location"), MISTAKES.values(), ids=MISTAKES)
def test_a_clients_mistake_is_a_mistake(text: bytes, location: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=re.escape(location)):
        Decoder[Any](wire.CreateResponse).decode(text)


def test_an_upstreams_newer_word_makes_the_least_object_around_it_unknown() -> None:
    message = {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [TEXT]}
    event = {"type": "response.output_item.done", "sequence_number": 1, "output_index": 0, "item": message}
    decoder = Decoder[Any](wire.StreamEvent, lenient=True)

    def read(**newer: Any) -> Any:
        text = json.dumps(event | {"item": message | newer}, indent=1)
        struct = decoder.decode(text.encode())
        assert lost(exact(text.encode()), exact(encode(struct))) == []
        assert b"\n" not in encode(struct)
        return struct.item

    assert type(read(status="paused")) is wire.UnknownItem
    assert type(read(content=[TEXT, {"type": "output_text"}]).content[1]) is wire.UnknownPart
    cited = [{"type": "url_citation", "url": None}]
    assert type(read(content=[TEXT | {"annotations": cited}]).content[0].annotations[0]) is wire.UnknownAnnotation
    text = json.dumps(event | {"output_index": "first"}).encode()
    assert type(decoder.decode(text)) is wire.UnknownEvent
    with pytest.raises(msgspec.ValidationError):
        Decoder[Any](wire.StreamEvent).decode(text)
