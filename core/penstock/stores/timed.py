"""A store whose calls are timed, for the metrics.

It knows which calls read and which write. It changes nothing of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, cast

from penstock.ports import Store
from penstock.telemetry.metrics import Metrics, registry
from penstock.telemetry.metrics.values import Histogram

_READS = (
    "response",
    "chain",
    "page_input_items",
    "find_items",
    "events",
    "unclaimed",
    "conversation",
    "page_items",
    "item",
)
_WRITES = (
    *("save", "settle", "delete_response", "append_events", "claim", "renew", "release"),
    *("save_conversation", "update_conversation", "delete_conversation", "add_items", "delete_item"),
    *("lock_conversation", "unlock_conversation", "mark_once"),
)
"""The calls that are timed. Others are no work on rows, or wait for something."""


class _TimedStore:
    """A store, some of whose methods are timed. All other attributes are the store's own."""

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self._store = store
        for operation, names in (("read", _READS), ("write", _WRITES)):
            seconds = metrics.values.histogram(registry.STORE, operation)
            for name in names:
                if not hasattr(store, name):  # marks are optional
                    continue
                setattr(self, name, _timed(getattr(store, name), seconds))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def timed(store: Store, metrics: Metrics) -> Store:
    """The store, whose calls the metrics count."""
    return cast(Store, _TimedStore(store, metrics))


def _timed(call: Callable[..., Awaitable[Any]], seconds: Histogram) -> Callable[..., Awaitable[Any]]:
    async def call_timed(*args: Any, **kwargs: Any) -> Any:
        begun = monotonic()
        try:
            return await call(*args, **kwargs)
        finally:
            seconds.observe(monotonic() - begun)

    return call_timed
