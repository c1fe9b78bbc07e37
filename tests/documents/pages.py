"""The pages of documents, the blocks of code in them, and the commands in those."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = (
    *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "bench/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
)
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_CONTINUED = re.compile(r" \\\n +")


class Block(NamedTuple):
    """A block of code: its page, its language, its text, and where the text begins in the page."""

    page: Path
    language: str
    text: str
    start: int

    @property
    def name(self) -> str:
        """The page and the line."""
        line = self.page.read_text(encoding="utf-8").count("\n", 0, self.start) + 1
        return f"{self.page.relative_to(ROOT)}:{line}"


def blocks(*languages: str) -> list[Block]:
    """The blocks in these languages, or all."""
    return [block for page in PAGES for block in _blocks_of(page) if not languages or block.language in languages]


def _blocks_of(page: Path) -> Iterator[Block]:
    for match in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        yield Block(page, match[1], match[2], match.start(2))


def commands() -> list[tuple[str, str]]:
    """Every command of every shell block, with the place of its block."""
    return [(block.name, command) for block in blocks("console", "sh") for command in _commands_of(block)]


def _commands_of(block: Block) -> Iterator[str]:
    """One command a line; in a `console` block they follow a `$`."""
    for line in _CONTINUED.sub(" ", block.text).splitlines():
        if block.language == "console" and not line.startswith("$ "):
            continue
        command = re.sub(r"\s+#.*| &$| >>.*", "", line.removeprefix("$ ")).strip()
        if command:
            yield command.removeprefix(".venv/bin/")


def text_of_all() -> str:
    """All pages as one text."""
    return "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
