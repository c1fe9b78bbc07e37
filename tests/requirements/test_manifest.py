"""Both tables hold: every requirement and every behaviour is shown by a test, and no test claims to show what is none.

A red test here states what to do: mark a test with `@shows("…")`, or add the row to its table.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from openai.types import responses
from openai.types.responses import response_compact_params, response_create_params, response_input_item
from openai.types.shared import ErrorObject
from pydantic import BaseModel

from architecture.source import suite
from requirements.behaviours import BEHAVIOURS
from requirements.manifest import REQUIREMENTS, Requirement

TESTS = Path(__file__).parents[1]
ELSEWHERE: dict[str, Any] = {
    "CompactResponseMethodPublicBody": response_compact_params.ResponseCompactParams,
    "CreateResponse": response_create_params.ResponseCreateParamsBase,
    "CustomToolCall": responses.ResponseCustomToolCall,
    "Error": ErrorObject,
    "FunctionCallOutputItemParam": response_input_item.FunctionCallOutput,
    "ItemReferenceParam": response_input_item.ItemReference,
    "NamespaceToolParam": responses.NamespaceTool,
    "ReasoningItem": responses.ResponseReasoningItem,
}
"""Schemas that the `openai` package calls by another name than OpenAI's document."""
KNOWN = [*(requirement.id for requirement in REQUIREMENTS), *(behaviour.id for behaviour in BEHAVIOURS)]


def marks(tree: ast.AST) -> Iterator[tuple[str, list[object]]]:
    """The tests that are marked, each with what it claims to show."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Name) and mark.func.id == "shows":
                    yield node.name, [getattr(argument, "value", None) for argument in mark.args]


@cache
def claims() -> list[tuple[str, object]]:
    """Every claim in the suite: where it is made, and the requirement that it names."""
    return [
        (f"{module.path.relative_to(TESTS)}::{name}", requirement)
        for module in suite()
        if module.path.name.startswith("test_") and "@shows(" in module.text
        for name, covered in marks(module.tree)
        for requirement in covered or [None]
    ]


def test_every_row_has_a_test() -> None:
    covered = {row for _, row in claims()}
    missing = [row for row in KNOWN if row not in covered]
    assert missing == [], f"no test shows {missing}: mark one that would fail without it, @shows({missing[:1]!r})"


def test_no_claim_is_about_nothing() -> None:
    unknown = [(where, what) for where, what in claims() if what not in KNOWN]
    assert unknown == [], "rows of neither table: add them to manifest.py or behaviours.py, or mend the marks"


def test_only_tests_claim() -> None:
    """A mark on what pytest does not collect would show nothing."""
    assert [where for where, _ in claims() if not where.rpartition("::")[2].startswith("test_")] == []


def test_ids_are_unique_and_every_source_is_reported() -> None:
    twice = sorted({row for row in KNOWN if KNOWN.count(row) > 1})
    assert twice == [], "these ids stand in the tables twice: give one of them another name"
    assert all(requirement.ours.endswith(".") and requirement.source for requirement in REQUIREMENTS)


@pytest.mark.parametrize("requirement", [each for each in REQUIREMENTS if each.schema], ids=lambda each: each.id)
def test_a_schema_has_the_field(requirement: Requirement) -> None:
    schema, _, field = requirement.schema.partition(".")
    assert field in fields_of(ELSEWHERE.get(schema) or getattr(responses, schema))


def fields_of(theirs: Any) -> set[str]:
    """The fields of a model or of a typed dictionary."""
    return set(theirs.model_fields if issubclass(theirs, BaseModel) else theirs.__annotations__)


def test_a_false_claim_is_seen() -> None:
    tree = ast.parse("@shows('pairs', 'nonsense')\ndef test_it():\n    pass\n\n@shows()\ndef test_other():\n    pass\n")
    assert list(marks(tree)) == [("test_it", ["pairs", "nonsense"]), ("test_other", [])]
