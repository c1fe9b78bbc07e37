"""The calls of one turn: which call each piece belongs to.

The index of a call should state that. Where it is missing or repeated, the id, the name and the arguments decide.
"""

from __future__ import annotations

import re

import msgspec

from penstock.patterns import lazy_pattern
from penstock.transcript.deltas import Delta, ToolCallDelta
from penstock.wire import UNSET

from . import wire
from .extras import ExtrasReader


class CallReader:
    """Gives each piece of a call the index of its call."""

    def __init__(self, extras: ExtrasReader) -> None:
        self._extras = extras
        self._by_index: dict[int, _Call] = {}
        self._by_id: dict[str, _Call] = {}
        self._last: _Call | None = None
        self._count = 0
        self._lacks_indexes = False
        """Whether a piece came without an index."""

    def read(self, pieces: list[wire.ReadToolCall], *, are_whole: bool = False) -> list[Delta]:
        """The calls of one chunk, or pieces of them. Each of a whole message is a call of its own."""
        deltas: list[Delta] = []
        for read in pieces:
            known = self._last if read.index is None else self._by_index.get(read.index)
            function = read.function
            # spec: arguments
            if known and function and not (read.id or function.name or known.is_named_again or are_whole):
                self._last = known  # the way that nearly every piece goes
                arguments = function.arguments
                deltas.append(known.go_on(arguments if type(arguments) is str else _arguments_of(function)))
            else:
                known = self._take(_Piece(read), deltas, are_whole=are_whole)
            if known and (read.id or read.extras is not UNSET):
                self._extras.call(known.index, read)
        return deltas

    def _at(self, index: int | None) -> _Call | None:
        """The last call in this index. Without an index, the last of all."""
        return self._last if index is None else self._by_index.get(index)

    def _take(self, piece: _Piece, deltas: list[Delta], *, are_whole: bool) -> _Call | None:
        """The call of a piece that holds more than arguments. A piece that repeats a whole call adds nothing."""
        call = None if are_whole else self._find(piece)
        if call is None:
            if piece.is_empty:
                return None
            call = self._begin(piece)
        elif call.is_repeated_by(piece):
            return call
        self._last = call
        if piece.index is None:
            self._lacks_indexes = True
        else:
            self._by_index[piece.index] = call
        deltas.append(call.take(piece))
        return call

    def _find(self, piece: _Piece) -> _Call | None:
        """The call that a piece goes on with; None where it begins one."""
        call = self._at(piece.index)
        named = self._by_id.get(piece.call_id)
        if named or (piece.call_id and piece.name and piece.index is None):
            call = named
        if call is not None:
            return call if call.goes_on_with(piece) else None
        # spec: quirk-calls
        has_no_mark = self._lacks_indexes and not (piece.call_id or piece.name)
        return self._last if has_no_mark else None

    def _begin(self, piece: _Piece) -> _Call:
        before = self._at(piece.index)
        if before is not None and before.is_named_again:
            piece.name = piece.name or before.name
        call = _Call(self._count)
        if piece.call_id:
            self._by_id[piece.call_id] = call
        self._count += 1
        return call


class _Piece:
    """A call, or a piece of one, with every absent text as an empty one."""

    def __init__(self, read: wire.ReadToolCall) -> None:
        function = read.function or read
        self.index = read.index
        self.call_id = read.id or ""
        self.name = _name_of(function.name or "")
        self.arguments = _arguments_of(function)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is in it, as in what some backends send beside a text."""
        return not (self.call_id or self.name or self.arguments.strip())


_PREFIXES = ("functions.", "default_api.", "default_api:")
"""What OpenAI's models and Kimi, and Gemini, write before a name."""


def _name_of(name: str) -> str:
    """The name of a function, without what a model's template has around it."""
    # spec: odd-names
    for prefix in _PREFIXES:
        name = name.strip().removeprefix(prefix)
    name = name.partition("<|")[0].strip()
    before, _, number = name.rpartition(":")
    return before if before and number.isdecimal() else name


def _arguments_of(function: wire.ReadFunction) -> str:
    """Arguments as JSON, by any name; some backends send an object."""
    values = (function.arguments, function.parameters, function.input, function.args)
    arguments = next((value for value in values if value is not None), "")
    return arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()


class _Call:
    """What the upstream has sent of one call. Its first id and its first name hold."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.name = ""
        self.is_named_again = False
        """Whether its name came once more behind whole arguments: then the next arguments are those of another call."""
        self._call_id = ""
        self._arguments: list[str] = []
        self._scan = _Scan()

    def go_on(self, arguments: str) -> ToolCallDelta:
        """A piece of its arguments and no more."""
        self._arguments.append(arguments)
        return ToolCallDelta(index=self.index, arguments=arguments)

    def take(self, piece: _Piece) -> ToolCallDelta:
        """One more piece of it."""
        self.name = self.name or piece.name
        self._call_id = self._call_id or piece.call_id
        delta = self.go_on(piece.arguments)
        delta.call_id, delta.name = piece.call_id or None, piece.name or None
        return delta

    def goes_on_with(self, piece: _Piece) -> bool:
        """Whether a piece belongs to it. Some backends repeat the name in every piece, and make ids anew."""
        if not piece.name or not self.name:
            return not (self.is_named_again and piece.arguments.strip())
        # spec: odd-calls
        is_same_id = bool(piece.call_id) and piece.call_id == self._call_id
        is_other_id = bool(piece.call_id and self._call_id) and not is_same_id
        is_same_name = piece.name == self.name
        self._scan.take(self._arguments)
        if not self._scan.chars:
            return is_same_id or (is_same_name and not is_other_id)
        if not self._scan.is_whole:
            return is_same_id or is_same_name
        is_empty = is_same_name and not is_other_id and not piece.arguments.strip()
        self.is_named_again = is_empty and not is_same_id
        return is_empty or self.is_repeated_by(piece)

    def is_repeated_by(self, piece: _Piece) -> bool:
        """Whether a piece repeats the whole call, as some backends do at the end."""
        if not piece.call_id or piece.call_id != self._call_id or piece.name not in ("", self.name):
            return False
        self._scan.take(self._arguments)
        if not self._scan.is_whole or len(piece.arguments) != self._scan.chars:
            return False
        return "".join(self._arguments) == piece.arguments


_MARKS = lazy_pattern(r'\\.?|["{}\[\]]', re.DOTALL)


class _Scan:
    """Finds out whether pieces of JSON are a whole object, list or text by now. It looks at every character once."""

    def __init__(self) -> None:
        self.chars = 0
        self.is_whole = False
        self._pieces = 0
        self._depth = 0
        self._is_text = False
        self._rest = ""
        """A backslash whose character comes with the next piece."""

    def take(self, pieces: list[str]) -> None:
        """Look at the pieces that are new."""
        new = "".join(pieces[self._pieces :])
        self._pieces = len(pieces)
        self.chars += len(new)
        marks = _MARKS.findall(self._rest + new)
        self._rest = "\\" if marks and marks[-1] == "\\" else ""
        for mark in marks:
            if mark == '"':
                self._is_text = not self._is_text
            elif not self._is_text and mark[0] != "\\":
                self._depth += 1 if mark in "{[" else -1
        if marks:
            self.is_whole = self._depth == 0 and not self._is_text
