"""The calls of a store to its service, noted and interrupted."""

from __future__ import annotations

import pytest

from penstock_adapters.dynamodb import DynamoStore


class Calls:
    """The calls of a store to its service. `fails_at` interrupts it there, as the end of its process would."""

    def __init__(self, store: DynamoStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.operations: list[str] = []
        self.fails_at: int | None = None
        api = store._table.api
        call = api.call

        async def noted(path: str, headers: dict[str, str], body: bytes) -> bytes:
            self.operations.append(headers["x-amz-target"].rpartition(".")[2])
            if len(self.operations) == self.fails_at:
                raise Interrupted
            return await call(path, headers, body)

        monkeypatch.setattr(api, "call", noted)


class Interrupted(Exception):
    pass
