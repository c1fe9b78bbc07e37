"""What a request refers to: ids that cannot be any are as good as ids that are not there."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from penstock.engine import resolve
from penstock.engine.request.decode import Decoded
from penstock.errors import ApiError
from penstock.stores.memory import MemoryStore
from penstock.wire import CreateResponse, ItemReference

ODD = "no\0such/thing"


@pytest.mark.parametrize("name", ["missing", ODD])
@pytest.mark.parametrize(
    ("request_of", "status", "code", "param"),
    [
        (lambda name: {"previous_response_id": name}, 400, "previous_response_not_found", "previous_response_id"),
        (lambda name: {"conversation": name}, 404, None, None),
        (lambda name: {"input": [ItemReference(id=name)]}, 400, "item_not_found", "input[0].id"),
    ],
    ids=["previous_response_id", "conversation", "item_reference"],
)
def test_what_is_not_there(name: str, request_of: Any, status: int, code: str | None, param: str) -> None:
    decoded = Decoded(CreateResponse(**({"input": "Hi"} | request_of(name))), {}, 0)
    with pytest.raises(ApiError) as caught:
        asyncio.run(resolve(decoded, MemoryStore(), "owner"))
    assert (caught.value.status, caught.value.code, caught.value.param) == (status, code, param)
