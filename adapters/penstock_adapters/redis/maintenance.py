"""What a store needs beside its rows: a check at the start, sweeping, and counting."""

from __future__ import annotations

from .pipeline import Link
from .pubsub import Wakeups
from .scripts import PREFIX

VERSION_MIN = (7, 0)
"""Redis; Valkey says that it is Redis 7.2 or newer."""
SCHEMA = b"1"
"""How rows stand; a number that we do not know is a newer Penstock's."""
CHECK_S = 60
"""How long the key of a check stays."""
SWEPT_AT_A_TIME = 50
SCANNED_AT_A_TIME = 1_000
_KINDS = {b"r": "responses", b"c": "conversations", b"i": "items", b"e": "event_logs"}


class Upkeep:
    """What `Store` has beside rows."""

    _link: Link
    _wakeups: Wakeups

    async def migrate(self) -> None:
        """See `Store`. Raises `RuntimeError` where the server or what it holds is not for us."""
        info = await self._link.command("INFO", "server")
        version = str(info["redis_version"])
        if tuple(int(part) for part in version.split(".")[:2]) < VERSION_MIN:
            raise RuntimeError(f"the store needs Redis {'.'.join(map(str, VERSION_MIN))} or newer; this is {version}")
        await self._link.command("SETNX", f"{PREFIX}schema", SCHEMA)
        schema = await self._link.command("GET", f"{PREFIX}schema")
        if schema != SCHEMA:
            raise RuntimeError(f"the store has schema {schema.decode()}, a newer Penstock's; this one knows 1")

    async def check(self) -> None:
        """See `Store`. It writes one key, which goes by itself."""
        await self._link.command("SET", f"{PREFIX}check", b"1", "EX", CHECK_S)

    async def time_s(self) -> float:
        """See `Store`: the server's `TIME`."""
        seconds, microseconds = await self._link.command("TIME")
        return int(seconds) + int(microseconds) / 1e6

    async def sweep(self, *, now: float, limit: int) -> int:
        """See `Store`. What Redis has let expire already counts when its place in the indexes goes."""
        total, more = 0, True
        while more and total < limit:
            removed, more = await self._link.run("sweep", now, min(limit - total, SWEPT_AT_A_TIME))
            total += removed
        return total

    async def stats(self) -> dict[str, int]:
        """See `Store`. It walks over all keys; `bytes` is the whole server's memory."""
        counts = dict.fromkeys(_KINDS.values(), 0)
        cursor = 0
        while True:
            words = ("SCAN", cursor, "MATCH", f"{PREFIX}*", "COUNT", SCANNED_AT_A_TIME)
            cursor, keys = await self._link.command(*words)
            for key in keys:
                kind = _KINDS.get(key[len(PREFIX) :].partition(b":")[0])
                if kind is not None:
                    counts[kind] += 1
            if not int(cursor):
                break
        memory = await self._link.command("INFO", "memory")
        return counts | {"bytes": int(memory["used_memory"])}

    async def aclose(self) -> None:
        """See `Store`."""
        await self._wakeups.aclose()
        await self._link.aclose()
