"""The Worker in Pyodide, which `make clients` installs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cloudflare.host import Host
from support.missing import skipped_if_missing


def started(variables: Mapping[str, str], entry: Path | None = None) -> Host:
    """A host to start. Missing packages are a failure in CI, and a skip on a machine without them."""
    with skipped_if_missing():
        return Host(variables, entry)
