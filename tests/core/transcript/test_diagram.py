"""The diagrams in the documents are drawn from the tables."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.transcript.diagram import items_diagram, response_diagram
from penstock.transcript.lifecycle import MACHINES

ROOT = Path(__file__).parents[3]
DIAGRAMS = response_diagram() + items_diagram()


@pytest.mark.parametrize(
    ("page", "name", "diagram"),
    [("ARCHITECTURE.md", "response-states", response_diagram()), ("docs/states.md", "item-states", items_diagram())],
)
def test_a_page_shows_it(golden: Callable[[str | Path, str], None], page: str, name: str, diagram: str) -> None:
    block = re.compile(rf"(?<=<!-- {name}:begin -->\n).*?(?=<!-- {name}:end -->)", re.DOTALL)
    content, count = block.subn(lambda _: f"```mermaid\n{diagram}```\n", (ROOT / page).read_text(encoding="utf-8"))
    assert count == 1, f"{page} has no place for the diagram"
    golden(f"../{page}", content)


def test_every_way_of_every_table_is_drawn() -> None:
    arrows = [line for line in DIAGRAMS.splitlines() if "-->" in line]
    drawn = sum(line.partition(" : ")[2].count(",") + 1 for line in arrows if " : " in line)
    openings = len(MACHINES) - 1 + 1  # but for the response, and an unknown part has two
    assert drawn == openings + sum(len(ways) for machine in MACHINES.values() for ways in machine.values())


def test_every_state_that_an_arrow_names_is_declared() -> None:
    lines = [line.strip() for line in DIAGRAMS.splitlines()]
    declared = [line.split()[-1] for line in lines if " as " in line]
    ends = {end for line in lines if "-->" in line for end in line.partition(" : ")[0].split(" --> ")}
    assert ends - {"[*]"} == set(declared)
    assert len(declared) == len(set(declared))


def test_it_prints_itself() -> None:
    command = [sys.executable, "-m", "penstock.transcript.diagram"]
    run = subprocess.run(command, cwd=ROOT / "core", capture_output=True, text=True, check=True)
    assert run.stdout == DIAGRAMS


@pytest.mark.parametrize("word", ["stateDiagram-v2", "state response {", "[*] --> message_open : output_item.added"])
def test_the_text_of_a_diagram(word: str) -> None:
    assert word in DIAGRAMS
