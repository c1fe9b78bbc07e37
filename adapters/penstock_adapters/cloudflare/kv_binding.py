"""The namespace of KV as the binding of a Worker."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from js import Object
from pyodide.ffi import JsException, jsnull, to_js

from .errors import translated


class KvNamespace:
    """The namespace of a binding. It has no state of a request."""

    def __init__(self, binding: Any) -> None:
        self._binding = binding

    async def get(self, keys: Sequence[str]) -> Mapping[str, str | None]:
        """The values of at most 100 keys. Raises `ApiError` where KV fails."""
        values = await _checked(self._binding.get(to_js(list(keys))))
        found = {key: values.get(key) for key in keys}
        return {key: None if value is jsnull else value for key, value in found.items()}

    async def put(self, key: str, value: str, expiration: int | None) -> None:
        """Set a value until a time in Unix seconds. Raises `ApiError`."""
        options = {} if expiration is None else {"expiration": expiration}
        await _checked(self._binding.put(key, value, _object(options)))

    async def delete(self, key: str) -> None:
        """Remove a value. Raises `ApiError`."""
        await _checked(self._binding.delete(key))

    async def count(self, prefix: str) -> int:
        """The number of keys with this prefix. Raises `ApiError`."""
        number = 0
        options = {"prefix": prefix}
        while True:
            page = await _checked(self._binding.list(_object(options)))
            number += int(page.keys.length)
            if page.list_complete:
                return number
            options["cursor"] = page.cursor


def _object(fields: Mapping[str, object]) -> Any:
    return to_js(fields, dict_converter=Object.fromEntries)


async def _checked(call: Awaitable[Any]) -> Any:
    """The result of a call of KV."""
    try:
        return await call
    except JsException as error:
        raise translated(error.message) from None
