"""One server with the synthetic model for all that the documents show."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.server import PenstockServer


@pytest.fixture(scope="session")
def served() -> Iterator[str]:
    """The base URL of a server as `make serve` starts it, but for the port and the store."""
    with PenstockServer() as server:
        yield server.base
