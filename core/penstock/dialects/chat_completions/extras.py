"""Unknown fields of a reply, gathered so that the upstream gets them back in later turns.

It knows how a stream cuts them up: a text is joined, an object grows key by key, a list entry by entry. It never reads
what they mean.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from penstock.errors import upstream_failed
from penstock.returned import Fields
from penstock.transcript.deltas import Extras
from penstock.wire import NULL, UNSET

from . import wire
from .signed_parts import CONTENT, contents, is_signed

BLOCKS = ("reasoning_details", "thinking_blocks", CONTENT)
"""Fields whose lists have a thought in pieces, with signatures, which must come back as whole blocks and in order."""
_TEXTS = ("text", "summary", "thinking")
"""The keys of such a block that grow."""
_SIGNED = ("signature", "data")
"""The keys that end one."""

_fields_of = msgspec.json.Decoder(Fields).decode
_encode = msgspec.json.Encoder().encode


class ExtrasReader:
    """Takes the fields of one reply's message and calls, piece by piece."""

    def __init__(self, origin: str | None, *, bytes_max: int) -> None:
        self._origin = origin
        self._bytes_left = bytes_max
        self._bytes_max = bytes_max
        self._content_bytes_left = bytes_max
        self._contents: list[msgspec.Raw] = []
        self._turn: dict[str, list[msgspec.Raw]] = {}
        self._calls: dict[int, dict[str, list[msgspec.Raw]]] = {}
        self._indexes: dict[str, int] = {}
        """The first index of each id."""

    def message(self, read: wire.ReadMessage) -> None:
        """A message, or a piece of one."""
        # spec: returned-fields
        if read.extras is not UNSET:
            self._add(self._turn, _fields_of(read.extras))
        if read.reasoning_details is not UNSET:
            self._add(self._turn, {"reasoning_details": read.reasoning_details})

    def content(self, chunk: bytes) -> None:
        """A chunk whose message has content parts, of which some may be signed."""
        # spec: signed-parts
        for content in contents(chunk):
            self._content_bytes_left -= len(memoryview(content))
            self._contents.append(msgspec.Raw(bytes(memoryview(content))))
        if self._content_bytes_left < 0:  # it is too long to be returned, and no reason to fail
            self._contents.clear()

    def call(self, index: int, read: wire.ReadToolCall) -> None:
        """The call in this index, or a piece of it. An id that another call has is to be returned, too."""
        if read.id and self._indexes.setdefault(read.id, index) != index:
            self._calls.setdefault(index, {})["id"] = [msgspec.Raw(_encode(read.id))]
        if read.extras is not UNSET:
            self._add(self._calls.setdefault(index, {}), _fields_of(read.extras))

    def close(self) -> Iterable[Extras]:
        """The reply has ended: one delta, or none."""
        if self._origin is None:
            return
        turn = _merged(self._turn)
        if self._contents and is_signed(content := _joined(CONTENT, self._contents)):
            turn[CONTENT] = content
        if turn or self._calls:
            calls = {index: _merged(pieces) for index, pieces in self._calls.items()}
            yield Extras(origin=self._origin, turn=turn, calls=calls)

    def _add(self, to: dict[str, list[msgspec.Raw]], fields: Fields) -> None:
        for name, value in fields.items():
            if value == NULL:
                continue
            self._bytes_left -= len(name) + len(memoryview(value))
            if self._bytes_left < 0:
                message = f"The upstream wrote more than {self._bytes_max} bytes of fields that it wants back."
                raise upstream_failed(message, retriable=False)
            to.setdefault(name, []).append(msgspec.Raw(bytes(memoryview(value))))


def _merged(pieces: dict[str, list[msgspec.Raw]]) -> Fields:
    return {name: _joined(name, values) for name, values in pieces.items()}


def _joined(name: str, pieces: list[msgspec.Raw]) -> msgspec.Raw:
    """One value of what came in pieces. What came at once stays as it was written."""
    if len(pieces) == 1:
        return pieces[0]
    try:
        values = [msgspec.json.decode(piece) for piece in pieces]
    except (msgspec.DecodeError, RecursionError):  # a number or a depth for which there is no room
        return pieces[-1]
    return msgspec.Raw(_encode(join_blocks(values) if name in BLOCKS else join(values)))


def join(values: list[Any], depth: int = 0) -> Any:
    """Pieces of one value as the whole. A value that comes again, or again as a whole, is no further piece."""
    values = [value for value in values if value is not None] or [None]
    last = values[-1]
    if depth == _DEPTH_MAX or all(value == last for value in values):
        return last
    if all(isinstance(value, str) for value in values):
        before = "".join(values[:-1])
        return last if last == before else before + last
    if all(isinstance(value, list) for value in values):
        entries = [entry for value in values[:-1] for entry in value]
        return last if last == entries else entries + last
    if all(isinstance(value, dict) for value in values):
        pieces: dict[str, list[Any]] = {}
        for value in values:
            for name, piece in value.items():
                pieces.setdefault(name, []).append(piece)
        return {name: join(each, depth + 1) for name, each in pieces.items()}
    return last


_DEPTH_MAX = 8
"""How deep in objects pieces are joined."""


def join_blocks(values: list[Any]) -> list[Any]:
    """Pieces of a list of thoughts as the whole list, which may come once more at the end."""
    blocks = _Blocks()
    for value in values[:-1]:
        blocks.add(value)
    if values[-1] != blocks.whole():
        blocks.add(values[-1])
    return blocks.whole()


class _Blocks:
    """Blocks of thoughts, each made whole again. Their indexes are not always right; their types and order are."""

    def __init__(self) -> None:
        self._blocks: list[Any] = []
        self._pieces: list[dict[str, list[Any]]] = []
        """The texts of each block, and its lists."""

    def add(self, entries: Any) -> None:
        """More blocks, or pieces of blocks."""
        for entry in entries if isinstance(entries, list) else [entries]:
            if self._blocks and _goes_on(self._blocks[-1], entry):
                self._grow(entry)
            else:
                self._blocks.append(dict(entry) if isinstance(entry, dict) else entry)
                self._pieces.append({})

    def whole(self) -> list[Any]:
        """All blocks so far."""
        return [
            block | {name: _whole(values) for name, values in pieces.items()} if pieces else block
            for block, pieces in zip(self._blocks, self._pieces, strict=True)
        ]

    def _grow(self, entry: dict[str, Any]) -> None:
        block, pieces = self._blocks[-1], self._pieces[-1]
        for name, value in entry.items():
            begun = block.get(name)
            if begun is None:
                block[name] = value
            elif (name in _TEXTS and isinstance(begun, str) and isinstance(value, str)) or (
                isinstance(begun, list) and isinstance(value, list)
            ):
                pieces.setdefault(name, [begun]).append(value)


def _whole(values: list[Any]) -> Any:
    """One text of several, or one list of blocks."""
    return "".join(values) if isinstance(values[0], str) else join_blocks(values)


def _goes_on(block: Any, entry: Any) -> bool:
    """Whether an entry is one more piece of the block before it."""
    if not (isinstance(block, dict) and isinstance(entry, dict)):
        return False
    is_same = all(block.get(name) == entry.get(name) for name in ("type", "index"))
    return is_same and not any(block.get(name) for name in _SIGNED) and not entry.get("data")
