"""What every test may use: golden files, and properties that do not hurry on a busy machine."""

from collections.abc import Callable
from difflib import unified_diff
from pathlib import Path

import pytest
from hypothesis import settings

TESTS = Path(__file__).parent

settings.register_profile("penstock", deadline=None)
settings.register_profile("fast", deadline=None, max_examples=10)  # `make test-fast`
settings.load_profile("penstock")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite-golden", action="store_true", help="write golden files instead of comparing")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str | Path, str], None]:
    """`golden(path, text)` holds text against the file at path, which is seen from tests/."""
    rewrite = request.config.getoption("--rewrite-golden")

    def compare(path: str | Path, text: str) -> None:
        file = TESTS / path
        known = file.read_text(encoding="utf-8") if file.exists() else ""
        if text == known:
            return
        if not rewrite:
            pytest.fail(_difference(str(path), known, text), pytrace=False)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    return compare


def _difference(name: str, known: str, text: str) -> str:
    lines = unified_diff(known.splitlines(), text.splitlines(), f"golden {name}", "this run", lineterm="")
    return "\n".join([f"{name} is not what came out. If what came out is right: make golden", "", *lines])
