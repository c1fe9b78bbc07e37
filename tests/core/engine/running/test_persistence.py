"""What the store gets: input items in their long form, and a Response that is encoded once."""

import asyncio
import json
from typing import Any

import pytest

from core.kit import Answer, FakeUpstream, Json, ask, counted_ids, from_json, service
from penstock import json_codec, wire
from penstock.engine import stored_input
from penstock.stores.memory import MemoryStore
from penstock.transcript.deltas import Finish, TextDelta
from requirements import shows

COMMAND_OUTPUT: Json = {"type": "local_shell_call_output", "output": "x"}
PATCHED: Json = {"type": "apply_patch_call_output", "call_id": "c"}
STORED: dict[str, tuple[Json, Json]] = {
    "a message by a text": (
        {"type": "message", "role": "user", "content": "Hi"},
        {"id": "msg_1", "status": "completed", "content": [{"type": "input_text", "text": "Hi"}]},
    ),
    "an output that is known by its call's id": (
        COMMAND_OUTPUT | {"id": "c"},
        {"id": "lsho_1", "call_id": "c", "status": "completed"},
    ),
    "an output that has an id of its own": (
        COMMAND_OUTPUT | {"id": "x", "call_id": "c"},
        {"id": "lsho_1", "call_id": "c"},
    ),
    "a patch that failed": (PATCHED | {"status": "failed"}, {"id": "apco_1", "status": "failed"}),
    "a patch that was made": (PATCHED | {"status": "completed"}, {"id": "apco_1", "status": "completed"}),
}


@pytest.mark.parametrize(("sent", "stored"), STORED.values(), ids=STORED)
def test_an_item_is_stored_in_its_long_form(sent: Json, stored: Json) -> None:
    item = stored_input(from_json(sent, wire.InputItem), counted_ids())
    body = json.loads(item.body)
    assert item.id == body["id"]
    assert {key: body[key] for key in stored} == stored


class CountingEncoder:
    """The encoder of JSON; it counts the Responses."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.responses = 0
        self._encoder = json_codec._encoder
        monkeypatch.setattr(json_codec, "_encoder", self)

    def encode(self, value: Any) -> bytes:
        self.responses += isinstance(value, wire.Response)
        return self._encoder.encode(value)


@shows("responses-encoded-once")
def test_a_response_is_encoded_once_for_the_store_and_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = CountingEncoder(monkeypatch)

    async def create() -> tuple[Answer, Answer]:
        server = service(FakeUpstream([TextDelta("Hi"), Finish()]), store=MemoryStore())
        created = await ask(server, {"input": "Hi"})
        return created, await ask(server, method="GET", path=f"/v1/responses/{created.json()['id']}", headers={})

    created, retrieved = asyncio.run(create())
    assert (created.status, encoder.responses) == (200, 1)
    assert created.body == retrieved.body
