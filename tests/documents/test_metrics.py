"""The page of metrics has every row of the registry."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from documents.pages import ROOT
from penstock.telemetry.metrics import REGISTRY

PAGE = "docs/metrics.md"
TABLE = re.compile("(?<=<!-- metrics:begin -->\n).*?(?=<!-- metrics:end -->)", re.DOTALL)


def table() -> Iterator[str]:
    yield "| name | kind | labels | meaning | OpenTelemetry | vLLM |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for row in REGISTRY:
        names = _code(row.otel), _code(row.vllm)
        yield f"| {' | '.join((_code(row.name), row.kind, _code(*row.labels), row.help, *names))} |"


def _code(*words: str) -> str:
    return ", ".join(f"`{word}`" for word in words if word)


def test_the_page_has_the_register(golden: Callable[[str | Path, str], None]) -> None:
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    golden(f"../{PAGE}", TABLE.sub("\n".join([*table(), ""]), text))


def test_a_row_fits_into_a_table() -> None:
    assert not [row.name for row in REGISTRY if "|" in row.help]
