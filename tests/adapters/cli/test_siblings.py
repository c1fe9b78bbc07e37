"""Workers that ask each other over Unix sockets: every answer comes in time, or not at all."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from penstock.limits import Limits
from penstock.ports import SiblingReply
from penstock_adapters.cli.siblings import UnixSiblings
from requirements import shows

LIMITS = Limits(sibling_wait_s=0.3, sibling_bytes_max=1_000)


@asynccontextmanager
async def workers(folder: Path, count: int = 3) -> AsyncIterator[list[UnixSiblings]]:
    """Workers that answer a question with their own label and the question."""
    made = [UnixSiblings(folder, index, count, LIMITS) for index in range(count)]
    for each in made:
        each.answer("/label", each.worker.encode().__add__)
        each.answer("/long", lambda body: b"." * 1_001)
        each.answer("/broken", lambda body: bytes(1 // len(body)))
        await each.start()
    try:
        yield made
    finally:
        for each in made:
            await each.aclose()


def run(folder: Path, scene: Callable[[list[UnixSiblings]], Awaitable[list[SiblingReply]]]) -> list[bytes | None]:
    async def play() -> list[SiblingReply]:
        async with workers(folder) as made:
            return await scene(made)

    return [reply.body for reply in asyncio.run(play())]


def test_all_others_are_asked(tmp_path: Path) -> None:
    folder = tmp_path / "sockets"
    folder.mkdir()
    assert run(folder, lambda made: made[1].ask("/label", b"!")) == [b"0!", b"2!"]
    assert not folder.exists()  # the last one has removed it


@shows("silent-siblings")
@pytest.mark.parametrize("path", ["/long", "/broken", "/unknown", "/" * 300])
def test_what_is_not_answered_well_is_no_answer(tmp_path: Path, path: str) -> None:
    assert run(tmp_path, lambda made: made[0].ask(path)) == [None, None]


@shows("silent-siblings")
def test_a_question_that_is_too_long_has_no_answer(tmp_path: Path) -> None:
    assert run(tmp_path, lambda made: made[0].ask("/label", b"." * 1_001)) == [None, None]


@shows("silent-siblings")
def test_who_is_gone_is_left_out(tmp_path: Path) -> None:
    async def scene(made: list[UnixSiblings]) -> list[SiblingReply]:
        await made[0].aclose()
        return await made[2].ask("/label")

    assert run(tmp_path, scene) == [None, b"1"]


@shows("silent-siblings")
def test_one_that_accepts_and_sends_nothing_is_not_waited_for(tmp_path: Path) -> None:
    async def scene(made: list[UnixSiblings]) -> list[SiblingReply]:
        await made[0].aclose()
        with socket.socket(socket.AF_UNIX) as silent:
            silent.bind(str(tmp_path / "0"))
            silent.listen()
            return await made[2].ask("/label")

    assert run(tmp_path, scene) == [None, b"1"]


def test_a_worker_replaces_another(tmp_path: Path) -> None:
    async def scene(made: list[UnixSiblings]) -> list[SiblingReply]:
        assert made[1]._server is not None
        made[1]._server.close()  # as one that is killed, it leaves its socket
        new = UnixSiblings(tmp_path, 1, 3, LIMITS)
        new.answer("/label", lambda body: b"new")
        await new.start()
        try:
            return await made[0].ask("/label")
        finally:
            await new.aclose()

    assert run(tmp_path, scene) == [b"new", b"2"]


def test_a_worker_without_a_folder_is_silent(tmp_path: Path) -> None:
    lost = UnixSiblings(tmp_path / "nothing", 0, 2, LIMITS)

    async def ask() -> list[SiblingReply]:
        await lost.start()
        return await lost.ask("/label")

    assert asyncio.run(ask()) == [SiblingReply("1", None)]
