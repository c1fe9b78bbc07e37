"""Maintenance: a check at the start, deletion of expired rows, and counting."""

from __future__ import annotations

from .pipeline import Pipeline
from .pubsub import PubSub
from .scripts import PREFIX

VERSION_MIN = (7, 0)
"""Redis; Valkey reports Redis 7.2 or newer."""
SCHEMA = b"1"
"""The format of the rows; a larger number is a newer Penstock's."""
CHECK_S = 60
"""How many seconds the key of a check exists."""
SWEPT_AT_A_TIME = 50
SCANNED_AT_A_TIME = 1_000
_KINDS = {b"r": "responses", b"c": "conversations", b"i": "items", b"e": "event_logs", b"m": "marks"}


class Maintenance:
    """The methods of `Store` that are not about single rows."""

    _pipeline: Pipeline
    _pubsub: PubSub

    async def migrate(self) -> None:
        """See `Store`. Raises `RuntimeError` for an old server, or for data of a newer Penstock."""
        info = await self._pipeline.command("INFO", "server")
        version = str(info["redis_version"])
        if tuple(int(part) for part in version.split(".")[:2]) < VERSION_MIN:
            raise RuntimeError(f"the store needs Redis {'.'.join(map(str, VERSION_MIN))} or newer; this is {version}")
        await self._pipeline.command("SETNX", f"{PREFIX}schema", SCHEMA)
        schema = await self._pipeline.command("GET", f"{PREFIX}schema")
        if schema != SCHEMA:
            raise RuntimeError(f"the store has schema {schema.decode()}, a newer Penstock's; this one knows 1")

    async def check(self) -> None:
        """See `Store`. It writes one key, which expires."""
        await self._pipeline.command("SET", f"{PREFIX}check", b"1", "EX", CHECK_S)

    async def time_s(self) -> float:
        """See `Store`: the server's `TIME`."""
        seconds, microseconds = await self._pipeline.command("TIME")
        return int(seconds) + int(microseconds) / 1e6

    async def sweep(self, *, now: float, limit: int) -> int:
        """See `Store`. Rows that Redis has expired count when they are removed from the indexes."""
        total, more = 0, True
        while more and total < limit:
            removed, more = await self._pipeline.run("sweep", now, min(limit - total, SWEPT_AT_A_TIME))
            total += removed
        return total

    async def mark_once(self, owner: str, name: str, *, expires_at: int) -> bool:
        """See `Marks`. The length of the owner makes the key unique. Redis removes it when it has expired."""
        key = f"{PREFIX}m:{len(owner)}:{owner}:{name}"
        return await self._pipeline.command("SET", key, b"1", "NX", "EXAT", expires_at) is not None

    async def stats(self) -> dict[str, int]:
        """See `Store`. It scans all keys; `bytes` is the memory of the whole server."""
        counts = dict.fromkeys(_KINDS.values(), 0)
        cursor = 0
        while True:
            arguments = ("SCAN", cursor, "MATCH", f"{PREFIX}*", "COUNT", SCANNED_AT_A_TIME)
            cursor, keys = await self._pipeline.command(*arguments)
            for key in keys:
                kind = _KINDS.get(key[len(PREFIX) :].partition(b":")[0])
                if kind is not None:
                    counts[kind] += 1
            if not int(cursor):
                break
        memory = await self._pipeline.command("INFO", "memory")
        return counts | {"bytes": int(memory["used_memory"])}

    async def aclose(self) -> None:
        """See `Store`."""
        await self._pubsub.aclose()
        await self._pipeline.aclose()
