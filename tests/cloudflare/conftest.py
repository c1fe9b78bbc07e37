"""The Worker in Pyodide, which `make clients` installs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from cloudflare.host import Host, Missing


def started(variables: Mapping[str, str], entry: Path | None = None) -> Host:
    """A host to start. Missing packages are a failure in CI, and a skip on a machine without them."""
    try:
        return Host(variables, entry)
    except Missing as error:
        if os.environ.get("CI"):
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))
