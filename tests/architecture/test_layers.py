"""The layers: a module imports only from lower ones (the contracts are in pyproject.toml)."""

import subprocess
import sys

from architecture.source import ROOT

LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def test_every_contract_is_kept() -> None:
    """In a process of its own: the linter sets up logging for itself, and turns everybody else's off."""
    command = [sys.executable, "-c", LINT, "--no-cache", "--config", str(ROOT / "pyproject.toml")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
