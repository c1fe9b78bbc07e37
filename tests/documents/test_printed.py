"""What a `console` block shows below a command of ours is what the command prints, stdout and stderr together.

`make golden ARGS=tests/documents` writes it into the pages. The commands of one page share an empty folder.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from documents.pages import PAGES, ROOT, blocks

PRINTED = re.compile(r"^\$ (penstock .*)\n((?:(?!\$ |```).*\n)+)", re.MULTILINE)
MASKED = [
    (r"sk-penstock-[\w-]+", "sk-penstock-…"),
    (r"sha256:[0-9a-f]{64}", "sha256:…"),
]
PAGES_WITH_OUTPUT = [page for page in PAGES if PRINTED.search(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", PAGES_WITH_OUTPUT, ids=lambda page: page.name)
def test_a_command_prints_what_the_page_shows(
    page: Path, tmp_path: Path, golden: Callable[[str | Path, str], None]
) -> None:
    def answered(match: re.Match[str]) -> str:
        return f"$ {match[1]}\n{printed(match[1], tmp_path)}"

    golden(f"../{page.relative_to(ROOT)}", PRINTED.sub(answered, page.read_text(encoding="utf-8")))


def printed(command: str, folder: Path) -> str:
    """What a command prints in this folder, keys and hashes masked."""
    ran = subprocess.run(
        [sys.executable, "-m", "penstock_adapters.cli", *shlex.split(command)[1:]],
        cwd=folder,
        env=os.environ | {"HOME": str(folder), "XDG_STATE_HOME": str(folder), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
        timeout=60,
    )
    text = ran.stdout
    for pattern, mask in MASKED:
        text = re.sub(pattern, mask, text)
    return text


def test_only_commands_of_ours_have_something_printed_below_them() -> None:
    """What another command prints, no test here compares."""
    for block in blocks("console"):
        rest = re.sub(r" \\\n +", " ", PRINTED.sub("", block.text))
        assert [line for line in rest.splitlines() if not line.startswith("$ ")] == [], block.name


def test_some_commands_have_something_printed_below_them() -> None:
    """Else a change of the pages' form would switch these tests off."""
    assert len(PAGES_WITH_OUTPUT) > 1
