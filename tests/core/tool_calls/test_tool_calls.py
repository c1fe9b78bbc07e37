"""Tool families as function calls: what the model is offered, what the client sees of its calls, how history reads."""

import json
from typing import Any, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.kit import CUTS, Json, from_json, to_json
from penstock import wire
from penstock.tool_calls import CALLS, OFFERS, OUTPUTS, UNSUPPORTED_DIRECTIVES, WITHOUT_MESSAGE
from penstock.tool_calls.custom_tool import InputReader
from penstock.tool_calls.function_call import PlainReader

# Offers and history.

OFFERED: dict[str, tuple[Json, Json]] = {
    "a function": (
        {"type": "function", "name": "f", "description": "F.", "parameters": {"type": "object"}, "strict": True},
        {"name": "f", "description": "F.", "parameters": {"type": "object"}, "strict": True},
    ),
    "a bare function": (
        {"type": "function", "name": "f"},
        {"name": "f", "description": None, "parameters": None, "strict": None},
    ),
}


@pytest.mark.parametrize(("tool", "offer"), OFFERED.values(), ids=OFFERED)
def test_a_function_is_offered_as_it_is(tool: Json, offer: Json) -> None:
    [(offered, form)] = OFFERS[wire.FunctionTool](from_json(tool, wire.Tool))
    assert to_json(offered) == offer
    assert form.item(id="fc_1", call_id="c").name == "f"


@pytest.mark.parametrize(
    ("tool", "result"),
    [
        ({}, "The note tool. It takes free text."),
        ({"description": "Notes."}, "Notes."),
        ({"description": "Notes.", "format": {"type": "text"}}, "Notes."),
        (
            {"description": "Notes.", "format": {"type": "grammar", "syntax": "lark", "definition": "start: X"}},
            "Notes.\n\nThe input must follow this lark grammar:\nstart: X",
        ),
    ],
)
def test_a_custom_tool_is_offered_as_a_function_of_one_string(tool: Json, result: str) -> None:
    [(offer, _)] = OFFERS[wire.CustomTool](from_json({"type": "custom", "name": "note"} | tool, wire.Tool))
    assert (offer.name, offer.description) == ("note", result)
    schema = to_json(offer.parameters)
    assert list(schema["properties"]) == schema["required"] == ["input"]
    assert schema["properties"]["input"]["type"] == "string"


HISTORY: dict[str, tuple[Json, Json]] = {
    "a call": (
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a": 1}'},
        {"call_id": "c", "name": "f", "arguments": '{"a": 1}'},
    ),
    "a custom call": (
        {"type": "custom_tool_call", "call_id": "c", "name": "f", "input": 'a "b" \n'},
        {"call_id": "c", "name": "f", "arguments": '{"input":"a \\"b\\" \\n"}'},
    ),
    "an output": (
        {"type": "function_call_output", "call_id": "c", "output": "x"},
        {"call_id": "c", "content": "x"},
    ),
    "a custom output in parts": (
        {"type": "custom_tool_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "x"}]},
        {"call_id": "c", "content": [{"type": "input_text", "text": "x"}]},
    ),
}


@pytest.mark.parametrize(("item", "read"), HISTORY.values(), ids=HISTORY)
def test_history_reads(item: Json, read: Json) -> None:
    struct = from_json(item, wire.InputItem)
    result = to_json((CALLS | OUTPUTS)[type(struct)](struct))
    assert {name: result[name] for name in read} == read


def test_every_item_defines_how_it_reads() -> None:
    """As a call, as an output, as both in one, as nothing; or the dialects or the engine read it themselves."""
    items = set(get_args(wire.InputItem))
    outputs = {cls for cls in items if cls.__name__.endswith("Output")}
    of_their_own = {cls for cls in items - outputs - WITHOUT_MESSAGE if "call_id" in cls.__struct_fields__}
    both = {wire.WebSearchCall, wire.FileSearchCall, wire.CodeInterpreterCall, wire.ImageGenerationCall, wire.McpCall}
    assert CALLS.keys() == of_their_own | both | {wire.Program}
    assert OUTPUTS.keys() == outputs | both
    assert UNSUPPORTED_DIRECTIVES < WITHOUT_MESSAGE
    assert items - CALLS.keys() - OUTPUTS.keys() - WITHOUT_MESSAGE == {
        wire.Message,
        wire.ReasoningItem,
        wire.ItemReference,
        wire.CompactionItem,
        wire.CompactionTrigger,
    }


# Arguments while they come.


def read(reader: PlainReader | InputReader, pieces: list[str]) -> str:
    return "".join([*map(reader.feed, pieces), reader.close()])


def cut(text: str, cuts: list[int]) -> list[str]:
    ends = sorted({at % (len(text) + 1) for at in cuts})
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]


@given(st.text(), CUTS)
def test_arguments_of_a_function_pass_as_they_are(text: str, cuts: list[int]) -> None:
    arguments = '{"' + text
    assert read(PlainReader(), cut(arguments, cuts)) == arguments


ESCAPES = {'"': '\\"', "\\": "\\\\", "/": "\\/", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@st.composite
def escaped(draw: st.DrawFn) -> tuple[str, str]:
    """A text, and the inside of a JSON string of it: each character in one of the ways in which it may be."""
    characters = st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from([*ESCAPES, "😀"]))
    text = "".join(draw(st.lists(st.one_of(characters, st.just("\\ud83d")))))
    inside = []
    for character in text:
        units = character.encode("utf-16-be").hex()
        code = "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
        ways = [code, code.upper().replace("\\U", "\\u")]
        ways += [ESCAPES[character]] if character in ESCAPES else []
        ways += [character] if character not in '"\\' else []  # models write control characters raw
        inside.append(draw(st.sampled_from(ways)))
    return text, "".join(inside)


SPACE = st.text(" \t\r\n", max_size=2)


@st.composite
def envelopes(draw: st.DrawFn) -> tuple[str, str]:
    text, inside = draw(escaped())
    spaces = [draw(SPACE) for _ in range(6)]
    return text, '{0}{{{1}"input"{2}:{3}"{inside}"{4}}}{5}'.format(*spaces, inside=inside)


@given(envelopes(), CUTS)
@example(("\\ud83d", '{"input":"\\\\ud83d"}'), [17])
@example(("😀", '{"input":"\\ud83d\\ude00"}'), [13, 16, 17, 20])
def test_a_custom_input_is_what_was_sent_however_it_was_escaped_and_cut(
    envelope: tuple[str, str], cuts: list[int]
) -> None:
    text, arguments = envelope
    assert read(InputReader(), cut(arguments, cuts)) == text


@given(envelopes(), st.integers(0))
def test_no_character_waits_for_more_than_it_needs(envelope: tuple[str, str], at: int) -> None:
    """What was sent by then is the beginning of the text, as far as it can be read."""
    text, arguments = envelope
    head = arguments.index('"', arguments.index(":")) + 1
    begun = arguments[head : head + at % (len(arguments) - head)]
    result = InputReader().feed(arguments[:head] + begun)
    assert text.startswith(result)
    assert result == read_strictly(begun)


def read_strictly(begun: str) -> str:
    """What the whole escapes at the beginning of a string contain."""
    while True:
        try:
            text: str = json.loads(f'"{begun}"', strict=False)
            text.encode()
        except ValueError:
            begun = begun[:-1]
        else:
            return text


OTHER_FORMS: dict[str, tuple[str, str]] = {
    "nothing": ("", ""),
    "plain text": ("ls -l", "ls -l"),
    "a number": ("12", "12"),
    "a bare string": ('"ls \\"-l\\""', 'ls "-l"'),
    "another key first": ('{"why": 1, "input": "ls"}', "ls"),
    "another key behind": ('{"input": "ls", "why": "x"}', "ls"),
    "no such key": ('{"command": "ls"}', '{"command": "ls"}'),
    "no string": ('{"input": 5}', '{"input": 5}'),
    "a list": ('["ls"]', '["ls"]'),
    "half an envelope": ('{"inp', '{"inp'),
    "half a string": ('{"input": "ls', "ls"),
    "half a pair": ('{"input": "a\\ud83d"}', "a\ufffd"),
    "a pair the wrong way round": ('{"input": "\\ude00\\ud83d"}', "\ufffd\ufffd"),
    "half a pair before another": ('{"input": "\\ud83d\\ud83d\\ude00"}', "\ufffd😀"),
    "half a pair before an escape": ('{"input": "\\ud83d\\n"}', "\ufffd\n"),
    "no escape of JSON's": ('{"input": "\\d+\\.x"}', "\\d+\\.x"),
    "no escape by its digits": ('{"input": "\\user \\u12"}', "\\user \\u12"),
    "a long head": ('{"input"' + " " * 5_000 + ': "ls"}', "ls"),
}


@pytest.mark.parametrize(("arguments", "text"), OTHER_FORMS.values(), ids=OTHER_FORMS)
def test_other_forms_are_understood_too(arguments: str, text: str) -> None:
    assert read(InputReader(), [arguments]) == text
    assert read(InputReader(), list(arguments)) == text


WHOLE: dict[str, bool] = {
    "": False,
    "{": False,
    "{}": True,
    '{"a": [1]} ': True,
    '{"a": "}': False,
    "[1]": True,
    '"x"': True,
    "1": False,
    "-": False,
    "ls": False,
    "{}{}": False,
}


@pytest.mark.parametrize(("arguments", "whole"), WHOLE.items(), ids=map(repr, WHOLE))
@pytest.mark.parametrize("reader", [PlainReader, InputReader])
def test_arguments_are_whole_when_nothing_can_follow(reader: Any, arguments: str, whole: bool) -> None:
    """A number may go on."""
    reading = reader()
    reading.feed(arguments)
    assert reading.is_whole() is whole
