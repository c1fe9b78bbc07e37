"""The store in a SQLite file: durable, of one machine, and shared by as many processes as open it.

It knows the standard library's sqlite3. One thread writes, a few read, and the event loop never waits for the disk.
"""

from .store import SqliteStore

__all__ = ["SqliteStore"]
