"""The database of D1 as the binding of a Worker.

Rows cross from JavaScript as one JSON text, which costs less than an object of Python for each value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import js
import msgspec
from pyodide.ffi import JsException, jsnull, to_js

from penstock_adapters.cloudflare.errors import translated

from .database import Row, Statement, Value


class _Result(msgspec.Struct):
    """What D1 returns for a statement; other fields are not read."""

    results: list[Row] = []


_decode = msgspec.json.Decoder(list[_Result]).decode


class D1Database:
    """The database of a binding. It has no state of a request."""

    def __init__(self, binding: Any) -> None:
        self._binding = binding
        self.is_migrated = False

    async def batch(self, statements: Sequence[Statement], now: int) -> list[list[Row]]:
        """Run statements as one transaction. Returns the rows of each. Raises `ApiError` where D1 fails."""
        try:
            prepared = [self._binding.prepare(sql).bind(*_parameters(sql, now, values)) for sql, values in statements]
            results = await self._binding.batch(to_js(prepared))
        except JsException as error:
            raise translated(error.message) from None
        return [result.results for result in _decode(js.JSON.stringify(results))]


def _parameters(sql: str, now: int, values: Sequence[Value]) -> list[Any]:
    """The parameters of a statement, which may have none."""
    if "?" not in sql:
        return []
    return [now, *(jsnull if value is None else value for value in values)]
