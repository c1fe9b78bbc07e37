"""Upkeep of a store from outside, by `penstock store`, also while servers use it.

It knows the store's port, and whose fault an error is; what an engine's own means, the stores have put in words.
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
"""Between two batches, servers get their turn."""
_LOGS = ("penstock", "penstock_adapters")
_DRIVERS = ("asyncpg", "redis")
"""Whose errors are the engine's words, and not bugs of ours."""
_LINES_MAX = 1_000


def tend(action: str, url: str, store: Store | None) -> int:
    """Do what was asked, and print what came of it. Raises `SettingsError` where the store cannot be used."""
    shown = without_credentials(url)
    if store is None or url.startswith("memory:"):
        sys.stderr.write(f"penstock: {shown} keeps nothing outside a server: there is nothing to do\n")
        return 0
    with _errors_in_one_line(shown):
        said = asyncio.run(_act(_ACTIONS[action], store))
    sys.stdout.write(f"{said or shown}\n")
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
    """It says nothing but where the store is."""
    await store.migrate()
    return ""


_ACTIONS: dict[str, Callable[[Store], Awaitable[str]]] = {"stats": _stats, "sweep": _sweep, "migrate": _migrate}


@contextmanager
def _errors_in_one_line(shown: str) -> Iterator[None]:
    """A store tells clients little and the log more: the last line of the log is the reason, where there is one."""
    log = BufferingHandler(_LINES_MAX)
    for name in _LOGS:
        getLogger(name).addHandler(log)
    try:
        yield
    except Exception as error:
        if not _is_known(error):
            raise
        reason = log.buffer[-1].getMessage() if log.buffer else _words(error)
        raise SettingsError(shown, reason) from None
    finally:
        for name in _LOGS:
            getLogger(name).removeHandler(log)


def _is_known(error: Exception) -> bool:
    is_drivers = type(error).__module__.partition(".")[0] in _DRIVERS
    return is_drivers or isinstance(error, ApiError | OSError | RuntimeError | ValueError)


def _words(error: Exception) -> str:
    """What to tell of an error. A driver's complaint about a URL may have a piece of the password in it."""
    cause = error.__cause__ or error
    if isinstance(cause, ValueError):
        return "the URL cannot be used: look at its host, its port and its options"
    words = str(cause) or type(cause).__name__
    return words if cause is error else f"{error} ({words})"
