"""What a page shows below a request is what the live server answers to it.

`make golden ARGS=tests/documents` writes the answers into the pages.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import pytest

from documents.pages import PAGES, ROOT, blocks

REQUEST = re.compile(r"^```console\n\$ (curl .*?)^```\n+```(json|sse)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
HEAD_CHARS, TAIL_CHARS = 66, 46
"""What is shown of a longer line."""
MASKED = [
    (r"\b(resp|msg|req|rs|fc|conv)_[0-9a-f]{16,}", r"\1_…"),
    (r"\b(chatcmpl)-[0-9a-f]{16,}", r"\1-…"),
    (r'"(created|created_at|completed_at)":( ?)\d+', r'"\1":\g<2>0'),
]


class Call(NamedTuple):
    """A request as the arguments of `curl` give it."""

    path: str
    headers: dict[str, str]
    body: str | None

    @classmethod
    def of(cls, command: str) -> Call:
        words = shlex.split(command.replace("\\\n", " "))[1:]
        options = [(word, value) for word, value in zip(words, [*words[1:], ""], strict=True) if word in ("-H", "-d")]
        [url] = [word for word in words if word.startswith("http://127.0.0.1:8080/")]
        headers = dict(value.split(": ", 1) for option, value in options if option == "-H")
        return cls(
            url.removeprefix("http://127.0.0.1:8080"), headers, next((text for o, text in options if o == "-d"), None)
        )

    def send(self, base: str) -> str:
        """The body of the reply."""
        connection = HTTPConnection(base.removeprefix("http://"), timeout=20)
        try:
            connection.request("GET" if self.body is None else "POST", self.path, self.body, self.headers)
            return connection.getresponse().read().decode()
        finally:
            connection.close()


@pytest.mark.parametrize(
    "page", [page for page in PAGES if REQUEST.search(page.read_text(encoding="utf-8"))], ids=lambda page: page.name
)
def test_a_request_is_answered_so(page: Path, served: str, golden: Callable[[str | Path, str], None]) -> None:
    def answered(match: re.Match[str]) -> str:
        reply = Call.of(match[1]).send(served)
        output = "\n".join(shorter(reply)) if match[2] == "sse" else json.dumps(json.loads(reply), indent=2)
        for pattern, mask in MASKED:
            output = re.sub(pattern, mask, output)
        lines = [cut(line) for line in output.strip().splitlines()]
        return match[0].replace(match[3], "\n".join(lines) + "\n")

    text = page.read_text(encoding="utf-8")
    golden(f"../{page.relative_to(ROOT)}", REQUEST.sub(answered, text))


def cut(line: str) -> str:
    return line if len(line) <= HEAD_CHARS + TAIL_CHARS else f"{line[:HEAD_CHARS]}…{line[-TAIL_CHARS:]}"


def shorter(stream: str) -> Iterator[str]:
    """A stream's events; of several in a row of one type, the first."""
    events = stream.strip().split("\n\n")
    for _, group in groupby(events, key=lambda event: event.splitlines()[0]):
        first, *others = group
        yield from (first, "", "…", "") if others else (first, "")


def test_some_requests_are_printed() -> None:
    """Else a change of the pages' form would switch these tests off."""
    found = [REQUEST.findall(page.read_text(encoding="utf-8")) for page in PAGES]
    assert {language for each in found for _, language, _ in each} == {"json", "sse"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_answer_has_its_request(page: Path) -> None:
    """An answer without one would be compared with nothing."""
    text = page.read_text(encoding="utf-8")
    answers = [answer for _, _, answer in REQUEST.findall(text)]
    assert [block.name for block in blocks("json", "sse") if block.page == page and block.text not in answers] == []
