"""docs/stores.md states for every schema of every store what an upgrade to it takes."""

from __future__ import annotations

import re

from documents.pages import ROOT
from penstock.stores.sqlite import schema
from penstock_adapters.cloudflare.d1.schema import MIGRATIONS as MIGRATIONS_OF_D1
from penstock_adapters.dynamodb import maintenance
from penstock_adapters.postgres.migrations import read_scripts
from penstock_adapters.redis.maintenance import SCHEMA

NEWEST = {
    "SQLite": len(schema.MIGRATIONS),
    "PostgreSQL": len(read_scripts()),
    "Redis": int(SCHEMA),
    "DynamoDB": maintenance.SCHEMA,
    "D1": len(MIGRATIONS_OF_D1),
}


def test_every_schema_of_a_store_has_its_row() -> None:
    page = (ROOT / "docs" / "stores.md").read_text(encoding="utf-8")
    upgrades = page.partition("## Upgrades")[2]
    rows = [(store, int(number)) for store, number in re.findall(r"^\| (\w+) \| (\d+) \| \S", upgrades, re.MULTILINE)]
    assert rows == [(store, number) for store, newest in NEWEST.items() for number in range(1, newest + 1)]
