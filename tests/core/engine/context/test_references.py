"""Items that come back: what the store is asked for, and what of it the model's upstream gets."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

import pytest

from core.kit import encode
from penstock.engine.context.references import dereferenced
from penstock.ports import TooManyBytes
from penstock.returned import Returned, carried, carry
from penstock.stores.memory import MemoryStore
from penstock.wire import FunctionCall, FunctionCallOutput, InputItem, ItemReference, Message, ReasoningItem
from requirements import shows

WANTED = Returned(origin="there", turn={})
USER = Message(role="user", content="Hi")


def call(item_id: str, **fields: Any) -> FunctionCall:
    return FunctionCall(id=item_id, call_id="c", name="f", arguments="{}", **fields)


GAVE = FunctionCallOutput(call_id="c", output="done")


class Asked(MemoryStore):
    """It has one item, and remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []

    async def find_items(self, owner: str, item_ids: Collection[str], *, bytes_max: int) -> dict[str, bytes]:
        self.ids += sorted(item_ids)
        if bytes_max < 100:
            raise TooManyBytes
        return {"fc_1": encode(carry(call("fc_1"), WANTED))}


def resolved(items: list[InputItem], count: int = 9, bytes_max: int = 1_000) -> tuple[list[InputItem], list[str]]:
    store = Asked()
    return asyncio.run(dereferenced(items, [], store, "", recovered_max=count, bytes_max=bytes_max)), store.ids


@shows("returned-fields")
def test_an_item_that_is_sent_back_has_what_it_carried() -> None:
    (_, found, _), _ = resolved([USER, call("fc_1"), GAVE])
    assert carried(found) == WANTED
    (_, found, _), _ = resolved([USER, ItemReference(id="fc_1"), GAVE])
    assert carried(found) == WANTED


CASES: dict[str, tuple[list[InputItem], list[str]]] = {
    "the last of each turn": ([USER, call("a"), call("b"), GAVE, GAVE, USER, call("d"), GAVE], ["b", "d"]),
    "a thought wherever it stands": ([ReasoningItem(id="r"), call("a"), GAVE], ["a", "r"]),
    "no plain answers": ([USER, Message(id="m", role="assistant", content="x"), USER], []),
    "an answer behind a call": ([call("a"), Message(id="m", role="assistant", content="x"), GAVE], ["m"]),
    "no more than so many": ([call("a"), GAVE] * 12, ["a"]),
    "not what has it already": ([carry(call("a"), WANTED), GAVE], []),
    "not what can be no id": ([call("/"), GAVE], []),
    "nothing of items without ids": ([USER, GAVE], []),
}


@pytest.mark.parametrize(("items", "ids"), CASES.values(), ids=CASES)
def test_the_store_is_asked_for_what_may_have_carried_something(items: list[InputItem], ids: list[str]) -> None:
    assert resolved(items)[1] == ids


def test_it_is_asked_for_the_last_ones_or_for_none() -> None:
    items = [each for name in "abcd" for each in (call(name), GAVE)]
    assert resolved(items, 2)[1] == ["c", "d"]
    assert resolved(items, 0)[1] == []


def test_complete_items_are_not_rejected_for_their_upstream_fields() -> None:
    items = [call("fc_1"), GAVE]
    assert resolved(items, bytes_max=10)[0] == items
    with pytest.raises(TooManyBytes):
        resolved([ItemReference(id="fc_1"), GAVE], bytes_max=10)
