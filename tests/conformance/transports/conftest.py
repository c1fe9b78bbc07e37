"""Every test here runs over every transport."""

from __future__ import annotations

import pytest

from cloudflare.host import shared_host
from conformance.transports.kit import FETCH, KINDS, OWN, Kind
from support.missing import skipped_if_missing


@pytest.fixture(scope="session")
def pyodide() -> None:
    """The host of the transport over `fetch`. One that is missing is skipped here and fails where `CI` is set."""
    with skipped_if_missing():
        shared_host()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    if request.param == FETCH:
        request.getfixturevalue("pyodide")
    return KINDS[request.param]


@pytest.fixture(params=OWN)
def own(request: pytest.FixtureRequest) -> Kind:
    """What a transport promises that connects by itself."""
    return KINDS[request.param]


@pytest.fixture
def fetch(pyodide: None) -> Kind:
    return KINDS[FETCH]


@pytest.fixture(params=[name for name in KINDS if name.startswith("lean")])
def lean(request: pytest.FixtureRequest) -> Kind:
    """What our own client alone promises."""
    return KINDS[request.param]
