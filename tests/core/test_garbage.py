"""What a request leaves behind: nothing that only the garbage collector would find, since that may come much later."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from core.kit import LIMITS, FakeUpstream, Json, Recording, ask, service
from penstock.dialects.chat_completions.decode import ChatDecoder
from penstock.dialects.responses.decode import ResponsesDecoder
from penstock.errors import ApiError
from penstock.stores.sqlite import SqliteStore
from penstock.transcript.deltas import Finish, TextDelta
from requirements import shows
from support.uncollected import collect

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _no_collector() -> Iterator[None]:
    """What goes in a test goes with its last reference. Records of the log have references, and stay until its end."""
    gc.disable()
    gc.freeze()  # the tests before have left a million objects, which are not looked at
    logging.disable()
    yield
    logging.disable(logging.NOTSET)
    gc.unfreeze()
    gc.enable()


def reducer(*deltas: Any) -> Any:
    recording = Recording()
    recording.record(deltas)
    return recording.reducer


def decoder(*chunks: bytes) -> ChatDecoder:
    decoder = ChatDecoder(inline_think=True, event_bytes_max=LIMITS.upstream_event_bytes_max)
    for chunk in chunks:
        decoder.feed(chunk)
    return decoder


def responses_decoder(*chunks: bytes) -> ResponsesDecoder:
    decoder = ResponsesDecoder(event_bytes_max=LIMITS.upstream_event_bytes_max)
    for chunk in chunks:
        decoder.feed(chunk)
    return decoder


def failed_decoder() -> ChatDecoder:
    """An error that waits behind a text, and is raised in the end."""
    failed = decoder(HI_CHUNK + ERROR_CHUNK)
    with suppress(ApiError):
        failed.close()
    return failed


HI_CHUNK = b'data: {"choices": [{"delta": {"content": "Hi"}}]}\n\n'
ERROR_CHUNK = b'data: {"error": {"message": "no"}}\n\n'
NO_COMPLETION = b"data: []\n\n"
MACHINES: dict[str, Callable[[], Any]] = {
    "reducer": reducer,
    "reducer of a text": lambda: reducer(TextDelta("Hi", []), Finish()),
    "decoder": decoder,
    "decoder of a body": lambda: decoder(b'{"choices": ['),
    "decoder of a stream": lambda: decoder(HI_CHUNK),
    "decoder of an error": lambda: decoder(HI_CHUNK + ERROR_CHUNK),
    "decoder of what is none": lambda: decoder(HI_CHUNK + NO_COMPLETION),
    "decoder that failed": failed_decoder,
    "decoder of Responses": responses_decoder,
    "decoder of a Response": lambda: responses_decoder(b'{"object": "response", '),
    "decoder of its events": lambda: responses_decoder(b'data: {"type": "response.created"}\n\n'),
}


@shows("freed-at-once")
@pytest.mark.parametrize("asked", [{}, {"stream": True}, {"background": True}], ids=["JSON", "stream", "background"])
def test_a_store_that_fails_leaves_nothing_to_collect(asked: Json, tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")

    def damage() -> None:
        for file in tmp_path.iterdir():
            with file.open("r+b") as opened:
                opened.write(b"no database" * 10_000)

    async def main() -> dict[str, int]:
        asking = service(FakeUpstream([TextDelta("Hi", []), Finish()]), store=store)
        assert (await ask(asking, {"input": "Hi"})).status == 200
        damage()
        assert b"store" in (await ask(asking, {"input": "Hi", **asked})).body
        collect()  # what is made once
        assert b"store" in (await ask(asking, {"input": "Hi", **asked})).body
        found = collect()
        await asking.aclose()
        return found

    assert not asyncio.run(main())


@shows("memory", "freed-at-once")
@pytest.mark.parametrize("machine", MACHINES)
def test_a_machine_goes_with_its_last_reference(machine: str) -> None:
    gone = weakref.ref(MACHINES[machine]())
    assert gone() is None
