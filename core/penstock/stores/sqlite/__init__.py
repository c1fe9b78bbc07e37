"""The store in a SQLite file: durable, and shared by the processes of one machine that open it.

It uses the standard library's sqlite3. One thread writes, a few threads read, and the event loop never waits for the
disk.
"""

from .store import SqliteStore

__all__ = ["SqliteStore"]
