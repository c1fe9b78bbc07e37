"""The comments `# spec: <id>`: each stands above the code that fulfils the requirement of that id."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
FOLDERS = ("core", "adapters", "bench")
"""The two packages, and the programs of `bench/`, which some requirements are about."""
_BEGINS = re.compile(r"#\W*spec\b", re.IGNORECASE)
_ID = "[a-z0-9]+(?:-[a-z0-9]+)*"
_SPEC = re.compile(rf"# spec: ({_ID}(?:, {_ID})*)")


class SpecComment(NamedTuple):
    """One comment: where it stands, and the ids that it names. A comment of another form names none."""

    location: str
    ids: list[str]
    is_above_code: bool


@cache
def spec_comments() -> list[SpecComment]:
    """Every such comment."""
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    texts = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in paths}
    return [comment for path, text in texts.items() if _BEGINS.search(text) for comment in read(text, path)]


def read(text: str, path: str) -> Iterator[SpecComment]:
    """Every such comment of a file."""
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and _BEGINS.match(token.string):
            number = token.start[0]
            found = _SPEC.fullmatch(token.string)
            is_alone = not token.line[: token.start[1]].strip()
            following = lines[number].strip() if number < len(lines) else ""
            yield SpecComment(
                location=f"{path}:{number}",
                ids=found[1].split(", ") if found else [],
                is_above_code=is_alone and bool(following) and not following.startswith(("#", '"""')),
            )
