"""Names, docstrings, comments, messages and documents have the standard words of the field.

`REASONS` lists what to write in place of each word. A word that is ours and wanted stands in `docs/glossary.md`.
Texts between backticks are code. So are blocks in documents, which `tests/documents` runs.
"""

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from architecture.source import ROOT, Module, adapters, bench, core, deploy, ours, suite

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
    "paid": "cost",
    "pay": "cost",
    "price": "cost",
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
    "PAY_PER_REQUEST": "a value of DynamoDB",
    "said nothing for": "a message in golden transcripts, which stay as they are",
}
"""Terms that contain such a word, and whose they are."""

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

TEXTS_OF_MODELS = {
    "agent_body": "the body of an agent",
    "guard.__main__": "a prompt",
    "memory": "a prompt",
    "penstock.dialects.synthetic.phrases": "the synthetic model's text",
    "penstock.dialects.synthetic.prose": "the synthetic model's text",
    "penstock.engine.context.compaction": "a prompt",
    "penstock.tool_calls.code_interpreter": "the history for a model",
    "penstock.tool_calls.file_search": "the history for a model",
    "penstock.tool_calls.web_search": "the history for a model",
    "penstock_adapters.cli.startup_banner": "a prompt in an example",
}
"""Modules with strings that a model reads or writes, which are no messages of ours."""

TABLES = {"requirements.manifest", "requirements.behaviours"}
"""The modules of the tests whose strings are no input, but are read by people."""

SUFFIXES = {".md", ".toml", ".yaml", ".yml", ".jsonc", ".sql", ".lua", ".service", ".socket", ".dockerignore"}
UNSUFFIXED = {"Makefile", "Dockerfile", "bootstrap", "run"}
"""The files that are read besides those of Python: documents, configurations, queries and scripts."""

CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)
INDENTED = re.compile(r"^ {4}.*", re.MULTILINE)
"""A line of code in Markdown."""
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
            yield CODE.sub("", node.value.value), node.lineno


def messages(module: Module) -> Iterator[tuple[str, int]]:
    """Every string with more than one word that is no docstring, also within an f-string."""
    is_input = "tests" in module.path.parts and module.name not in TABLES
    if is_input or module.name in TEXTS_OF_MODELS:
        return
    docstrings = {id(node.value) for node in module.nodes if isinstance(node, ast.Expr)}
    for node in module.nodes:
        if isinstance(node, ast.Constant) and id(node) not in docstrings and " " in str(node.value):
            yield CODE.sub("", str(node.value)), node.lineno


def hits(module: Module) -> Iterator[str]:
    if not unwanted(module.text, REASONS | NAME_REASONS):
        return  # most of the time goes into reading trees and tokens
    for table, find in ((REASONS | NAME_REASONS, names), (REASONS, texts), (REASONS, messages)):
        for text, line in find(module):
            yield from described(text, table, f"{module.path}:{line}")


def described(text: str, table: dict[str, str], where: str) -> Iterator[str]:
    for word in sorted(unwanted(text, table)):
        yield f"{where}: '{word}' ({text.strip()[:60]}): {table[singular(word, table)]}"


def documents() -> Iterator[tuple[str, str]]:
    """The names and texts of all files that are read besides those of Python. Results of the bench are not ours."""
    for name in ours():
        path = ROOT / name
        is_read = path.suffix in SUFFIXES or path.name in UNSUFFIXED
        if is_read and not name.startswith(("tests/", "bench/results/")):
            text = path.read_text(encoding="utf-8")
            yield name, INDENTED.sub("", text) if path.suffix == ".md" else text


def lines(text: str) -> Iterator[tuple[str, int]]:
    """The lines of a document without its code, with their numbers."""
    text = CODE.sub(lambda code: "\n" * code[0].count("\n"), text)
    yield from ((line, number) for number, line in enumerate(text.splitlines(), start=1))


SAMPLE = '''"""What nobody knows."""
lanes = 1  # as they were told
"""`told` is code here."""
shown = "told of it"
'''

DOCUMENT = """What nobody `said`.
```console
$ say hello
```
It is told."""


def test_a_word_is_found_in_a_name_a_docstring_a_comment_and_a_message() -> None:
    module = Module("sample", Path("sample.py"), SAMPLE)
    found = [hit.partition(" (")[0] for hit in hits(module)]
    assert found == [
        *("sample.py:2: 'lanes'", "sample.py:4: 'shown'"),
        *("sample.py:2: 'told'", "sample.py:1: 'nobody'", "sample.py:4: 'told'"),
    ]


def test_a_word_is_found_in_a_document() -> None:
    found = [number for line, number in lines(DOCUMENT) if unwanted(line, REASONS)]
    assert found == [1, 5]


def test_documents_have_standard_words() -> None:
    texts = dict(documents())
    assert len(texts) > 60
    assert not [
        hit
        for name, text in texts.items()
        for line, number in lines(text)
        for hit in described(line, REASONS, f"{name}:{number}")
    ]


def test_every_module_with_texts_of_models_is_there() -> None:
    assert set(TEXTS_OF_MODELS) <= {module.name for modules in (core, adapters, bench) for module in modules()}


@pytest.mark.parametrize("modules", [core, adapters, suite, bench, deploy])
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
