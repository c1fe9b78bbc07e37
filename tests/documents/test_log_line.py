"""The line of the log that docs/logs.md shows is one that the server writes."""

from __future__ import annotations

import logging
import re

import pytest

from documents.pages import ROOT
from penstock.telemetry import AccessRecord, log_access
from penstock.telemetry.formats import TextFormat

RECORD = AccessRecord(
    method="POST",
    path="/v1/responses",
    request_id=f"req_{0:048x}",
    begun_s=0.0,
    status=200,
    duration_s=0.3174,
    first_event_s=0.0725,
    key_name="alice",
    model="qwen3",
    upstream="vllm",
    response_id=f"resp_{0:048x}",
    response_status="completed",
    input_tokens=5,
    output_tokens=156,
)
TIME = re.compile(r"^[-0-9]{10} [:0-9]{8},[0-9]{3}")
ID = re.compile(r"\b(resp|req)_[0-9a-f]{48}")


def test_the_line_of_a_request_is_what_the_page_shows(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "penstock.access"):
        log_access(RECORD)
    [record] = caplog.records
    line = ID.sub(r"\1_…", TextFormat().format(record))
    page = (ROOT / "docs" / "logs.md").read_text(encoding="utf-8")
    [example] = [text for text in page.splitlines() if " penstock.access: " in text]
    assert TIME.match(example)
    assert TIME.sub("", example) == TIME.sub("", line)
