"""The tables, as the migrations that create them, and how a file is migrated.

A released migration is never changed: a new one is added after it. A migration only adds what older servers can ignore
while they run beside newer ones: columns with defaults, tables, indexes.
"""

from __future__ import annotations

import sqlite3

from .connection import retry_while_locked
from .errors import UnusableFile

_APPLICATION_ID = 0x50454E53
"""`PENS`: it marks the file as ours, in its header."""

_FIRST = """
CREATE TABLE responses (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    previous_response_id TEXT,
    conversation_id TEXT,
    background INTEGER NOT NULL,
    request BLOB NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX responses_by_expiry ON responses (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX responses_in_background ON responses (created_at)
    WHERE background = 1 AND status IN ('queued', 'in_progress');

CREATE TABLE response_items (
    response INTEGER NOT NULL REFERENCES responses ON DELETE CASCADE,
    is_output INTEGER NOT NULL,
    position INTEGER NOT NULL,
    id TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (response, is_output, position)
);
CREATE INDEX response_items_by_id ON response_items (id);

CREATE TABLE events (
    response INTEGER NOT NULL REFERENCES responses ON DELETE CASCADE,
    first INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (response, first)
);

CREATE TABLE leases (
    response INTEGER PRIMARY KEY REFERENCES responses ON DELETE CASCADE,
    fence INTEGER NOT NULL,
    until REAL
);

CREATE TABLE conversations (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    writer TEXT,
    writes_until REAL,
    metadata BLOB NOT NULL
);
CREATE INDEX conversations_by_expiry ON conversations (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE conversation_items (
    conversation INTEGER NOT NULL REFERENCES conversations ON DELETE CASCADE,
    position INTEGER NOT NULL,
    id TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (conversation, position)
);
CREATE UNIQUE INDEX conversation_items_by_id ON conversation_items (id, conversation);
"""

_MARKS = """
CREATE TABLE marks (
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (owner, name)
);
CREATE INDEX marks_by_expiry ON marks (expires_at)
"""

_LARGE_MARK = "INSERT INTO marks (owner, name, expires_at) VALUES ('', hex(zeroblob(? / 4)), 0)"
"""A row of so many bytes: a byte has two digits, and the index has the name again."""
_ROOM_BYTES = 2**20
"""The size of a row that is large: that of a response with some images."""

MIGRATIONS = (_FIRST, _MARKS)
"""The migrations of an empty file, in order. `PRAGMA user_version` is the number of those that were applied."""


def migrate(db: sqlite3.Connection) -> None:
    """Migrate the file. Of several processes, one does it and the others wait for it."""
    retry_while_locked(lambda: db.execute("BEGIN IMMEDIATE"))
    try:
        version = _version(db)
        for script in MIGRATIONS[version:]:
            for statement in script.split(";"):
                db.execute(statement)
        db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def check_write(db: sqlite3.Connection) -> None:
    """Write one page of the file, unchanged, in a transaction: a newer server beside this one may have upgraded it."""
    [version] = db.execute("PRAGMA user_version").fetchone()
    db.execute(f"PRAGMA user_version = {version}")


def check_room(db: sqlite3.Connection) -> None:
    """Write a large row and remove it: its pages are written to the disk all the same, since deletions are secure."""
    row = db.execute(_LARGE_MARK, (_ROOM_BYTES,)).lastrowid
    db.execute("DELETE FROM marks WHERE rowid = ?", (row,))


def check_read(db: sqlite3.Connection) -> None:
    """Read the page that `check_write` writes."""
    db.execute("PRAGMA user_version").fetchone()


def _version(db: sqlite3.Connection) -> int:
    """The number of applied migrations. Raises `UnusableFile` for a file of another application or a newer schema."""
    [version] = db.execute("PRAGMA user_version").fetchone()
    [application] = db.execute("PRAGMA application_id").fetchone()
    [objects] = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if objects and application != _APPLICATION_ID:
        raise UnusableFile("it is a database of another application; give the store a file of its own")
    if version > len(MIGRATIONS):
        raise UnusableFile(
            f"a newer Penstock has written it (schema {version}, this server knows {len(MIGRATIONS)}); "
            "upgrade this server, or give it another file"
        )
    return int(version)
