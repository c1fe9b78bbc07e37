"""Responses and their items: saved, settled, read, chained and found.

A change marks its row with a token of its own, by which the later statements of its batch know that it was allowed.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Sequence
from typing import Literal

from penstock.ids import random_digits
from penstock.ports import ChainTooLong, ItemPage, StoredItem, StoredResponse

from .database import (
    RUNNING,
    UNEXPIRED,
    Row,
    Statement,
    StorePart,
    bytes_of,
    checked,
    items_of,
    json_of,
    pieces_of,
    text_of,
)

_SIZE = "length(CAST(body AS BLOB))"

SAVE = f"""
INSERT INTO responses (
    id, owner, status, created_at, expires_at, previous_response_id, conversation_id, background, request, body, change
)
SELECT ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12
WHERE ?4 <> 'completed' OR ?8 IS NULL
OR EXISTS (SELECT 1 FROM conversations WHERE id = ?8 AND owner = ?3 AND writer = ?2 AND {UNEXPIRED})
RETURNING number
"""
SETTLE = f"""
UPDATE responses SET status = ?4, body = ?5, request = '', change = ?7,
    leased_until = CASE WHEN ?4 IN ('queued', 'in_progress') THEN leased_until END
WHERE id = ?2 AND owner = ?3 AND {RUNNING} AND {UNEXPIRED}
AND (?6 IS NULL OR (fence = ?6 AND leased_until IS NOT NULL))
AND (
    ?4 <> 'completed' OR conversation_id IS NULL
    OR conversation_id IN (SELECT id FROM conversations WHERE owner = ?3 AND writer = ?2 AND {UNEXPIRED})
)
RETURNING number
"""
REMOVE_OUTPUT = """
DELETE FROM response_items
WHERE is_output = 1 AND response = (SELECT number FROM responses WHERE id = ?2 AND change = ?3)
"""
ADD_ITEMS = """
INSERT INTO response_items (response, is_output, position, id, body)
SELECT number, ?4, ?5 + entry.key, json_extract(entry.value, '$[0]'), json_extract(entry.value, '$[1]')
FROM responses CROSS JOIN json_each(?6) AS entry WHERE responses.id = ?2 AND change = ?3
"""
ADD_TURN = """
INSERT INTO conversation_items (conversation, position, id, body)
SELECT talk.number,
    (SELECT coalesce(max(position), -1) FROM conversation_items WHERE conversation = talk.number)
    + row_number() OVER (ORDER BY item.is_output, item.position),
    item.id, item.body
FROM responses AS turn JOIN conversations AS talk ON talk.id = turn.conversation_id
JOIN response_items AS item ON item.response = turn.number
WHERE turn.id = ?2 AND turn.change = ?3 AND turn.status = 'completed'
ORDER BY item.is_output, item.position
ON CONFLICT (id, conversation) DO NOTHING
"""
DELETE = f"DELETE FROM responses WHERE id = ?2 AND owner = ?3 AND {UNEXPIRED} RETURNING number"

RESPONSE = """
SELECT number, id, owner, status, created_at, expires_at, previous_response_id, conversation_id, background, request,
    body
FROM responses
"""
READ = f"{RESPONSE} WHERE id = ?2 AND owner = ?3 AND {UNEXPIRED}"
READ_ITEMS = f"""
SELECT response, is_output, item.id, item.body FROM response_items AS item JOIN responses ON number = response
WHERE responses.id = ?2 AND owner = ?3 AND {UNEXPIRED} ORDER BY is_output, position
"""
_CHAIN = f"""
WITH RECURSIVE chain (depth, number, id, status, previous_response_id, conversation_id) AS (
    SELECT 1, number, id, status, previous_response_id, conversation_id
    FROM responses WHERE id = ?2 AND owner = ?3 AND {UNEXPIRED}
    UNION ALL
    SELECT depth + 1, link.number, link.id, link.status, link.previous_response_id, link.conversation_id
    FROM chain JOIN responses AS link ON link.id = chain.previous_response_id
    WHERE owner = ?3 AND {UNEXPIRED} AND depth <= ?4
)
"""
"""It has one response more than the limit, where there are more. Each leads to the next: the newest comes first."""
CHAIN = f"{_CHAIN} SELECT * FROM chain"
ITEMS = f"""
SELECT response, is_output, id, CASE WHEN ?3 IS NULL OR total <= ?3 THEN body END AS body, total FROM (
    SELECT *, sum({_SIZE}) OVER () AS total FROM response_items WHERE response IN (SELECT value FROM json_each(?2))
) ORDER BY response, is_output, position
"""
INPUT_START = f"""
{_CHAIN} SELECT max(depth) AS length, EXISTS (
    SELECT 1 FROM chain JOIN response_items AS item ON response = chain.number
    WHERE item.id = ?5 AND NOT (is_output AND depth = 1)
) AS is_found FROM chain
"""
_INPUT_PAGE = (
    _CHAIN
    + """
, listed AS (
    SELECT -depth AS turn, is_output, position, item.id, item.rowid AS item
    FROM chain CROSS JOIN response_items AS item ON response = chain.number WHERE NOT (is_output AND depth = 1)
), start AS (
    SELECT turn, is_output, position FROM listed WHERE id = ?5
    ORDER BY turn {order}, is_output {order}, position {order} LIMIT 1
)
SELECT item.id, item.body FROM (
    SELECT * FROM listed
    WHERE ?5 IS NULL OR (turn, is_output, position) {behind} (SELECT turn, is_output, position FROM start)
    ORDER BY turn {order}, is_output {order}, position {order} LIMIT ?6
) AS page CROSS JOIN response_items AS item ON item.rowid = page.item
ORDER BY page.turn {order}, page.is_output {order}, page.position {order}
"""
)
INPUT_PAGE = {
    "asc": _INPUT_PAGE.format(order="ASC", behind=">"),
    "desc": _INPUT_PAGE.format(order="DESC", behind="<"),
}
FIND_ITEMS = f"""
SELECT id, CASE WHEN ?4 IS NULL OR total <= ?4 THEN body END AS body, total FROM (
    SELECT *, sum({_SIZE}) OVER () AS total FROM (
        SELECT wanted.value AS id, coalesce(
            (
                SELECT item.body FROM response_items AS item JOIN responses ON number = response
                WHERE item.id = wanted.value AND owner = ?2 AND {UNEXPIRED} LIMIT 1
            ),
            (
                SELECT item.body FROM conversation_items AS item JOIN conversations ON number = conversation
                WHERE item.id = wanted.value AND owner = ?2 AND {UNEXPIRED} LIMIT 1
            )
        ) AS body FROM json_each(?3) AS wanted
    ) WHERE body IS NOT NULL
)
"""


class Responses(StorePart):
    """Responses and their items."""

    async def save(self, response: StoredResponse) -> bool:
        """Add a response. If it is completed, add its items to its conversation too."""
        change = random_digits()
        values = (
            response.id,
            response.owner,
            response.status,
            response.created_at,
            response.expires_at,
            response.previous_response_id,
            response.conversation_id,
            int(response.background),
            text_of(response.request),
            text_of(response.body),
            change,
        )
        saved, *_ = await self._batch(
            Statement(SAVE, values),
            *_added(response.id, change, is_output=False, items=response.input),
            *_added(response.id, change, is_output=True, items=response.output),
            *_turn(response, change),
        )
        return bool(saved)

    async def settle(self, response: StoredResponse, *, fence: int | None = None) -> bool:
        """Update a response that has not ended."""
        change = random_digits()
        values = (response.id, response.owner, response.status, text_of(response.body), fence, change)
        settled, *_ = await self._batch(
            Statement(SETTLE, values),
            Statement(REMOVE_OUTPUT, (response.id, change)),
            *_added(response.id, change, is_output=True, items=response.output),
            Statement(ADD_TURN, (response.id, change)),
        )
        return bool(settled)

    async def response(self, owner: str, response_id: str) -> StoredResponse | None:
        """One response."""
        key = (response_id, owner)
        rows, items = await self._batch(Statement(READ, key), Statement(READ_ITEMS, key))
        return responses_of(rows, items)[0] if rows else None

    async def delete_response(self, owner: str, response_id: str) -> bool:
        """Remove a response; the schema's cascades remove its rows."""
        return bool(await self._rows(DELETE, response_id, owner))

    async def chain(
        self,
        owner: str,
        response_id: str,
        *,
        responses_max: int,
        bytes_max: int | None = None,
        known: Container[str] = (),
    ) -> list[StoredResponse]:
        """The response and all before it, the oldest first, in two round trips."""
        rows = await self._rows(CHAIN, response_id, owner, responses_max)
        if len(rows) > responses_max:
            raise ChainTooLong
        numbers = [row["number"] for row in rows if row["id"] not in known]
        items = await self._rows(ITEMS, json_of(numbers), bytes_max) if numbers else []
        links = [row | {"owner": owner, "created_at": 0, "body": ""} for row in reversed(rows)]
        return responses_of(links, checked(items, bytes_max))

    async def page_input_items(
        self,
        owner: str,
        response_id: str,
        *,
        responses_max: int,
        limit: int,
        after: str | None = None,
        order: Literal["asc", "desc"] = "asc",
    ) -> ItemPage | None:
        """Some of the items that the response was made from. One more is read, to find out whether more follow."""
        # spec: pages-cost-a-page
        key = (response_id, owner, responses_max, after)
        [start], rows = await self._batch(Statement(INPUT_START, key), Statement(INPUT_PAGE[order], (*key, limit + 1)))
        if (start["length"] or 0) > responses_max:
            raise ChainTooLong
        if start["length"] is None or (after is not None and not start["is_found"]):
            return None
        return ItemPage(items_of(rows[:limit]), has_more=len(rows) > limit)

    async def find_items(
        self, owner: str, item_ids: Collection[str], *, bytes_max: int | None = None
    ) -> dict[str, bytes]:
        """The bodies of those items that exist."""
        rows = await self._rows(FIND_ITEMS, owner, json_of(list(item_ids)), bytes_max)
        return {row["id"]: bytes_of(row["body"]) for row in checked(rows, bytes_max)}


def responses_of(rows: Sequence[Row], items: Sequence[Row]) -> list[StoredResponse]:
    """The responses of rows, with their items."""
    sides: dict[int, tuple[list[StoredItem], list[StoredItem]]] = {row["number"]: ([], []) for row in rows}
    for row in items:
        sides[row["response"]][row["is_output"]].append(StoredItem(row["id"], bytes_of(row["body"])))
    return [_response_of(row, *sides[row["number"]]) for row in rows]


def _response_of(row: Row, input_: list[StoredItem], output: list[StoredItem]) -> StoredResponse:
    return StoredResponse(
        id=row["id"],
        owner=row["owner"],
        status=row["status"],
        created_at=row["created_at"],
        expires_at=row.get("expires_at"),
        previous_response_id=row["previous_response_id"],
        conversation_id=row["conversation_id"],
        background=bool(row.get("background")),
        body=bytes_of(row["body"]),
        request=bytes_of(row.get("request", "")),
        input=input_,
        output=output,
    )


def _added(response_id: str, change: str, *, is_output: bool, items: Sequence[StoredItem]) -> list[Statement]:
    """The statements that add items to a response that this change may have saved."""
    return [
        Statement(ADD_ITEMS, (response_id, change, int(is_output), start, piece)) for start, piece in pieces_of(items)
    ]


def _turn(response: StoredResponse, change: str) -> list[Statement]:
    return [Statement(ADD_TURN, (response.id, change))] if response.conversation_id is not None else []
