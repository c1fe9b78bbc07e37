"""The SQL of responses, their items and chains. Each function is a step of a transaction that its caller controls."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Container, Sequence
from itertools import chain as chained
from operator import attrgetter
from typing import Any, Literal

from penstock.ports import ENDED, ChainTooLong, ItemPage, StoredItem, StoredResponse
from penstock.wire import ResponseStatus

from .conversations import BEFORE_ALL, UNEXPIRED, add_turn, fetch_within, number_if_writer

IS_RUNNING = "status IN ('queued', 'in_progress')"

_ITEMS_MAX = 200
"""How many items one statement adds: each statement releases the interpreter lock and takes it again."""

_NAMES = tuple(
    "id owner status created_at expires_at previous_response_id conversation_id background request body".split()
)
_SAVE = f"INSERT INTO responses ({', '.join(_NAMES)}) VALUES ({', '.join('?' * len(_NAMES))})"
_values_of = attrgetter(*_NAMES)

_RUNNING = f"""
SELECT number, conversation_id, fence FROM responses LEFT JOIN leases ON response = number AND until IS NOT NULL
WHERE id = :id AND owner = :owner AND {UNEXPIRED} AND {IS_RUNNING}
"""
_SETTLE = "UPDATE responses SET status = :status, body = :body, request = x'' WHERE number = :number"
_DELETE = f"DELETE FROM responses WHERE id = :id AND owner = :owner AND {UNEXPIRED}"

_CHAIN = f"""
WITH RECURSIVE chain (depth, number, id, status, previous_response_id, conversation_id) AS (
    SELECT 1, number, id, status, previous_response_id, conversation_id
    FROM responses WHERE id = :id AND owner = :owner AND {UNEXPIRED}
    UNION ALL
    SELECT depth + 1, link.number, link.id, link.status, link.previous_response_id, link.conversation_id
    FROM chain JOIN responses AS link ON link.id = chain.previous_response_id
    WHERE owner = :owner AND {UNEXPIRED} AND depth <= :responses_max
)
SELECT number, id, status, previous_response_id, conversation_id FROM chain
"""
"""It returns one response more than the limit, where there are more. Each leads to the next: the newest comes first."""

_ITEMS = """
SELECT response, is_output, id, body FROM response_items
WHERE response IN (SELECT value FROM json_each(?)) ORDER BY response, is_output, position
"""

_INPUT = """
SELECT turn.key AS turn, is_output, position, item.rowid AS number
FROM json_each(:turns) AS turn CROSS JOIN response_items AS item ON response = turn.value
WHERE NOT (is_output AND response = :last)
"""
"""The positions of the items in the context of the last of these responses. Its index contains no bodies."""
_INPUT_PAGE = {
    order: f"""
    SELECT item.id, item.body FROM (
        SELECT * FROM ({_INPUT}) WHERE (turn, is_output, position) {comparison} (:turn, :is_output, :position)
        ORDER BY turn {order}, is_output {order}, position {order} LIMIT :more
    ) AS found CROSS JOIN response_items AS item ON item.rowid = found.number
    ORDER BY turn {order}, found.is_output {order}, found.position {order}
    """
    for order, comparison in (("asc", ">"), ("desc", "<"))
}
_POSITIONS = """
SELECT response, is_output, position FROM response_items
WHERE id = :after AND +response IN (SELECT value FROM json_each(:turns)) AND NOT (is_output AND response = :last)
"""

_FIND = f"""
SELECT item.id, item.body FROM response_items AS item JOIN responses ON number = response
WHERE item.id IN (SELECT value FROM json_each(:ids)) AND owner = :owner AND {UNEXPIRED}
UNION ALL
SELECT item.id, item.body FROM conversation_items AS item JOIN conversations ON number = conversation
WHERE item.id IN (SELECT value FROM json_each(:ids)) AND owner = :owner AND {UNEXPIRED}
"""


def save(db: sqlite3.Connection, response: StoredResponse, now: int) -> bool:
    """Add a response with its items."""
    is_allowed, conversation = _may_complete(db, response, response.conversation_id, now)
    if not is_allowed:
        return False
    number = db.execute(_SAVE, _values_of(response)).lastrowid or 0
    _add_items(db, number, response.input, response.output)
    if conversation is not None:
        add_turn(db, conversation, number)
    return True


def settle(db: sqlite3.Connection, response: StoredResponse, fence: int | None, now: int) -> bool:
    """Update a response that has not ended."""
    running = db.execute(_RUNNING, {"id": response.id, "owner": response.owner, "now": now}).fetchone()
    if running is None or (fence is not None and fence != running[2]):
        return False
    number, conversation_id, _ = running
    is_allowed, conversation = _may_complete(db, response, conversation_id, now)
    if not is_allowed:
        return False
    db.execute(_SETTLE, {"number": number, "status": response.status, "body": response.body})
    db.execute("DELETE FROM response_items WHERE response = ? AND is_output = 1", (number,))
    _add_items(db, number, [], response.output)
    if conversation is not None:
        add_turn(db, conversation, number)
    if response.status in ENDED:
        db.execute("DELETE FROM leases WHERE response = ?", (number,))
    return True


def get(db: sqlite3.Connection, owner: str, response_id: str, now: int) -> StoredResponse | None:
    """One response."""
    # spec: owners
    found = load(db, f"id = :id AND owner = :owner AND {UNEXPIRED}", {"id": response_id, "owner": owner, "now": now})
    return found[0] if found else None


def delete(db: sqlite3.Connection, owner: str, response_id: str, now: int) -> bool:
    """Remove a response with its items, its events and its lease."""
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
    """The response and all before it, the oldest first. Those in `known` have no items."""
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
    """A page of the input items of a response. One more is read, to find out whether more follow."""
    numbers = [number for number, *_ in _links(db, owner, response_id, responses_max, now)]
    if not numbers:
        return None
    chain = {"turns": json.dumps(numbers), "last": numbers[-1]}
    start: tuple[int, int, int] | None = (BEFORE_ALL[order], 0, 0)
    if after is not None:
        turns = {number: turn for turn, number in enumerate(numbers)}
        found = [(turns[number], *rest) for number, *rest in db.execute(_POSITIONS, chain | {"after": after})]
        start = (min if order == "asc" else max)(found, default=None)
    if start is None:
        return None
    position = dict(zip(("turn", "is_output", "position"), start, strict=True))
    # spec: pages-cost-a-page
    rows = db.execute(_INPUT_PAGE[order], chain | position | {"more": limit + 1}).fetchall()
    return ItemPage([StoredItem(*row) for row in rows[:limit]], has_more=len(rows) > limit)


def load(db: sqlite3.Connection, condition: str, fields: dict[str, Any]) -> list[StoredResponse]:
    """The responses that satisfy a condition, with all their fields."""
    rows = db.execute(f"SELECT number, {', '.join(_NAMES)} FROM responses WHERE {condition}", fields).fetchall()
    found = [StoredResponse(**dict(zip(_NAMES, row[1:], strict=True))) for row in rows]
    for response in found:
        response.background = bool(response.background)
    _fill(db, {row[0]: response for row, response in zip(rows, found, strict=True)}, None)
    return found


def find_items(
    db: sqlite3.Connection, owner: str, item_ids: Collection[str], bytes_max: int | None, now: int
) -> dict[str, bytes]:
    """The bodies of those items that exist."""
    fields = {"ids": json.dumps(list(item_ids)), "owner": owner, "now": now}
    return dict(fetch_within(bytes_max, db.execute(_FIND, fields)))


def _links(
    db: sqlite3.Connection, owner: str, response_id: str, responses_max: int, now: int
) -> list[tuple[int, str, ResponseStatus, str | None, str | None]]:
    """The rows of a chain, the oldest first."""
    fields = {"id": response_id, "owner": owner, "responses_max": responses_max, "now": now}
    rows = db.execute(_CHAIN, fields).fetchall()
    if len(rows) > responses_max:
        raise ChainTooLong
    return rows[::-1]


def _may_complete(
    db: sqlite3.Connection, response: StoredResponse, conversation_id: str | None, now: int
) -> tuple[bool, int | None]:
    """Whether the response may complete, and the number of the conversation that gets its items, if there is one."""
    if response.status != "completed" or conversation_id is None:
        return True, None
    conversation = number_if_writer(db, response.owner, conversation_id, response.id, now)
    return conversation is not None, conversation


def _add_items(db: sqlite3.Connection, number: int, input_: Sequence[StoredItem], output: Sequence[StoredItem]) -> None:
    """Add items of input and output."""
    rows = [(number, False, n, item.id, item.body) for n, item in enumerate(input_)]
    rows += [(number, True, n, item.id, item.body) for n, item in enumerate(output)]
    # spec: few-bytes-written
    for start in range(0, len(rows), _ITEMS_MAX):
        some = rows[start : start + _ITEMS_MAX]
        placeholders = ", ".join(["(?, ?, ?, ?, ?)"] * len(some))
        sql = f"INSERT INTO response_items (response, is_output, position, id, body) VALUES {placeholders}"
        db.execute(sql, list(chained(*some)))


def _fill(db: sqlite3.Connection, responses: dict[int, StoredResponse], bytes_max: int | None) -> None:
    """Set the items of the responses of these numbers."""
    sides = {number: (response.input, response.output) for number, response in responses.items()}
    for number, is_output, id_, body in fetch_within(bytes_max, db.execute(_ITEMS, (json.dumps(list(sides)),))):
        sides[number][is_output].append(StoredItem(id_, body))
