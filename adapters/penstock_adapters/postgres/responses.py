"""Responses and their items: saved, settled, read, chained and found, each by one statement.

A response's own items are in `response_items`. When it completes in a conversation they are copied to the end of the
conversation, since either may be deleted before the other.
"""

from __future__ import annotations

from collections.abc import Collection, Container
from typing import Literal

from penstock.ports import ChainTooLong, ItemPage, StoredItem, StoredResponse

from ._base import StorePart
from .database import Row
from .rows import ALIVE, ITEMS, RESPONSE, RUNS, arrays, check_bytes, items_of, response_of

# $1 to $10 are the row, $11 and $12 the ids and bodies of input and output, $13 how many of them are input.
_ADD_RESPONSE = """
    INSERT INTO responses (
        id, owner, status, created_at, expires_at, previous_response_id, conversation_id, background, body, request
    )
    SELECT $1::text, $2::text, $3::text, $4::bigint, $5::bigint, $6::text, $7::text, $8::boolean, $9::bytea, $10::bytea
"""
_ADD_ITEMS = """
    INSERT INTO response_items (response_id, is_output, place, owner, id, body)
    SELECT saved.id, place > $13, CASE WHEN place > $13 THEN place - $13 ELSE place END, $2, entry.id, entry.body
    FROM saved, unnest($11::text[], $12::bytea[]) WITH ORDINALITY AS entry (id, body, place)
"""
SAVE = f"""
    WITH saved AS ({_ADD_RESPONSE} RETURNING id), stored AS ({_ADD_ITEMS})
    SELECT FROM saved
"""
SAVE_IN_CONVERSATION = f"""
    WITH target AS (
        UPDATE conversations SET next_place = next_place + cardinality($11::text[])
        WHERE id = $7 AND owner = $2 AND writer = $1 AND {ALIVE}
        RETURNING id, next_place - cardinality($11::text[]) AS first
    ), saved AS (
        {_ADD_RESPONSE} FROM target RETURNING id
    ), stored AS (
        {_ADD_ITEMS}
    ), copied AS (
        INSERT INTO conversation_items (conversation_id, place, owner, id, body)
        SELECT target.id, target.first + entry.place - 1, $2, entry.id, entry.body
        FROM target, unnest($11::text[], $12::bytea[]) WITH ORDINALITY AS entry (id, body, place)
        ON CONFLICT (conversation_id, id) DO NOTHING
    )
    SELECT FROM saved
"""

# $3 is the new status, $4 the body, $5 the fence or NULL, $6 and $7 the output's ids and bodies.
_MAY_SETTLE = f"""
    id = $1 AND owner = $2 AND {RUNS} AND {ALIVE}
    AND ($5::bigint IS NULL OR (fence = $5 AND leased_until IS NOT NULL))
"""
_NEW_OUTPUT = """
    INSERT INTO response_items (response_id, is_output, place, owner, id, body)
    SELECT settled.id, true, entry.place, $2, entry.id, entry.body
    FROM settled, unnest($6::text[], $7::bytea[]) WITH ORDINALITY AS entry (id, body, place)
    ON CONFLICT (response_id, is_output, place) DO UPDATE SET id = excluded.id, body = excluded.body
"""
_OLD_OUTPUT = """
    DELETE FROM response_items item USING settled
    WHERE item.response_id = settled.id AND item.is_output AND item.place > cardinality($6::text[])
"""
SETTLE = f"""
    WITH settled AS (
        UPDATE responses SET status = $3, body = $4, request = ''
        WHERE {_MAY_SETTLE} AND ($3 <> 'completed' OR conversation_id IS NULL) RETURNING id, background
    ), added AS ({_NEW_OUTPUT}), removed AS ({_OLD_OUTPUT})
    SELECT background FROM settled
"""
SETTLE_IN_CONVERSATION = f"""
    WITH known AS MATERIALIZED (
        SELECT id, conversation_id FROM responses WHERE {_MAY_SETTLE} FOR UPDATE
    ), entry AS MATERIALIZED (
        SELECT item.id, item.body, false AS is_output, item.place
        FROM known JOIN response_items item ON item.response_id = known.id AND NOT item.is_output
        UNION ALL
        SELECT id, body, true, place FROM unnest($6::text[], $7::bytea[]) WITH ORDINALITY AS output (id, body, place)
    ), target AS (
        UPDATE conversations SET next_place = next_place + (SELECT count(*) FROM entry)
        FROM known WHERE conversations.id = known.conversation_id AND owner = $2 AND writer = $1 AND {ALIVE}
        RETURNING conversations.id, next_place - (SELECT count(*) FROM entry) AS first
    ), settled AS (
        UPDATE responses SET status = $3, body = $4, request = '' FROM target WHERE responses.id = $1
        RETURNING responses.id, background
    ), added AS ({_NEW_OUTPUT}), removed AS ({_OLD_OUTPUT}), copied AS (
        INSERT INTO conversation_items (conversation_id, place, owner, id, body)
        SELECT target.id, target.first - 1 + row_number() OVER (ORDER BY is_output, place), $2, entry.id, entry.body
        FROM target, entry ON CONFLICT (conversation_id, id) DO NOTHING
    )
    SELECT background FROM settled
"""

READ = f"{RESPONSE} WHERE id = $2 AND owner = $1 AND {ALIVE}"
DELETE = f"DELETE FROM responses WHERE id = $2 AND owner = $1 AND {ALIVE} RETURNING background"

# One response more than allowed shows that there are too many.
_KNOWN = f"""
    known AS (
        SELECT id, status, created_at, previous_response_id, conversation_id, 1 AS length
        FROM responses WHERE id = $2 AND owner = $1 AND {ALIVE}
        UNION ALL
        SELECT prior.id, prior.status, prior.created_at, prior.previous_response_id, prior.conversation_id, length + 1
        FROM known JOIN responses prior ON prior.id = known.previous_response_id
        WHERE owner = $1 AND {ALIVE} AND length <= $3
    )
"""
CHAIN = f"""
    WITH RECURSIVE {_KNOWN}
    SELECT id, status, created_at, previous_response_id, conversation_id, item_ids, input_count, bytes,
        CASE WHEN $4::bigint IS NULL OR bytes <= $4 THEN item_bodies END AS item_bodies
    FROM (SELECT known.*, items.*, (sum(item_bytes) OVER ())::bigint AS bytes FROM known {ITEMS}) AS whole
    ORDER BY length DESC
"""

# The items that the response was made from, without their bodies, by turns that count from the newest; `start` is the
# position of the item before the page. No row means that the response does not exist, or that item; an item of NULL
# means that the page is empty.
_INPUT_PAGE = f"""
    WITH RECURSIVE {_KNOWN}, listed AS (
        SELECT -length AS turn, item.*
        FROM known CROSS JOIN LATERAL (
            SELECT response_id, is_output, place, id FROM response_items
            WHERE response_id = known.id AND NOT (is_output AND length = 1) ORDER BY is_output, place
        ) AS item
    ), start AS (
        SELECT turn, is_output, place FROM listed WHERE id = $4
        ORDER BY turn {{order}}, is_output {{order}}, place {{order}} LIMIT 1
    )
    SELECT chain.length, page.id, (
        SELECT body FROM response_items item
        WHERE (item.response_id, item.is_output, item.place) = (page.response_id, page.is_output, page.place)
    ) AS body
    FROM (SELECT max(length) AS length FROM known) AS chain LEFT JOIN LATERAL (
        SELECT * FROM listed
        WHERE $4::text IS NULL OR (turn, is_output, place) {{behind}} (SELECT turn, is_output, place FROM start)
        ORDER BY turn {{order}}, is_output {{order}}, place {{order}} LIMIT $5
    ) AS page ON true
    WHERE chain.length > $3 OR (chain.length > 0 AND ($4::text IS NULL OR EXISTS (SELECT FROM start)))
    ORDER BY turn {{order}}, is_output {{order}}, place {{order}}
"""
INPUT_PAGE = {
    "asc": _INPUT_PAGE.format(behind=">", order="ASC"),
    "desc": _INPUT_PAGE.format(behind="<", order="DESC"),
}

# One look-up for each id and table: clients choose ids too, and an owner may have thousands of items with one id.
FIND_ITEMS = f"""
    SELECT wanted.id, (sum(octet_length(found.body)) OVER ())::bigint AS bytes,
        CASE WHEN $3::bigint IS NULL OR sum(octet_length(found.body)) OVER () <= $3 THEN found.body END AS body
    FROM unnest($2::text[]) AS wanted (id) CROSS JOIN LATERAL (
        (
            SELECT item.body FROM response_items item JOIN responses holder ON holder.id = item.response_id
            WHERE item.owner = $1 AND item.id = wanted.id AND {ALIVE} LIMIT 1
        ) UNION ALL (
            SELECT item.body FROM conversation_items item JOIN conversations holder ON holder.id = item.conversation_id
            WHERE item.owner = $1 AND item.id = wanted.id AND {ALIVE} LIMIT 1
        ) LIMIT 1
    ) AS found
"""


class PostgresResponses(StorePart):
    """Responses and their items."""

    async def save(self, response: StoredResponse) -> bool:
        """Add a response; if it has completed in a conversation, to that too."""
        ids, bodies = arrays(response.input + response.output)
        saved = await self._database.change(
            SAVE_IN_CONVERSATION if _completes_in_conversation(response) else SAVE,
            response.id,
            response.owner,
            response.status,
            response.created_at,
            response.expires_at,
            response.previous_response_id,
            response.conversation_id,
            response.background,
            response.body,
            response.request,
            ids,
            bodies,
            len(response.input),
        )
        return bool(saved)

    async def settle(self, response: StoredResponse, *, fence: int | None = None) -> bool:
        """Change a response that has not ended.

        Each of the two statements changes only a response that is stored with a conversation, or without. The one that
        fits the given response runs first, the other one only if the first changes nothing.
        """
        statements = [SETTLE, SETTLE_IN_CONVERSATION] if response.status == "completed" else [SETTLE]
        if response.conversation_id is not None:
            statements.reverse()
        arguments = (response.status, response.body, fence, *arrays(response.output))
        settled: list[Row] = []
        for statement in statements:
            settled = await self._database.change(statement, response.id, response.owner, *arguments)
            if settled:
                break
        return self._notify(response.id, settled)

    async def response(self, owner: str, response_id: str) -> StoredResponse | None:
        """One response."""
        rows = await self._database.read(READ, owner, response_id)
        return response_of(rows[0]) if rows else None

    async def delete_response(self, owner: str, response_id: str) -> bool:
        """Delete a response; the schema's cascades delete its rows."""
        return self._notify(response_id, await self._database.change(DELETE, owner, response_id))

    async def chain(
        self,
        owner: str,
        response_id: str,
        *,
        responses_max: int,
        bytes_max: int | None = None,
        known: Container[str] = (),
    ) -> list[StoredResponse]:
        """The response and all before it, oldest first, in one round trip."""
        rows = await self._database.read(CHAIN, owner, response_id, responses_max, bytes_max)
        if len(rows) > responses_max:
            raise ChainTooLong
        check_bytes(rows, bytes_max)
        return [_chain_response(owner, row) for row in rows]

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
        """Some of the items that the response was made from. One more is read, to know whether there are more."""
        rows = await self._database.read(INPUT_PAGE[order], owner, response_id, responses_max, after, limit + 1)
        if not rows:
            return None
        if rows[0]["length"] > responses_max:
            raise ChainTooLong
        items = [StoredItem(row["id"], row["body"]) for row in rows if row["id"] is not None]
        return ItemPage(items[:limit], has_more=len(items) > limit)

    async def find_items(
        self, owner: str, item_ids: Collection[str], *, bytes_max: int | None = None
    ) -> dict[str, bytes]:
        """The bodies of the items that exist."""
        rows = await self._database.read(FIND_ITEMS, owner, list(item_ids), bytes_max)
        check_bytes(rows, bytes_max)
        return {row["id"]: row["body"] for row in rows}

    def _notify(self, response_id: str, changed: list[Row]) -> bool:
        """Notify of a change, if there was one: only background responses have readers of their events."""
        if changed and changed[0]["background"]:
            self._notifications.send(response_id)
        return bool(changed)


def _completes_in_conversation(response: StoredResponse) -> bool:
    return response.status == "completed" and response.conversation_id is not None


def _chain_response(owner: str, row: Row) -> StoredResponse:
    """A response of a chain, without its body."""
    input_items, output_items = items_of(row)
    return StoredResponse(
        id=row["id"],
        owner=owner,
        status=row["status"],
        created_at=row["created_at"],
        previous_response_id=row["previous_response_id"],
        conversation_id=row["conversation_id"],
        body=b"",
        input=input_items,
        output=output_items,
    )
