"""Maintenance of a store by `penstock store`, also while servers use it.

It knows the store's port, and whose fault an error is; the stores make the texts of a database's errors.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from logging import getLogger
from logging.handlers import BufferingHandler

from penstock.errors import ApiError
from penstock.ids import now_s
from penstock.ports import Store
from penstock.settings import SettingsError, without_credentials

_SWEPT_AT_ONCE_MAX = 500
"""The pause between two batches, in which servers can use the store."""
_LOGS = ("penstock", "penstock_adapters")
_DRIVERS = ("asyncpg", "redis")
"""The modules whose errors come from the database, and are not bugs of this package."""
_LINES_MAX = 1_000


def maintain(action: str, url: str, store: Store | None) -> int:
    """Run an action and print its result. Raises `SettingsError` where the store cannot be used."""
    address = without_credentials(url)
    if store is None or url.startswith("memory:"):
        sys.stderr.write(f"penstock: {address} stores nothing outside a server: there is nothing to do\n")
        return 0
    with errors_in_one_line(address):
        result = asyncio.run(_act(_ACTIONS[action], store))
    sys.stdout.write(f"{result or address}\n")
    return 0


async def _act(action: Callable[[Store], Awaitable[str]], store: Store) -> str:
    try:
        return await action(store)
    finally:
        await store.aclose()


async def _stats(store: Store) -> str:
    counts = await store.stats()
    names, numbers = max(map(len, counts)), max(len(str(count)) for count in counts.values())
    return "\n".join(f"{name:{names}}  {count:{numbers}}" for name, count in counts.items())


async def _sweep(store: Store) -> str:
    now, removed, swept = now_s(), 0, _SWEPT_AT_ONCE_MAX
    while swept == _SWEPT_AT_ONCE_MAX:
        swept = await store.sweep(now=now, limit=_SWEPT_AT_ONCE_MAX)
        removed += swept
    return f"{removed} removed"


async def _migrate(store: Store) -> str:
    """It prints only where the store is."""
    await store.migrate()
    return ""


_ACTIONS: dict[str, Callable[[Store], Awaitable[str]]] = {"stats": _stats, "sweep": _sweep, "migrate": _migrate}


@contextmanager
def errors_in_one_line(address: str) -> Iterator[None]:
    """A store's error has few details, its log more: the last line of the log, if there is one, is the reason."""
    log = BufferingHandler(_LINES_MAX)
    for name in _LOGS:
        getLogger(name).addHandler(log)
    try:
        yield
    except Exception as error:
        if not _is_known(error):
            raise
        reason = log.buffer[-1].getMessage() if log.buffer else _text(error)
        raise SettingsError(address, reason) from None
    finally:
        for name in _LOGS:
            getLogger(name).removeHandler(log)


def _is_known(error: Exception) -> bool:
    is_drivers = type(error).__module__.partition(".")[0] in _DRIVERS
    return is_drivers or isinstance(error, ApiError | OSError | RuntimeError | ValueError)


def _text(error: Exception) -> str:
    """The text of an error. That of a driver about a URL may contain a part of the password."""
    cause = error.__cause__ or error
    if isinstance(cause, ValueError):
        return "the URL cannot be used: look at its host, its port and its options"
    text = str(cause) or type(cause).__name__
    return text if cause is error else f"{error} ({text})"
