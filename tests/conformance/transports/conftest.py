"""Every test here runs over every transport."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloudflare.conftest import started
from conformance.transports.kit import FETCH, HOSTS, KINDS, OWN, Kind


@pytest.fixture(scope="session")
def pyodide() -> Iterator[None]:
    """The host of the transport over `fetch`."""
    with started({}) as host:
        HOSTS.append(host)
        yield
        HOSTS.clear()


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
