"""What input items look like in the store."""

import json

import pytest

from core.kit import Json, counted_ids, from_json
from penstock import wire
from penstock.engine import stored_input

COMMAND_OUTPUT: Json = {"type": "local_shell_call_output", "output": "x"}
PATCHED: Json = {"type": "apply_patch_call_output", "call_id": "c"}
KEPT: dict[str, tuple[Json, Json]] = {
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


@pytest.mark.parametrize(("sent", "stored"), KEPT.values(), ids=KEPT)
def test_an_item_is_stored_in_its_long_form(sent: Json, stored: Json) -> None:
    item = stored_input(from_json(sent, wire.InputItem), counted_ids())
    body = json.loads(item.body)
    assert item.id == body["id"]
    assert {key: body[key] for key in stored} == stored
