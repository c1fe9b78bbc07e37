"""What runs in Pyodide for the tests: objects of the adapter that a test calls from outside, over a connection.

A message is msgpack: the number of the call, its target, the name of the method, and its arguments. The reply has the
result, or an error. A call can be cancelled by its number.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Collection, Container
from types import SimpleNamespace
from typing import Any, get_type_hints

import msgspec
from entry import Default

from penstock.errors import ApiError
from penstock.limits import Limits
from penstock.ports import Destination, HttpRequest, Store, TransportError
from penstock_adapters.cloudflare.d1 import D1Store
from penstock_adapters.cloudflare.d1.binding import D1Database
from penstock_adapters.cloudflare.d1.database import Statement
from penstock_adapters.cloudflare.fetch_transport import FetchTransport
from penstock_adapters.cloudflare.kv import KvStore
from penstock_adapters.cloudflare.kv_binding import KvNamespace


class Session:
    """The objects of one connection by their numbers, and the calls that run."""

    def __init__(self, send: Callable[[bytes], None], env: Any) -> None:
        self._send = send
        self._env = env
        self._objects: dict[int, Any] = {}
        self._calls: dict[int, asyncio.Task[Any]] = {}

    def receive(self, message: Any) -> None:
        """Begin a call, or cancel one."""
        number, target, name, arguments, keywords = msgspec.msgpack.decode(message.to_bytes())
        if name == "cancel":
            if task := self._calls.get(arguments[0]):
                task.cancel()
            return
        task = self._calls[number] = asyncio.ensure_future(self._call(number, target, name, arguments, keywords))
        task.add_done_callback(lambda done: self._end(number, done))

    def close(self) -> None:
        """Cancel the calls."""
        for task in self._calls.values():
            task.cancel()

    async def _call(self, number: int, target: int | None, name: str, arguments: list[Any], keywords: Any) -> Any:
        error: Any = None
        result: Any = None
        try:
            function = getattr(self if target is None else self._objects[target], name)
            result = function(*_converted(function, arguments), **_converted_keywords(function, keywords))
            if inspect.isawaitable(result):
                result = await result
        except StopAsyncIteration:
            error = ["StopAsyncIteration", {}]
        except asyncio.CancelledError:
            error = ["CancelledError", {}]
        except (ApiError, TransportError) as raised:
            error = [type(raised).__name__, {"message": str(raised)} | vars(raised)]
        except Exception as raised:
            error = [type(raised).__name__, {"message": str(raised)}]
        return error, None if error else result

    def _end(self, number: int, task: asyncio.Task[Any]) -> None:
        """Send the result. A task that is cancelled before its first step has none."""
        del self._calls[number]
        error, result = (["CancelledError", {}], None) if task.cancelled() else task.result()
        self._send(msgspec.msgpack.encode([number, error, result]))

    def _add(self, made: Any) -> int:
        number = len(self._objects)
        self._objects[number] = made
        return number

    async def run_cron_trigger(self) -> None:
        await Default(SimpleNamespace(), self._env).scheduled(None, None, None)

    def open_d1(self) -> int:
        return self._add(D1Store(D1Database(self._env.DB)))

    async def reset_d1(self) -> None:
        if drops := [Statement(f"DROP TABLE {name}") for name in await self._tables()]:
            await D1Database(self._env.DB).batch(drops, 0)

    async def rows_of_d1(self) -> list[list[dict[str, Any]]]:
        """The rows of each table."""
        queries = [Statement(f"SELECT * FROM {name}") for name in await self._tables()]
        return await D1Database(self._env.DB).batch(queries, 0) if queries else []

    async def _tables(self) -> list[str]:
        """The tables; one that refers to another comes before it."""
        sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB '_cf_*' ORDER BY rowid DESC"
        [rows] = await D1Database(self._env.DB).batch([Statement(sql)], 0)
        return [row["name"] for row in rows]

    def open_kv(self) -> int:
        return self._add(KvStore(KvNamespace(self._env.KV)))

    async def reset_kv(self) -> None:
        for key in await self._keys():
            await self._env.KV.delete(key)

    async def rows_of_kv(self) -> list[str]:
        """The values."""
        return [await self._env.KV.get(key) for key in await self._keys()]

    async def _keys(self) -> list[str]:
        page = await self._env.KV.list()
        assert page.list_complete
        return [key.name for key in page.keys]

    def connect(self, destination: Destination, limits: Limits) -> int:
        return self._add(_Transport(FetchTransport(destination, limits), self._add))


class _Transport:
    """A transport whose replies are objects of the session."""

    def __init__(self, transport: FetchTransport, add: Callable[[Any], int]) -> None:
        self._transport = transport
        self._add = add

    async def send(self, request: HttpRequest) -> tuple[int, int, dict[str, str]]:
        reply = await self._transport.send(request)
        return self._add(_Reply(reply)), reply.status, dict(reply.headers)

    async def aclose(self) -> None:
        await self._transport.aclose()


class _Reply:
    def __init__(self, reply: Any) -> None:
        self._reply = reply

    async def next(self) -> bytes:
        return await anext(aiter(self._reply))

    async def aclose(self) -> None:
        await self._reply.aclose()


def _converted(function: Any, arguments: list[Any]) -> list[Any]:
    hints = _hints(function)
    names = list(inspect.signature(function).parameters)
    return [_of_type(value, hints.get(name, Any)) for name, value in zip(names, arguments, strict=False)]


def _converted_keywords(function: Any, keywords: dict[str, Any]) -> dict[str, Any]:
    hints = _hints(function)
    return {name: _of_type(value, hints.get(name, Any)) for name, value in keywords.items()}


def _hints(function: Any) -> dict[str, Any]:
    return get_type_hints(getattr(Store, function.__name__, function))


def _of_type(value: Any, hint: Any) -> Any:
    if hint == Container[str]:
        return set(value)
    if hint == Collection[str]:
        return list(value)
    return msgspec.convert(value, hint, dec_hook=lambda kind, given: kind(given))
