"""The form of log lines: one line each, whatever is in it."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from penstock.telemetry import Recorder, escaped
from penstock.telemetry.formats import JsonFormat, TextFormat
from requirements import shows

SIGNS = "a\n\r\t\x00\x1b[31m\x7f\x85\u2028\u202e\ud800é😀"


def record(message: str, error: BaseException | None = None, **fields: Any) -> logging.LogRecord:
    exc_info = (type(error), error, error.__traceback__) if error else None
    made = logging.LogRecord("penstock.tests", logging.ERROR, __file__, 1, "%s", (message,), exc_info)
    made.fields = fields
    return made


@shows("log-injection")
@pytest.mark.parametrize("form", [TextFormat(), JsonFormat()], ids=lambda form: type(form).__name__)
def test_a_line_is_one_line(form: logging.Formatter) -> None:
    line = form.format(record(SIGNS, name=SIGNS, nested={"names": [SIGNS.replace("\ud800", "")]}))
    assert line.isprintable()
    assert "é" in line


@shows("json-logs")
def test_a_traceback_is_within_the_object() -> None:
    line = JsonFormat().format(record("It failed.", ZeroDivisionError("by\nzero")))
    entry = json.loads(line)
    assert "\n" not in line
    assert (entry["level"], entry["message"]) == ("error", "It failed.")
    assert entry["traceback"].endswith("ZeroDivisionError: by\nzero")


@shows("log-injection")
def test_a_traceback_is_indented_in_a_text() -> None:
    _, *below = TextFormat().format(record("It failed.", ZeroDivisionError("by\n2026-01-01 zero"))).split("\n")
    assert below
    assert all(line.startswith("  ") for line in below)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain-1.5/x", "plain-1.5/x"),
        ("two words", '"two words"'),
        ("a=b", '"a=b"'),
        ('"', '"\\""'),
        ("", '""'),
        (12.5, "12.5"),
        ({"a": [1, None]}, '{"a":[1,null]}'),
    ],
)
def test_a_value_is_one_word(value: object, written: str) -> None:
    assert TextFormat().format(record("Told.", value=value)).endswith(f": Told. value={written}")


def test_a_line_has_the_id_of_the_request_that_it_is_about() -> None:
    Recorder().begin("GET", "/", "req_7")
    assert TextFormat().format(record("Told.")).endswith(" request_id=req_7")
    assert json.loads(JsonFormat().format(record("Told.")))["request_id"] == "req_7"
    assert json.loads(JsonFormat().format(record("Told.", request_id="req_8")))["request_id"] == "req_8"


def test_what_can_be_printed_stays() -> None:
    assert escaped("Grüße, 世界 😀") == "Grüße, 世界 😀"


@shows("log-injection")
def test_a_value_that_looks_like_two_fields_is_one() -> None:
    line = TextFormat().format(record("Told.", model="m status=200", path="/a"))
    assert ' model="m status=200" path=/a' in line
