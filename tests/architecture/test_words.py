"""The names, docstrings and comments of the packages, tests and bench have the standard words of the field.

`REASONS` lists what to write in place of each word. A word that is ours and wanted stands in `docs/glossary.md`.
"""

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from architecture.source import Module, adapters, bench, core, suite

REASONS = {
    "anybody": "any client, any caller",
    "brought": "sent, contained, added",
    "crew": "worker processes",
    "door": "adapter, entry point",
    "floor": "layer",
    "greeting": "banner",
    "hear": "read, receive",
    "heard": "read, received",
    "house": "project, packages",
    "keeper": "owner, store",
    "kept": "stored, held in memory, unchanged",
    "lane": "stream, queue, item writer",
    "mend": "correct, repair",
    "mended": "corrected, repaired",
    "mends": "corrects, repairs",
    "nobody": "no client, no process, unknown",
    "said": "sent, stated, contained",
    "say": "state, contain",
    "saying": "stating",
    "says": "states, contains, defines",
    "shelf": "table",
    "somebody": "a client, a process, a user",
    "speak": "serve, support (a protocol); generate (a model)",
    "speaks": "serves, supports (a protocol); generates (a model)",
    "spoke": "sent, was active",
    "spoken": "generated, sent",
    "stranger": "unknown field, unknown type, unknown caller",
    "tell": "report, return, send, distinguish",
    "telling": "reporting, returning",
    "tells": "reports, returns, shows",
    "told": "reported, returned, sent",
    "untold": "not reported",
    "whoever": "the caller, the client, the process that",
    "wish": "request, parameter, position",
}
"""Each word that neither a name nor a text has, and the standard words in its place. A plural ends with `s` or `es`."""

NAME_REASONS = {
    "news": "notification, change",
    "place": "path, index, location",
    "shown": "visible, listed",
}
"""Words that only names do not have: in a text they have their plain meaning."""

STANDARD = {
    "keep-alive": "HTTP's name of a reused connection",
}
"""Terms of the field that contain such a word, and whose they are."""

LIBRARY_NAMES = {
    "lane": "a stream of the WebSocket client of the `openai` package",
    "max_bytes_per_lane": "an argument of it",
    "max_events_per_lane": "an argument of it",
    "max_lanes": "an argument of it",
    "tell": "io.IOBase.tell",
}
"""Names of libraries that are such a word."""

FILE_NAMES = {
    "architecture.test_one_place": "one place in the source",
}
"""Modules whose names have a word in its plain meaning."""

WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Za-z][a-z]*")


@cache
def words(text: str) -> frozenset[str]:
    """The words of a name or a text, in lower case: `told` of `_told_s`, `ToldStream`, `TOLD` and `It is told.`."""
    return frozenset(word.lower() for word in WORD.findall(text))


def singular(word: str, table: dict[str, str]) -> str:
    return next((word.removesuffix(end) for end in ("s", "es") if word.removesuffix(end) in table), word)


def unwanted(text: str, table: dict[str, str]) -> set[str]:
    for term in STANDARD:
        text = text.replace(term, "")
    return {word for word in words(text) if singular(word, table) in table}


def tokens(module: Module, kind: int) -> Iterator[tuple[str, int]]:
    """The tokens of one kind, with their lines."""
    for token in _tokens(module.text):
        if token.type == kind:
            yield token.string, token.start[0]


@cache
def _tokens(text: str) -> list[tokenize.TokenInfo]:
    return list(tokenize.generate_tokens(io.StringIO(text).readline))


def names(module: Module) -> Iterator[tuple[str, int]]:
    """The module's name, and every identifier that it has or uses."""
    if module.name not in FILE_NAMES:
        yield module.name, 1
    for name, line in tokens(module, tokenize.NAME):
        if name not in LIBRARY_NAMES:
            yield name, line


def texts(module: Module) -> Iterator[tuple[str, int]]:
    """Every comment, and every docstring of a module, class, function, field or constant, without code in backticks."""
    for comment, line in tokens(module, tokenize.COMMENT):
        if not comment.startswith("# spec:"):  # the id of a requirement
            yield comment, line
    for node in module.nodes:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield re.sub(r"`[^`]*`", "", node.value.value), node.lineno


def hits(module: Module) -> Iterator[str]:
    if not unwanted(module.text, REASONS | NAME_REASONS):
        return  # most of the time goes into reading trees and tokens
    for table, found in ((REASONS | NAME_REASONS, names(module)), (REASONS, texts(module))):
        for text, line in found:
            for word in sorted(unwanted(text, table)):
                yield f"{module.path}:{line}: '{word}' ({text.strip()[:60]}): {table[singular(word, table)]}"


SAMPLE = '''"""What nobody knows."""
lanes = 1  # as they were told
"""`told` is code here."""
shown = "told"
'''


def test_a_word_is_found_in_a_name_a_docstring_and_a_comment() -> None:
    module = Module("sample", Path("sample.py"), SAMPLE)
    found = [hit.partition(" (")[0] for hit in hits(module)]
    assert found == ["sample.py:2: 'lanes'", "sample.py:4: 'shown'", "sample.py:2: 'told'", "sample.py:1: 'nobody'"]


@pytest.mark.parametrize("modules", [core, adapters, suite, bench])
def test_names_and_texts_have_standard_words(modules: Callable[[], list[Module]]) -> None:
    assert not [hit for module in modules() for hit in hits(module)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("_told_s", {"told"}),
        ("ToldStream", {"told"}),
        ("TOLD_S", {"told"}),
        ("LaneWriter", {"lane"}),
        ("lanes", {"lanes"}),
        ("It is told.", {"told"}),
        ("old_toldest", set()),
        ("the keep-alive header", set()),
    ],
)
def test_the_unwanted_words_of_a_name(text: str, expected: set[str]) -> None:
    assert unwanted(text, REASONS) == expected
