"""The stores of a Worker: the bindings that the setting `store` names."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from penstock.drivers import OpenStore
from penstock.settings import SettingsError

from .d1 import D1Store
from .d1.database import Database
from .kv import KvStore, Namespace


def stores_of(
    env: Any, open_d1: Callable[[Any], Database], open_kv: Callable[[Any], Namespace]
) -> dict[str, OpenStore]:
    """The stores by the scheme of their URL. Each database is opened once, and every request has stores of its own."""
    database = cache(lambda url: open_d1(_binding(env, url)))
    return {
        "d1": lambda url: D1Store(database(url)),
        "kv": lambda url: KvStore(open_kv(_binding(env, url))),
    }


def _binding(env: Any, url: str) -> Any:
    """The binding that a URL names. Raises `SettingsError` where there is none."""
    scheme, _, name = url.partition("://")
    binding = getattr(env, name, None) if name else None
    if binding is None or isinstance(binding, str):
        raise SettingsError("store", f"this Worker has no binding {name!r}: the URL is {scheme}://BINDING")
    return binding
