"""D1: what only this engine does. The suite of all stores is `tests/conformance`."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from cloudflare.host import RemoteStore, called, shared_host
from conformance.kit import ME, item, response
from penstock.errors import ApiError
from penstock_adapters.cloudflare.d1.database import bytes_of, pieces_of, text_of
from penstock_adapters.cloudflare.errors import translated
from support.missing import skipped_if_missing


@pytest.fixture
def store() -> RemoteStore:
    with skipped_if_missing():
        host = shared_host()
    called(host, "reset_d1")
    return RemoteStore(host, "open_d1")


def run(store: RemoteStore, scenario: Coroutine[Any, Any, None]) -> None:
    async def closing() -> None:
        try:
            await asyncio.wait_for(scenario, 30)
        finally:
            await store.aclose()

    asyncio.run(closing())


def test_a_row_has_a_limit_and_the_error_states_it(store: RemoteStore) -> None:
    async def scenario() -> None:
        await store.migrate()
        known = response(input=[item(body=b"x" * 1_900_000)])
        assert await store.save(known)
        assert await store.response(ME, known.id) == known
        with pytest.raises(ApiError, match="2,000,000 bytes") as raised:
            await store.save(response(input=[item(body=b"x" * 2_500_000)]))
        assert (raised.value.status, raised.value.code) == (413, "request_too_large")

    run(store, scenario())


def test_before_it_is_migrated_the_store_is_not_available(store: RemoteStore) -> None:
    async def scenario() -> None:
        with pytest.raises(ApiError, match="not available") as raised:
            await store.response(ME, "resp_1")
        assert raised.value.status == 503

    run(store, scenario())


def test_errors_of_d1() -> None:
    lost = translated("D1_ERROR: Network connection lost.")
    assert isinstance(lost, ApiError)
    assert (lost.status, lost.retry_after_s) == (503, 1.0)
    assert isinstance(translated('D1_ERROR: near "SELEC": syntax error: SQLITE_ERROR'), RuntimeError)


@pytest.mark.parametrize("data", [b"", b"{}", "é\U0001f600".encode(), b"\0\xff", b"a\0b", b"\x01", b"\x01e30="])
def test_any_bytes_are_a_text(data: bytes) -> None:
    text = text_of(data)
    assert bytes_of(text) == data
    assert "\0" not in text


def test_items_are_sent_in_pieces() -> None:
    items = [item(body=b"x" * size) for size in (400_000, 400_000, 10, 700_000, 10)]
    assert [start for start, _ in pieces_of(items)] == [0, 1, 3, 4]
    assert list(pieces_of([])) == []
