"""The tables, as the migrations that create them.

A released migration is never changed: a new one is added after it. Migrations may run several times and at once, so
each statement has `IF NOT EXISTS`, or changes nothing the second time.
"""

from __future__ import annotations

_FIRST = """
CREATE TABLE IF NOT EXISTS responses (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    previous_response_id TEXT,
    conversation_id TEXT,
    background INTEGER NOT NULL,
    fence INTEGER NOT NULL DEFAULT 0,
    leased_until REAL,
    change TEXT NOT NULL,
    request TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS responses_by_expiry ON responses (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS responses_in_background ON responses (created_at)
    WHERE background = 1 AND status IN ('queued', 'in_progress');
CREATE TABLE IF NOT EXISTS response_items (
    response INTEGER NOT NULL REFERENCES responses ON DELETE CASCADE,
    is_output INTEGER NOT NULL,
    position INTEGER NOT NULL,
    id TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (response, is_output, position)
);
CREATE INDEX IF NOT EXISTS response_items_by_id ON response_items (id);
CREATE TABLE IF NOT EXISTS events (
    response INTEGER NOT NULL REFERENCES responses ON DELETE CASCADE,
    first INTEGER NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (response, first)
);
CREATE TABLE IF NOT EXISTS conversations (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    writer TEXT,
    writes_until REAL,
    metadata TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS conversations_by_expiry ON conversations (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS conversation_items (
    conversation INTEGER NOT NULL REFERENCES conversations ON DELETE CASCADE,
    position INTEGER NOT NULL,
    id TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (conversation, position)
);
CREATE UNIQUE INDEX IF NOT EXISTS conversation_items_by_id ON conversation_items (id, conversation);
CREATE TABLE IF NOT EXISTS marks (
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (owner, name)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS marks_by_expiry ON marks (expires_at)
"""

MIGRATIONS = (_FIRST,)
"""The migrations of an empty database, in order."""
VERSION_TABLE = "CREATE TABLE IF NOT EXISTS penstock_schema (version INTEGER NOT NULL)"
"""The table with the number of migrations that were applied, in one row, or no row."""
READ_VERSION = "SELECT max(version) AS version FROM penstock_schema"
REMOVE_VERSION = "DELETE FROM penstock_schema"
WRITE_VERSION = "INSERT INTO penstock_schema (version) VALUES (?2)"
