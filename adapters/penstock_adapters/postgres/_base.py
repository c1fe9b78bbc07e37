"""The base of every part of the store: the database, and the notifications between replicas."""

from __future__ import annotations

from .database import Database
from .notifications import Notifications


class StorePart:
    """One part of the store. All parts share one database."""

    def __init__(self, database: Database, notifications: Notifications) -> None:
        self._database = database
        self._notifications = notifications
