"""Every test here runs over every transport."""

from __future__ import annotations

import pytest

from conformance.transports.kit import KINDS, Kind


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture(params=[name for name in KINDS if name != "aiohttp"])
def lean(request: pytest.FixtureRequest) -> Kind:
    """What our own client alone promises."""
    return KINDS[request.param]
