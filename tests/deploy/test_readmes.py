"""Each folder of deploy/ has a short README, whose commands are taken; no file names a setting that is none."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from deploy.files import DEPLOY, VARIABLES, named_variables
from penstock_adapters.cli import _parser
from support.server import ROOT

README_LINES_MAX = 40
OBSERVED = {"grafana", "prometheus"}
"""Folders of files for other programs, which docs/metrics.md is about."""
_COMMAND = re.compile(
    r"(?:^|[`/ \"\[])(penstock (?:serve|health|config|init|keys|store|prompts)[^`\n#&|\"\]]*)", re.MULTILINE
)


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "deploy"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listed.stdout.split() if (ROOT / name).is_file()]


FILES = tracked()
READMES = [path for path in FILES if path.name == "README.md"]


def name_of(path: Path) -> str:
    return str(path.relative_to(DEPLOY))


def test_every_folder_is_in_the_table() -> None:
    table = (DEPLOY / "README.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"\[(\w+)\]\((\w+)\)", table))
    assert listed == {(path.name, path.name) for path in {each.parent for each in FILES} if path.parent == DEPLOY}


@pytest.mark.parametrize("readme", READMES, ids=name_of)
def test_a_readme_is_short_and_its_links_lead_somewhere(readme: Path) -> None:
    text = readme.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= README_LINES_MAX
    for target in re.findall(r"\]\(([^)\s#]+)[^)]*\)", text):
        assert "://" in target or (readme.parent / target).exists(), target


@pytest.mark.parametrize("readme", [path for path in READMES if path.parent != DEPLOY], ids=name_of)
def test_a_readme_leads_to_a_streamed_reply_with_what_is_in_the_repository(readme: Path) -> None:
    text = readme.read_text(encoding="utf-8").replace("\\\n", " ")
    [call] = re.findall(r"curl [^\n]*/(?:v1/)?responses[^\n]*", text)
    assert call.startswith("curl -N ")
    assert '"stream": true' in call
    assert not re.findall(r"pip install '?penstock", text), "no index has the package"


def test_every_folder_has_a_readme() -> None:
    folders = {path.relative_to(DEPLOY).parts[0] for path in FILES if path.parent != DEPLOY}
    assert {path.parent.name for path in READMES} >= folders - OBSERVED


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_variable_is_a_setting(path: Path) -> None:
    assert named_variables(path.read_text(encoding="utf-8")) <= VARIABLES


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_command_of_ours_is_taken(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    for command in _COMMAND.findall(text):
        assert _parser().parse_args(shlex.split(command.strip(" .,;:)"))[1:]), command
