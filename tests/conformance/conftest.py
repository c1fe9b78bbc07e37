"""The fixtures of the store suite: an engine, and stores in front of an empty place of it.

A test here may be `async def`: it runs in the event loop that its stores were opened in.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Iterator
from typing import Any

import pytest

from conformance.engines import ENGINES, Engine
from penstock.ports import Store
from support.missing import skipped_if_missing

EVERYTHING = "LONG_STORE_TESTS"
"""The variable that `make test-all` sets."""


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Each engine, started once. One that is missing is skipped here and fails where `CI` is set."""
    engine = ENGINES[request.param]()
    with skipped_if_missing():
        engine.start()
    yield engine
    engine.stop()


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """The event loop of one test."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def location(engine: Engine) -> str:
    """Where nothing is yet."""
    return engine.location()


@pytest.fixture
def stores(engine: Engine, location: str, runner: asyncio.Runner) -> Iterator[tuple[Store, Store]]:
    """Two replicas' stores in front of the same data."""
    one, other = engine.open(location), engine.open(location)
    runner.run(one.migrate())
    runner.run(other.migrate())
    yield one, other
    runner.run(one.aclose())
    runner.run(other.aclose())


@pytest.fixture
def store(stores: tuple[Store, Store]) -> Store:
    """A store in front of nothing."""
    return stores[0]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """An engine that takes minutes runs its longest tests with `make test-all` only."""
    left_out = [each for each in items if _is_left_out(each)]
    items[:] = [each for each in items if each not in left_out]
    config.hook.pytest_deselected(items=left_out)


def _is_left_out(item: pytest.Item) -> bool:
    name = getattr(item, "callspec", None) and item.callspec.params.get("engine")  # type: ignore[attr-defined]
    if not isinstance(name, str) or name not in ENGINES:  # another suite may have a parameter of this name
        return False
    engine, test = ENGINES[name], item.originalname  # type: ignore[attr-defined]
    if engine.possible_tests and test not in engine.possible_tests:
        return True
    return test in engine.impossible_tests or (test in engine.long_tests and not os.environ.get(EVERYTHING))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test in its `runner`."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments: dict[str, Any] = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    runner: Any = pyfuncitem.funcargs["runner"]
    runner.run(pyfuncitem.obj(**arguments))
    return True
