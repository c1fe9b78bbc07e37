"""An engine of the module, a store in front of an empty table of it; a test here may be `async def`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from conformance.conftest import pytest_pyfunc_call, runner
from conformance.engines import ENVIRONMENT, Dynalite
from penstock_adapters.drivers import aws_transport
from penstock_adapters.dynamodb import DynamoStore
from support.missing import skipped_if_missing

__all__ = ["pytest_pyfunc_call", "runner"]


@pytest.fixture(scope="module")
def engine() -> Iterator[Dynalite]:
    engine = Dynalite()
    with skipped_if_missing():
        engine.start()
    yield engine
    engine.stop()


@pytest.fixture
def location(engine: Dynalite) -> str:
    return engine.location()


@pytest.fixture
def store(location: str, runner: asyncio.Runner) -> Iterator[DynamoStore]:
    store = DynamoStore(location, aws_transport, ENVIRONMENT)
    runner.run(store.migrate())
    yield store
    runner.run(store.aclose())
