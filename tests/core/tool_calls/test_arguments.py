"""Arguments of functions that are not one JSON object: what the client gets, and what a model reads of them later."""

from __future__ import annotations

import json

import pytest

from penstock.tool_calls.arguments import some_object
from penstock.tool_calls.function_call import PlainReader
from requirements import shows

PARIS = '{"city": "Paris"}'
MEANT: dict[str, tuple[list[str], str]] = {
    "nothing": ([], "{}"),
    "white space": ([" ", "\n"], "{}"),
    "an empty object": (["{", "}"], "{}"),
    "an empty object and no more": (["{}", "", " "], "{}"),
    "an empty object before the arguments": (["{}", '{"city": ', '"Paris"}'], PARIS),
    "an empty object with spaces": (["{ }\n", "", " ", PARIS], PARIS),
    "both in one piece": (["{}" + PARIS], PARIS),
    "null": (["null"], "{}"),
    "null, in pieces": (["nu", "ll"], "{}"),
    "Python's nothing": (["None"], "{}"),
    "an empty text": (['""'], "{}"),
    "JSON in a text": (list(json.dumps(PARIS)), PARIS),
    "an empty object in a text": (['"{}"'], "{}"),
    "a block of Markdown": (["```json\n", PARIS, "\n```"], PARIS),
    "an object": ([PARIS[:1], PARIS[1:5], PARIS[5:]], PARIS),
    "space around an object": (["\n", PARIS, "\n"], "\n" + PARIS + "\n"),
    "another value": (["[1]"], "[1]"),
    "a text that is no JSON": (["ls ", "-l"], "ls -l"),
    "a text with another text in it": (['"ls"'], '"ls"'),
}


@shows("odd-arguments", "empty-arguments")
@pytest.mark.parametrize(("pieces", "arguments"), MEANT.values(), ids=MEANT)
def test_a_client_gets_the_object_that_is_meant(pieces: list[str], arguments: str) -> None:
    reader = PlainReader()
    assert "".join([*map(reader.feed, pieces), reader.close()]) == arguments


def test_an_object_is_passed_on_as_it_comes() -> None:
    reader = PlainReader()
    assert [reader.feed(piece) for piece in (" ", "{", '"a"', ": {}", "}")] == ["", " {", '"a"', ": {}", "}"]
    assert reader.close() == ""


def test_arguments_that_are_cut_are_sent_as_they_came() -> None:
    reader = PlainReader()
    assert reader.feed('"{\\"ci') == ""
    assert reader.cut() == '"{\\"ci'


@pytest.mark.parametrize(
    "pieces", [['"', *["x"] * 100_000, '"'], ["{}", *[" " * 100] * 100_000], ["[" * 100] * 100_000]
)
def test_arguments_that_are_held_back_cost_no_more_than_their_length(pieces: list[str]) -> None:
    """Looking at all of them again for each piece would take longer than any test may."""
    reader = PlainReader()
    assert "".join([*map(reader.feed, pieces), reader.close()]) == "".join(pieces)


@pytest.mark.parametrize("text", [" ", "{}", "{ ", "```json {", "[", '"'])
def test_a_long_text_is_read_in_linear_time(text: str) -> None:
    """A quadratic reading of this many characters would take longer than any test may."""
    assert some_object(text * 1_000_000)
    reader = PlainReader()
    assert reader.feed(text * 1_000_000) + reader.close()


@shows("odd-arguments")
@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        (PARIS, PARIS),
        ("", "{}"),
        ("null", "{}"),
        (json.dumps(PARIS), PARIS),
        ('{"city": "Par', json.dumps({"invalid_json": '{"city": "Par'}, separators=(",", ":"))),
        ("[]", '{"invalid_json":"[]"}'),
        ("[" * 100_000, json.dumps({"invalid_json": "[" * 100_000}, separators=(",", ":"))),
    ],
)
def test_a_model_reads_an_object(arguments: str, sent: str) -> None:
    assert some_object(arguments) == sent
