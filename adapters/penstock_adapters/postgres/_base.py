"""What every part of the store stands on: the database, and the news between replicas."""

from __future__ import annotations

from .database import Database
from .notifications import News


class Part:
    """One part of the store, in front of the same database as the others."""

    def __init__(self, database: Database, news: News) -> None:
        self._database = database
        self._news = news
