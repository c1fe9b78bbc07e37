"""The stores of a Worker: the bindings that the setting `store` names."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from penstock.assembly import OpenStore
from penstock.ports import Store
from penstock.settings import SettingsError

from .d1 import D1Store
from .d1.database import Database


def stores_of(env: Any, open_d1: Callable[[Any], Database]) -> dict[str, OpenStore]:
    """The stores by the scheme of their URL. Each database is opened once, and every request has stores of its own."""
    database = cache(lambda name: open_d1(_binding(env, name)))
    return {"d1": _opened("d1://", lambda name: D1Store(database(name)))}


def _opened(prefix: str, open_store: Callable[[str], Store]) -> OpenStore:
    return lambda url: open_store(url.removeprefix(prefix).strip("/"))


def _binding(env: Any, name: str) -> Any:
    """The binding of this name. Raises `SettingsError` where there is none."""
    binding = getattr(env, name, None) if name else None
    if binding is None or isinstance(binding, str):
        raise SettingsError("store", f"this Worker has no binding {name!r}: the URL is d1://BINDING")
    return binding
