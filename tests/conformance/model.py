"""What a store is, written as simply as possible: the model that every engine is compared with.

Dictionaries, copies and loops; no bounds, no speed, and nothing shared with any engine.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from penstock.ports import ENDED, Claim, EventBatch, StoredConversation, StoredItem, StoredResponse

Row = StoredResponse | StoredConversation


class ModelResponse(msgspec.Struct):
    row: StoredResponse
    log: list[EventBatch] = []
    fence: int = 0
    until: float | None = None

    @property
    def runs(self) -> bool:
        return self.row.status not in ENDED


class ModelConversation(msgspec.Struct):
    row: StoredConversation
    items: list[StoredItem] = []
    writer: str | None = None
    until: float = 0.0

    def add(self, items: list[StoredItem]) -> None:
        for item in items:
            if item.id not in {known.id for known in self.items}:
                self.items.append(item)


class Model:
    """The rows. `clock` judges whether a row has expired."""

    def __init__(self, clock: float) -> None:
        self.clock = clock
        self.responses: dict[str, ModelResponse] = {}
        self.conversations: dict[str, ModelConversation] = {}

    def alive(self, row: Row, owner: str | None = None) -> bool:
        expired = row.expires_at is not None and row.expires_at <= self.clock
        return not expired and owner in {None, row.owner}

    def response(self, response_id: str, owner: str | None = None) -> ModelResponse | None:
        known = self.responses.get(response_id)
        return known if known and self.alive(known.row, owner) else None

    def conversation(self, conversation_id: str, owner: str | None = None) -> ModelConversation | None:
        known = self.conversations.get(conversation_id)
        return known if known and self.alive(known.row, owner) else None

    def held(self, claim: Claim) -> ModelResponse | None:
        known = self.response(claim.response_id)
        return known if known and known.runs and known.until is not None and known.fence == claim.fence else None

    # Responses.

    def save(self, row: StoredResponse) -> bool:
        return self._becomes(row, ModelResponse(row))

    def settle(self, row: StoredResponse, fence: int | None) -> bool:
        known = self.response(row.id, row.owner)
        if known is None or not known.runs:
            return False
        if fence is not None and self.held(Claim(row.id, fence)) is None:
            return False
        settled = replace(known.row, status=row.status, body=row.body, output=row.output, request=b"")
        return self._becomes(settled, known)

    def _becomes(self, row: StoredResponse, entry: ModelResponse) -> bool:
        if row.status == "completed" and row.conversation_id:
            conversation = self.conversation(row.conversation_id, row.owner)
            if conversation is None or conversation.writer != row.id:
                return False
            conversation.add(row.input + row.output)
        entry.row = row
        self.responses[row.id] = entry
        return True

    def delete_response(self, owner: str, response_id: str) -> bool:
        return bool(self.response(response_id, owner) and self.responses.pop(response_id))

    def chain(self, owner: str, response_id: str | None) -> list[StoredResponse]:
        known = self.response(response_id, owner) if response_id else None
        return [*self.chain(owner, known.row.previous_response_id), known.row] if known else []

    def bodies(self, owner: str, item_id: str) -> set[bytes]:
        """Every body that the id has somewhere."""
        lists = [r.row.input + r.row.output for r in self.responses.values() if self.alive(r.row, owner)]
        lists += [c.items for c in self.conversations.values() if self.alive(c.row, owner)]
        return {item.body for items in lists for item in items if item.id == item_id}

    # Leases.

    def claim(self, response_id: str, now: float, until: float) -> Claim | None:
        known = self.response(response_id)
        if known is None or not known.runs or (known.until is not None and known.until > now):
            return None
        known.fence, known.until = known.fence + 1, until
        return Claim(response_id, known.fence)

    def renew(self, claims: list[Claim], until: float | None) -> set[str]:
        for claim in claims:
            if held := self.held(claim):
                held.until = until
        return {claim.response_id for claim in claims if self.held(claim) is None}

    def unclaimed(self, now: float) -> list[StoredResponse]:
        free = [r for r in self.responses.values() if r.runs and r.row.background and self.alive(r.row)]
        rows = [r.row for r in free if r.until is None or r.until <= now]
        return sorted(rows, key=lambda row: row.created_at)

    # Conversations.

    def save_conversation(self, row: StoredConversation, items: list[StoredItem]) -> None:
        self.conversations[row.id] = ModelConversation(row)
        self.conversations[row.id].add(items)

    def lock(self, conversation_id: str, writer: str, now: float, until: float) -> bool:
        known = self.conversation(conversation_id)
        if known is None or (known.writer not in {None, writer} and known.until > now):
            return False
        known.writer, known.until = writer, until
        return True

    def page(
        self, owner: str, conversation_id: str, after: str | None, limit: int | None, order: str
    ) -> tuple[list[StoredItem], bool] | None:
        known = self.conversation(conversation_id, owner)
        return self._page(known.items, after, limit, order) if known else None

    def page_input(
        self, owner: str, response_id: str, after: str | None, limit: int, order: str
    ) -> tuple[list[StoredItem], bool] | None:
        chain = self.chain(owner, response_id)
        if not chain:
            return None
        items = [item for row in chain[:-1] for item in row.input + row.output]
        return self._page(items + chain[-1].input, after, limit, order)

    def _page(
        self, items: list[StoredItem], after: str | None, limit: int | None, order: str
    ) -> tuple[list[StoredItem], bool] | None:
        ordered = items if order == "asc" else items[::-1]
        ids = [item.id for item in ordered]
        if after is not None and after not in ids:
            return None
        behind = ordered[ids.index(after) + 1 if after is not None else 0 :]
        return behind[:limit], len(behind[:limit]) < len(behind)

    # Retention.

    def expired(self, now: float) -> list[Row]:
        rows: list[Row] = [entry.row for entry in self.responses.values()]
        rows += [entry.row for entry in self.conversations.values()]
        return [row for row in rows if row.expires_at is not None and row.expires_at <= now]

    def remove(self, rows: list[Row]) -> None:
        for row in rows:
            self.responses.pop(row.id, None)
            self.conversations.pop(row.id, None)
