"""KV: what only this engine does. The suite of all stores is `tests/conformance`, of which KV has the chains."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

import pytest

from conformance.kit import EXPIRED, LATER, ME, OTHER, conversation, items, response, running
from penstock.errors import ApiError
from penstock.ports import ChainTooLong, Claim, Marks
from penstock_adapters.cloudflare.errors import translated
from penstock_adapters.cloudflare.kv import KEYS_MAX, KvStore


class Values:
    """A namespace that counts its calls, for long chains. `tests/conformance` has the one of Miniflare."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.until: dict[str, int | None] = {}
        self.calls = 0

    async def get(self, keys: Sequence[str]) -> Mapping[str, str | None]:
        assert 0 < len(keys) <= KEYS_MAX
        self.calls += 1
        return {key: self.values.get(key) for key in keys}

    async def put(self, key: str, value: str, expiration: int | None) -> None:
        assert expiration is None or expiration >= time.time() + 60
        self.values[key] = value
        self.until[key] = expiration

    async def delete(self, key: str) -> None:
        self.values.pop(key, None)

    async def count(self, prefix: str) -> int:
        return sum(key.startswith(prefix) for key in self.values)


@pytest.mark.parametrize(("length", "calls"), [(1, 1), (2, 2), (100, 2), (101, 3), (250, 4)])
def test_a_chain_is_read_a_hundred_at_a_time(length: int, calls: int) -> None:
    async def scenario() -> None:
        values = Values()
        store = KvStore(values)
        ids: list[str] = []
        for _ in range(length):
            row = response(previous_response_id=ids[-1] if ids else None)
            assert await store.save(row)
            ids.append(row.id)
        values.calls = 0
        chain = await store.chain(ME, ids[-1], responses_max=length)
        assert [row.id for row in chain] == ids
        assert values.calls == calls
        with pytest.raises(ChainTooLong):
            await store.chain(ME, ids[-1], responses_max=length - 1)
        assert max(map(len, values.values.values())) < 5_000

    asyncio.run(scenario())


def test_what_kv_cannot_store_is_refused() -> None:
    async def scenario() -> None:
        store = KvStore(Values())
        for refused, param in (
            (store.save_conversation(conversation(), items(1)), "conversation"),
            (store.save(response(conversation_id="conv_1")), "conversation"),
            (store.save(running()), "background"),
        ):
            with pytest.raises(ApiError) as raised:
                await refused
            assert (raised.value.status, raised.value.code, raised.value.param) == (400, "unsupported_parameter", param)
        assert not isinstance(store, Marks)

    asyncio.run(scenario())


def test_an_ended_response_has_no_lease_and_no_events() -> None:
    async def scenario() -> None:
        store = KvStore(Values())
        await store.save(known := response())
        assert await store.claim(known.id, now=0.0, until=9.0) is None
        assert await store.renew([Claim(known.id, 1)], until=9.0) == {known.id}
        assert not await store.settle(known)
        assert await store.unclaimed(now=0.0, limit=9) == []
        assert await store.events(known.id, after=-1) == []
        assert await store.stats() == {"responses": 1, "conversations": 0}

    asyncio.run(scenario())


def test_expiry_is_exact_and_kv_removes_the_value_later() -> None:
    async def scenario() -> None:
        values = Values()
        store = KvStore(values)
        await store.save(gone := response(expires_at=EXPIRED))
        await store.save(known := response(expires_at=LATER))
        assert await store.response(ME, gone.id) is None
        assert await store.response(ME, known.id) == known
        assert await store.response(OTHER, known.id) is None
        assert [until == LATER for until in values.until.values()] == [False, True]

    asyncio.run(scenario())


def test_errors_of_kv() -> None:
    large = translated("KV PUT failed: 413 Value length of 32505856 exceeds limit of 26214400.")
    assert isinstance(large, ApiError)
    assert (large.status, large.code) == (413, "request_too_large")
    busy = translated("KV PUT failed: 429 Too Many Requests")
    assert isinstance(busy, ApiError)
    assert busy.status == 503
