"""The names, links and numbers of the pages are those of the code, and no page is too long."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from architecture.source import ours
from documents.pages import PAGES, ROOT, text_of_all
from penstock.limits import Limits
from penstock.settings import CLIENT_KEY_VARIABLE, Settings
from penstock.settings.sources import _names, _variable
from penstock.stores.memory import MemoryStore

LIMITS = Limits()
MIB = 2**20
MEMORY = inspect.signature(MemoryStore).parameters
README_LINES_MAX = 170
AN_HOUR = {3_600.0: "It lasts an hour"}
NUMBERS = [
    f"at most {MEMORY['responses_max'].default:,} responses and {MEMORY['bytes_max'].default // MIB} MiB",
    f"stored for {LIMITS.retention_s / 86_400:g} days",
    f"not to be stored ({LIMITS.socket_recent_max}, or {LIMITS.socket_recent_bytes_max // MIB} MiB)",
    f"all connections together hold {LIMITS.sockets_recent_bytes_max // MIB} MiB",
    f"{AN_HOUR[LIMITS.socket_age_s]}, {LIMITS.socket_idle_s / 60:g} minutes without a message",
    f"| `retries_max` | {LIMITS.retries_max} |",
    f"| `attempts_max` | {LIMITS.attempts_max} |",
    f"| `stream_head_s`, `whole_head_s` | {LIMITS.stream_head_s:g}, {LIMITS.whole_head_s:g} |",
    f"| `breaker_failures`, `breaker_rest_s` | {LIMITS.breaker_failures}, {LIMITS.breaker_rest_s:g} |",
]


def test_the_first_page_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= README_LINES_MAX


def test_every_page_is_reached_from_the_first() -> None:
    reached, ways = set[Path](), [ROOT / "README.md"]
    while ways:
        page = ways.pop()
        if page not in reached:
            reached.add(page)
            ways += [target for target, _ in links(page) if target.suffix == ".md"]
    assert set(PAGES) <= reached


def links(page: Path) -> list[tuple[Path, str]]:
    """The files that a page links to, with the heading in each."""
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    local = [target.partition("#") for target in targets if "://" not in target]
    return [((page.parent / file).resolve() if file else page, anchor) for file, _, anchor in local]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, anchor in links(page):
        assert target.exists(), target
        assert not anchor or anchor in anchors(target), f"{target.name}#{anchor}"


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


def test_every_file_that_is_named_is_there() -> None:
    """A file that is to come has a `<` in its name."""
    named = re.findall(r"`((?:core|adapters|bench|tests|docs|deploy)/[\w./-]+)`", text_of_all())
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_architecture_has_every_folder() -> None:
    """Those of the root are in the tree, and those of the engine in the table of its steps."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    tree = set(re.findall(r"^(\w+)/", text.partition("## The path of a request")[0], re.MULTILINE))
    assert tree == {folder for name in ours() for folder in name.split("/")[:-1][:1]} - {".ci"}
    steps = set(re.findall(r"^\| `(\w+)/` \|", text, re.MULTILINE))
    assert steps == {path.parent.name for path in (ROOT / "core/penstock/engine").glob("*/__init__.py")}


def test_every_file_to_grow_is_there() -> None:
    """The short names in the table of `CONTRIBUTING.md`. A file that is to come has a `<` in its name."""
    [table] = re.findall(r"^\| new \|.*?\n\n", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)
    names = set(re.findall(r"`([\w./]+\.py)`", table))
    assert len(names) > 5
    assert [name for name in names if not any((ROOT / root / name).exists() for root in ("", "core/penstock"))] == []


def test_every_setting_that_is_named_is_one() -> None:
    known = {*_names(), *Settings.__struct_fields__}
    text = text_of_all()
    assert set(re.findall(r"`(limits\.[a-z_]+_(?:s|max|min))`", text)) <= known
    for name in re.findall(r"PENSTOCK_([A-Z_]+)\b", text):
        assert f"PENSTOCK_{name}" in {*map(_variable, known), CLIENT_KEY_VARIABLE}, name


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_is_the_default(number: str) -> None:
    assert number in " ".join(text_of_all().split())
