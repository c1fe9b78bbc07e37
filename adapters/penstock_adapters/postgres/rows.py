"""Rows as structs, structs as values, and SQL that several parts of the store use.

It knows the columns by name, and executes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from penstock.ports import StoredItem, StoredResponse, TooManyBytes

from .database import Row

ALIVE = "(expires_at IS NULL OR expires_at > extract(epoch FROM now()))"
"""Not expired, by the database's clock, which all replicas share."""
RUNS = "status IN ('queued', 'in_progress')"
"""Not ended; the same condition as that of the index of running responses."""

ITEMS = """
    CROSS JOIN LATERAL (
        SELECT array_agg(item_id) AS item_ids, array_agg(item_body) AS item_bodies,
            count(*) FILTER (WHERE NOT is_output) AS input_count,
            coalesce(sum(octet_length(item_body)), 0) AS item_bytes
        FROM (
            SELECT item.is_output, item.id AS item_id, item.body AS item_body
            FROM response_items item WHERE item.response_id = known.id ORDER BY item.is_output, item.place
        ) AS ordered
    ) AS items
"""
"""Joined to the response `known`: its items, input first. The driver would have to ask the server for the type of an
array of rows, and of an array of booleans, on each connection."""
RESPONSE = f"""
    SELECT id, owner, status, created_at, expires_at, previous_response_id, conversation_id, background, body, request,
        item_ids, item_bodies, input_count
    FROM responses known {ITEMS}
"""


def response_of(row: Row) -> StoredResponse:
    """A complete response."""
    input_items, output_items = items_of(row)
    return StoredResponse(
        id=row["id"],
        owner=row["owner"],
        status=row["status"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        previous_response_id=row["previous_response_id"],
        conversation_id=row["conversation_id"],
        background=row["background"],
        body=row["body"],
        request=row["request"],
        input=input_items,
        output=output_items,
    )


def items_of(row: Row) -> tuple[list[StoredItem], list[StoredItem]]:
    """A response's input and output; arrays without items are NULL."""
    items = [StoredItem(*each) for each in zip(row["item_ids"] or (), row["item_bodies"] or (), strict=True)]
    return items[: row["input_count"]], items[row["input_count"] :]


def check_bytes(rows: Sequence[Row], bytes_max: int | None) -> None:
    """Raises `TooManyBytes` if the rows, each with the sum of all in `bytes`, have no bodies."""
    if bytes_max is not None and rows and rows[0]["bytes"] > bytes_max:
        raise TooManyBytes


def arrays(items: Iterable[StoredItem]) -> tuple[list[str], list[bytes]]:
    """Items as two arrays, for `unnest`."""
    listed = list(items)
    return [item.id for item in listed], [item.body for item in listed]
