"""Truncation: removes the oldest items of a context that is too long for the model.

Pure. It knows which items belong together and are removed together: a call with its output, and with the reasoning and
the other calls of the same assistant's turn. It never removes instructions or the last user message.
"""

from __future__ import annotations

from collections.abc import Sequence

from penstock.tool_calls import CALLS, OUTPUTS, WITHOUT_MESSAGE
from penstock.tool_calls.pairing import Pairs, pair
from penstock.wire import CompactionItem, InputItem, Message, ReasoningItem


def truncate(items: Sequence[InputItem], tokens: Sequence[int], budget: int, *, leading: int = 0) -> list[InputItem]:
    """The items that remain after the oldest are removed, until the rest costs at most `budget` tokens.

    `tokens` has the cost of each item. The first `leading` items, system and developer messages, compactions (which
    replace all earlier items), the last user message and the last item stay, even where that is too much.
    """
    staying = _staying(items, leading)
    total = sum(tokens)
    gone: set[int] = set()
    for unit in _units(items):
        if total <= budget:
            break
        if staying.isdisjoint(unit):
            gone.update(unit)
            total -= sum(tokens[index] for index in unit)
    return [item for index, item in enumerate(items) if index not in gone]


def _staying(items: Sequence[InputItem], leading: int) -> set[int]:
    roles = [item.role if isinstance(item, Message) else None for item in items]
    staying = {index for index, role in enumerate(roles) if role in ("system", "developer")}
    staying.update(index for index, item in enumerate(items) if isinstance(item, CompactionItem))
    staying.update(range(min(leading, len(items))))
    staying.update([index for index, role in enumerate(roles) if role == "user"][-1:])
    staying.update(range(len(items))[-1:])
    return staying


def _units(items: Sequence[InputItem]) -> list[list[int]]:
    """The indexes of the items, grouped by what belongs together; the group that begins first comes first."""
    grouping = _Grouping(pair(items))
    for index, item in enumerate(items):
        grouping.add(index, item)
    return sorted((unit for unit in grouping.units if unit), key=min)


class _Grouping:
    """Groups items one by one, and tracks the current turn of the assistant."""

    def __init__(self, pairs: Pairs) -> None:
        self.units: list[list[int]] = []
        self._output_of, self._call_of = pairs.output_of, pairs.call_of()
        self._turn: list[int] | None = None
        self._has_output = False
        """Whether that turn has a text or a call already: further reasoning or text begins a new turn."""
        self._unit_of: dict[int, list[int]] = {}
        """The group of each call, and of each output before its call, by its index."""

    def add(self, index: int, item: InputItem) -> None:
        """Add the next item, which has this index."""
        if type(item) in CALLS:
            self._join(self._add_output(index, begins=False), index)
        elif type(item) in OUTPUTS:
            self._add_result(index)
        elif isinstance(item, ReasoningItem):
            self._add_reasoning(index, has_text=bool(item.content or item.summary))
        elif isinstance(item, Message) and item.role == "assistant":
            self._add_output(index, begins=True)
        else:
            self._unit(index)
            if type(item) not in WITHOUT_MESSAGE:
                self._turn = None

    def _unit(self, index: int) -> list[int]:
        unit = [index]
        self.units.append(unit)
        return unit

    def _add_reasoning(self, index: int, *, has_text: bool) -> None:
        """Reasoning begins a turn; an item that has only upstream fields ends the current one."""
        if self._turn is None or (self._has_output and has_text):
            self._turn, self._has_output = self._unit(index), False
        else:
            self._turn.append(index)

    def _add_output(self, index: int, *, begins: bool) -> list[int]:
        if self._turn is None or (begins and self._has_output):
            self._turn = self._unit(index)
        else:
            self._turn.append(index)
        self._has_output = True
        return self._turn

    def _join(self, turn: list[int], index: int) -> None:
        """Join a call with its output, where the output came before it."""
        early = self._unit_of.get(self._output_of.get(index, index))
        if early is not None and early is not turn:
            turn.extend(early)
            early.clear()
        self._unit_of[index] = turn

    def _add_result(self, index: int) -> None:
        self._turn = None
        unit = self._unit_of.get(self._call_of.get(index, index))
        if unit is None:
            self._unit_of[index] = self._unit(index)
        else:
            unit.append(index)
