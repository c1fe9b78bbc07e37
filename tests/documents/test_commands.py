"""Every command that a page shows can be given."""

from __future__ import annotations

import re
import shlex

import pytest

from documents.pages import ROOT, commands, text_of_all
from penstock_adapters.cli import _parser, main

COMMANDS = commands()
SPANS = re.findall(r"`(?:\.venv/bin/)?(penstock [a-z][^`\n]*)`", text_of_all())
RUN_ELSEWHERE = {
    "curl": "documents/test_outputs.py sends the request",
    "codex": "tests/clients/test_codex.py runs it",
    "locust": "tests/live/test_locust.py runs it",
    "pip": "it installs; the wheel is tests/architecture/test_project.py's",
    "pre-commit": "it installs a hook of Git",
    "promtool": "tests/live/test_prometheus.py runs it",
    "python": "tests/bench and the bench itself",
    "uvicorn": "tests/live/test_hosts.py runs these servers",
    "gunicorn": "tests/live/test_hosts.py",
    "granian": "tests/live/test_hosts.py",
    "hypercorn": "tests/live/test_hosts.py",
}
"""Commands that are not tried here, and why."""
OURS = list(dict.fromkeys([command for _, command in COMMANDS if command.startswith("penstock ")] + SPANS))


@pytest.mark.parametrize(("location", "command"), COMMANDS)
def test_a_command_is_known(location: str, command: str) -> None:
    assert shlex.split(command)[0] in {"penstock", "make", *RUN_ELSEWHERE}, location


@pytest.mark.parametrize("command", OURS)
def test_a_command_of_ours_is_taken(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A flag that is none, or a word that is, would be refused."""
    words = [word for word in shlex.split(command)[1:] if word != "--help"]
    if len(words) > 1:
        assert _parser().parse_args(words).command == words[0]
    with pytest.raises(SystemExit) as left:
        main([*words, "--help"])
    assert left.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: penstock {words[0]}")


def test_the_targets_of_make_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = [shlex.split(command)[1] for _, command in COMMANDS if command.startswith("make ")]
    named = {*targets, *re.findall(r"`make ([a-z-]+)", text_of_all())}
    assert named >= {"serve", "test", "install", "bench"}
    assert {name for name in named if not re.search(rf"^{name}:", makefile, re.MULTILINE)} == set()
