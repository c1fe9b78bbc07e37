"""The SQL of responses, their items and chains of them: each function is one step of a transaction that others make."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Container, Sequence
from itertools import chain as chained
from operator import attrgetter
from typing import Any, Literal

from penstock.ports import ENDED, ChainTooLong, ItemPage, StoredItem, StoredResponse
from penstock.wire import ResponseStatus

from .conversations import ALIVE, BEFORE_ALL, add_turn, within, writable

RUNS = "status IN ('queued', 'in_progress')"

_ITEMS_MAX = 200
"""How many items one statement adds: with each statement the thread gives the interpreter away and wants it back."""

_NAMES = tuple(
    "id owner status created_at expires_at previous_response_id conversation_id background request body".split()
)
_SAVE = f"INSERT INTO responses ({', '.join(_NAMES)}) VALUES ({', '.join('?' * len(_NAMES))})"
_values_of = attrgetter(*_NAMES)

_RUNNING = f"""
SELECT number, conversation_id, fence FROM responses LEFT JOIN leases ON response = number AND until IS NOT NULL
WHERE id = :id AND owner = :owner AND {ALIVE} AND {RUNS}
"""
_SETTLE = "UPDATE responses SET status = :status, body = :body, request = x'' WHERE number = :number"
_DELETE = f"DELETE FROM responses WHERE id = :id AND owner = :owner AND {ALIVE}"

_CHAIN = f"""
WITH RECURSIVE chain (depth, number, id, status, previous_response_id, conversation_id) AS (
    SELECT 1, number, id, status, previous_response_id, conversation_id
    FROM responses WHERE id = :id AND owner = :owner AND {ALIVE}
    UNION ALL
    SELECT depth + 1, link.number, link.id, link.status, link.previous_response_id, link.conversation_id
    FROM chain JOIN responses AS link ON link.id = chain.previous_response_id
    WHERE owner = :owner AND {ALIVE} AND depth <= :responses_max
)
SELECT number, id, status, previous_response_id, conversation_id FROM chain ORDER BY depth DESC
"""
"""Up to one link more than there may be."""

_ITEMS = """
SELECT response, is_output, id, body FROM response_items
WHERE response IN (SELECT value FROM json_each(?)) ORDER BY response, is_output, position
"""

_INPUT = """
SELECT turn.key AS turn, is_output, position, item.rowid AS number
FROM json_each(:turns) AS turn CROSS JOIN response_items AS item ON response = turn.value
WHERE NOT (is_output AND response = :last)
"""
"""The places of the items that the last of these responses was made from; the index that is walked has no bodies."""
_INPUT_PAGE = {
    order: f"""
    SELECT item.id, item.body FROM (
        SELECT * FROM ({_INPUT}) WHERE (turn, is_output, position) {behind} (:turn, :is_output, :position)
        ORDER BY turn {order}, is_output {order}, position {order} LIMIT :more
    ) AS place CROSS JOIN response_items AS item ON item.rowid = place.number
    ORDER BY turn {order}, place.is_output {order}, place.position {order}
    """
    for order, behind in (("asc", ">"), ("desc", "<"))
}
_PLACES = """
SELECT response, is_output, position FROM response_items
WHERE id = :after AND +response IN (SELECT value FROM json_each(:turns)) AND NOT (is_output AND response = :last)
"""

_FIND = f"""
SELECT item.id, item.body FROM response_items AS item JOIN responses ON number = response
WHERE item.id IN (SELECT value FROM json_each(:ids)) AND owner = :owner AND {ALIVE}
UNION ALL
SELECT item.id, item.body FROM conversation_items AS item JOIN conversations ON number = conversation
WHERE item.id IN (SELECT value FROM json_each(:ids)) AND owner = :owner AND {ALIVE}
"""


def save(db: sqlite3.Connection, response: StoredResponse, now: int) -> bool:
    """Add a response with its items."""
    may, conversation = _may_become(db, response, response.conversation_id, now)
    if not may:
        return False
    number = db.execute(_SAVE, _values_of(response)).lastrowid or 0
    _add_items(db, number, response.input, response.output)
    if conversation is not None:
        add_turn(db, conversation, number)
    return True


def settle(db: sqlite3.Connection, response: StoredResponse, fence: int | None, now: int) -> bool:
    """Change a response that has not ended."""
    known = db.execute(_RUNNING, {"id": response.id, "owner": response.owner, "now": now}).fetchone()
    if known is None or (fence is not None and fence != known[2]):
        return False
    number, conversation_id, _ = known
    may, conversation = _may_become(db, response, conversation_id, now)
    if not may:
        return False
    db.execute(_SETTLE, {"number": number, "status": response.status, "body": response.body})
    db.execute("DELETE FROM response_items WHERE response = ? AND is_output = 1", (number,))
    _add_items(db, number, [], response.output)
    if conversation is not None:
        add_turn(db, conversation, number)
    if response.status in ENDED:
        db.execute("DELETE FROM leases WHERE response = ?", (number,))
    return True


def one(db: sqlite3.Connection, owner: str, response_id: str, now: int) -> StoredResponse | None:
    """One response."""
    # spec: owners
    found = load(db, f"id = :id AND owner = :owner AND {ALIVE}", {"id": response_id, "owner": owner, "now": now})
    return found[0] if found else None


def delete(db: sqlite3.Connection, owner: str, response_id: str, now: int) -> bool:
    """Remove a response and all that is its own."""
    return db.execute(_DELETE, {"id": response_id, "owner": owner, "now": now}).rowcount == 1


def chain(
    db: sqlite3.Connection,
    owner: str,
    response_id: str,
    responses_max: int,
    bytes_max: int | None,
    known: Container[str],
    now: int,
) -> list[StoredResponse]:
    """The response and all before it, oldest first; those that are known without their items."""
    rows = _links(db, owner, response_id, responses_max, now)
    links = [
        StoredResponse(
            id=id_,
            owner=owner,
            status=status,
            created_at=0,
            previous_response_id=previous_response_id,
            conversation_id=conversation_id,
            body=b"",
        )
        for _, id_, status, previous_response_id, conversation_id in rows
    ]
    _fill(db, {row[0]: link for row, link in zip(rows, links, strict=True) if link.id not in known}, bytes_max)
    return links


def page_input(
    db: sqlite3.Connection,
    owner: str,
    response_id: str,
    *,
    responses_max: int,
    after: str | None,
    limit: int,
    order: Literal["asc", "desc"],
    now: int,
) -> ItemPage | None:
    """Some of the items that the response was made from, and one more to see whether there is one."""
    numbers = [number for number, *_ in _links(db, owner, response_id, responses_max, now)]
    if not numbers:
        return None
    chain = {"turns": json.dumps(numbers), "last": numbers[-1]}
    place: tuple[int, int, int] | None = (BEFORE_ALL[order], 0, 0)
    if after is not None:
        turns = {number: turn for turn, number in enumerate(numbers)}
        found = [(turns[number], *rest) for number, *rest in db.execute(_PLACES, chain | {"after": after})]
        place = (min if order == "asc" else max)(found, default=None)
    if place is None:
        return None
    behind = dict(zip(("turn", "is_output", "position"), place, strict=True))
    # spec: pages-cost-a-page
    rows = db.execute(_INPUT_PAGE[order], chain | behind | {"more": limit + 1}).fetchall()
    return ItemPage([StoredItem(*row) for row in rows[:limit]], has_more=len(rows) > limit)


def load(db: sqlite3.Connection, condition: str, fields: dict[str, Any]) -> list[StoredResponse]:
    """The responses of a condition, whole."""
    rows = db.execute(f"SELECT number, {', '.join(_NAMES)} FROM responses WHERE {condition}", fields).fetchall()
    found = [StoredResponse(**dict(zip(_NAMES, row[1:], strict=True))) for row in rows]
    for response in found:
        response.background = bool(response.background)
    _fill(db, {row[0]: response for row, response in zip(rows, found, strict=True)}, None)
    return found


def find_items(
    db: sqlite3.Connection, owner: str, item_ids: Collection[str], bytes_max: int | None, now: int
) -> dict[str, bytes]:
    """The bodies of the items that there are."""
    fields = {"ids": json.dumps(list(item_ids)), "owner": owner, "now": now}
    return dict(within(bytes_max, db.execute(_FIND, fields)))


def _links(
    db: sqlite3.Connection, owner: str, response_id: str, responses_max: int, now: int
) -> list[tuple[int, str, ResponseStatus, str | None, str | None]]:
    """The rows of a chain, oldest first."""
    fields = {"id": response_id, "owner": owner, "responses_max": responses_max, "now": now}
    rows = db.execute(_CHAIN, fields).fetchall()
    if len(rows) > responses_max:
        raise ChainTooLong
    return rows


def _may_become(
    db: sqlite3.Connection, response: StoredResponse, conversation_id: str | None, now: int
) -> tuple[bool, int | None]:
    """Whether its conversation allows the response its status, and the conversation's number if it gets the turn."""
    if response.status != "completed" or conversation_id is None:
        return True, None
    conversation = writable(db, response.owner, conversation_id, response.id, now)
    return conversation is not None, conversation


def _add_items(db: sqlite3.Connection, number: int, given: Sequence[StoredItem], said: Sequence[StoredItem]) -> None:
    """Add items of input and output."""
    rows = [(number, False, n, item.id, item.body) for n, item in enumerate(given)]
    rows += [(number, True, n, item.id, item.body) for n, item in enumerate(said)]
    # spec: few-bytes-written
    for start in range(0, len(rows), _ITEMS_MAX):
        some = rows[start : start + _ITEMS_MAX]
        places = ", ".join(["(?, ?, ?, ?, ?)"] * len(some))
        sql = f"INSERT INTO response_items (response, is_output, position, id, body) VALUES {places}"
        db.execute(sql, list(chained(*some)))


def _fill(db: sqlite3.Connection, responses: dict[int, StoredResponse], bytes_max: int | None) -> None:
    """Give the responses of these numbers their items."""
    sides = {number: (response.input, response.output) for number, response in responses.items()}
    for number, is_output, id_, body in within(bytes_max, db.execute(_ITEMS, (json.dumps(list(sides)),))):
        sides[number][is_output].append(StoredItem(id_, body))
