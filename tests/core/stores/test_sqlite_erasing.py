"""What was deleted is gone from the bytes of the SQLite file and of its log, and not only from what is found in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.kit import LATER, ME, NOW, conversation, item, response
from core.stores.kit import Open, beside
from penstock.ports import StoredItem
from requirements import shows
from support.waiting import until

CANARY = b"the canary sings in the mine"
SIZES = [40, 3_000, pytest.param(300_000, marks=pytest.mark.slow)]
"""In bytes: within a page, most of one, and over many."""


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Open]:
    with Open(tmp_path / "store.db") as at:
        yield at


def singing(size: int) -> bytes:
    return (CANARY * (size // len(CANARY) + 1))[:size]


def is_found(directory: Path) -> bool:
    return any(CANARY in file.read_bytes() for file in directory.iterdir())


def some_items(size: int) -> list[StoredItem]:
    return [item(body=singing(size)) for _ in range(3)]


def fill(at: Open, size: int, expires_at: int | None = None) -> tuple[list[str], list[str]]:
    """Many rows that sing; the ids of responses and of conversations."""
    responses, conversations = [], []
    for _ in range(20):
        turn = response(body=singing(size), input=some_items(size), output=some_items(size), expires_at=expires_at)
        talk = conversation(metadata=singing(size), expires_at=expires_at)
        at.do(at.store.save(turn))
        at.do(at.store.save_conversation(talk, some_items(size)))
        responses.append(turn.id)
        conversations.append(talk.id)
    assert is_found(at.path.parent)
    return responses, conversations


@shows("erased")
@pytest.mark.parametrize("size", SIZES)
def test_deleted_text_is_in_no_file(at: Open, size: int) -> None:
    responses, conversations = fill(at, size)
    for response_id in responses:
        assert at.do(at.store.delete_response(ME, response_id))
    for conversation_id in conversations:
        assert at.do(at.store.delete_conversation(ME, conversation_id))
    assert not is_found(at.path.parent)


@shows("erased")
@pytest.mark.parametrize("size", SIZES)
def test_expired_text_is_in_no_file_once_it_is_swept(at: Open, size: int) -> None:
    fill(at, size, expires_at=LATER)
    assert at.do(at.store.sweep(now=LATER, limit=100)) == 40
    assert not is_found(at.path.parent)


def test_an_item_that_is_deleted_and_metadata_that_are_replaced_are_in_no_file(at: Open) -> None:
    talk, [only] = conversation(metadata=singing(40)), [item(body=singing(40))]
    at.do(at.store.save_conversation(talk, [only]))
    assert at.do(at.store.delete_item(ME, talk.id, only.id))
    assert at.do(at.store.update_conversation(ME, talk.id, b"{}"))
    assert not is_found(at.path.parent)


def test_a_reader_only_delays_it(at: Open) -> None:
    """Its snapshot needs the old pages. Nothing else is held up by it, and the file is clean soon after it has left."""
    turn = response(body=singing(40))
    at.do(at.store.save(turn))
    with beside(at.path) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM responses").fetchone() == (1,)
        assert at.do(at.store.delete_response(ME, turn.id))
        at.do(at.store.save(response()))
        assert is_found(at.path.parent)
        reader.execute("COMMIT")
        until(lambda: not is_found(at.path.parent))


def test_the_log_of_a_process_that_was_killed_is_cut_by_the_next_one(at: Open, tmp_path: Path) -> None:
    turn = response(body=singing(40))
    at.do(at.store.save(turn))
    left = tmp_path / "left"
    left.mkdir()
    with beside(at.path) as db:
        db.execute("PRAGMA secure_delete = ON")
        db.execute("DELETE FROM responses WHERE id = ?", (turn.id,))
        for name in ("store.db", "store.db-wal"):
            shutil.copy(tmp_path / name, left / name)
    assert is_found(left)
    with Open(left / "store.db") as another:
        assert another.do(another.store.response(ME, turn.id)) is None
        until(lambda: not is_found(left))


def test_saves_do_not_wait_for_the_log_to_be_cut(at: Open) -> None:
    """It costs as much as some saves, so it is done only after a row was erased: none was where none was found."""
    statements: list[str] = []
    at.do(at.store._writer.run(lambda db: db.set_trace_callback(statements.append), alone=True))
    at.do(at.store.save(response()))
    assert not at.do(at.store.delete_response(ME, "resp_none"))
    assert at.do(at.store.sweep(now=NOW, limit=100)) == 0
    assert not [text for text in statements if "checkpoint" in text]
