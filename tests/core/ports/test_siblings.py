"""A process without siblings: it asks no one, and has the label of the first worker."""

from __future__ import annotations

import asyncio

from penstock.ports import NoSiblings, Siblings


def test_alone() -> None:
    alone: Siblings = NoSiblings()
    alone.answer("/metrics", lambda body: b"never asked")
    assert asyncio.run(alone.ask("/metrics")) == []
    assert alone.worker == "0"
