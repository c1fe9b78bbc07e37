"""The servers that the driver calls."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.mcp_lab import McpLab, OddServer


@pytest.fixture(scope="module")
def lab_of_all() -> Iterator[McpLab]:
    with McpLab() as running:
        yield running


@pytest.fixture
def lab(lab_of_all: McpLab) -> McpLab:
    """It has been asked nothing yet."""
    lab_of_all.calls.clear()
    lab_of_all.requests.clear()
    lab_of_all.cancelled.clear()
    return lab_of_all


@pytest.fixture(scope="module")
def odd_of_all() -> Iterator[OddServer]:
    with OddServer() as running:
        yield running


@pytest.fixture
def odd(odd_of_all: OddServer) -> OddServer:
    odd_of_all.hits.clear()
    return odd_of_all
