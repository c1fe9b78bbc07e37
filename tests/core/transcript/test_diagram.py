"""The picture in the README is drawn from the tables."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.transcript.diagram import diagram
from penstock.transcript.lifecycle import MACHINES

ROOT = Path(__file__).parents[3]
BLOCK = re.compile(r"(?<=<!-- lifecycle:begin -->\n).*?(?=<!-- lifecycle:end -->)", re.DOTALL)


def test_the_readme_shows_it(golden: Callable[[str | Path, str], None]) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    fenced = f"```mermaid\n{diagram()}```\n"
    shown, places = BLOCK.subn(lambda _: fenced, readme)
    assert places == 1, "the README has no place for the diagram"
    golden("../README.md", shown)


def test_every_way_of_every_table_is_drawn() -> None:
    arrows = [line for line in diagram().splitlines() if "-->" in line]
    told = sum(line.partition(" : ")[2].count(",") + 1 for line in arrows if " : " in line)
    openings = len(MACHINES) - 1 + 1  # but for the response, and an unknown part has two
    assert told == openings + sum(len(ways) for machine in MACHINES.values() for ways in machine.values())


def test_every_state_that_an_arrow_names_is_declared() -> None:
    lines = [line.strip() for line in diagram().splitlines()]
    declared = [line.split()[-1] for line in lines if " as " in line]
    ends = {end for line in lines if "-->" in line for end in line.partition(" : ")[0].split(" --> ")}
    assert ends - {"[*]"} == set(declared)
    assert len(declared) == len(set(declared))


def test_it_prints_itself() -> None:
    command = [sys.executable, "-m", "penstock.transcript.diagram"]
    run = subprocess.run(command, cwd=ROOT / "core", capture_output=True, text=True, check=True)
    assert run.stdout == diagram()


@pytest.mark.parametrize("word", ["stateDiagram-v2", "state response {", "[*] --> message_open : output_item.added"])
def test_it_says(word: str) -> None:
    assert word in diagram()
