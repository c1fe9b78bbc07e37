"""The comments `# spec: <id>` and the manifest name the same requirements."""

from __future__ import annotations

from collections import Counter

from requirements.manifest import REQUIREMENTS
from requirements.spec_comments import FOLDERS, read, spec_comments

COMMENTS_MAX = 4
"""A requirement that needs more branches than this is several requirements."""
KNOWN = {requirement.id for requirement in REQUIREMENTS}


def test_every_requirement_has_its_comment() -> None:
    named = {each for comment in spec_comments() for each in comment.ids}
    missing = sorted(KNOWN - named)
    assert missing == [], f"put `# spec: {missing[0]}` above the code in {'/, '.join(FOLDERS)}/ that fulfils it"


def test_every_comment_names_a_requirement() -> None:
    unknown = [(comment.location, each) for comment in spec_comments() for each in comment.ids if each not in KNOWN]
    assert unknown == [], (
        "these ids are not in tests/requirements/manifest.py: add the requirement, or mend the comment"
    )


def test_every_comment_has_one_form() -> None:
    wrong = [comment.location for comment in spec_comments() if not (comment.ids and comment.is_above_code)]
    assert wrong == [], "the form is `# spec: <id>` or `# spec: <id>, <id>`, on a line of its own above the code"


def test_a_requirement_has_few_comments() -> None:
    counts = Counter(each for comment in spec_comments() for each in comment.ids)
    scattered = {name: count for name, count in counts.items() if count > COMMENTS_MAX}
    assert scattered == {}, (
        f"a requirement has at most {COMMENTS_MAX} comments: leave those at the branches that decide"
    )


def test_comments_of_another_form_are_seen() -> None:
    text = '# spec: pairs, one-end\nx = 1\n# Spec: numbers\ny = "# spec: no-comment"\nz = 3  # spec: head\n'
    assert [(comment.location, comment.ids, comment.is_above_code) for comment in read(text, "a.py")] == [
        ("a.py:1", ["pairs", "one-end"], True),
        ("a.py:3", [], True),
        ("a.py:5", ["head"], False),
    ]
