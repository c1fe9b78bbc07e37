"""What of a context is let go when it is too long for the model: its oldest items, and nothing by halves.

Pure. It knows which items belong together: a call with its output, and with the thoughts and the other calls of the
assistant's turn that it was made in. It never lets go what tells the model how to behave or what to answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from penstock.tool_calls import CALLS, OUTPUTS, SILENT
from penstock.tool_calls.pairing import Pairs, pair
from penstock.wire import CompactionItem, InputItem, Message, ReasoningItem


def truncate(items: Sequence[InputItem], tokens: Sequence[int], budget: int, *, leading: int = 0) -> list[InputItem]:
    """The items that are left when the oldest have gone, until the rest costs no more than `budget`.

    `tokens` is what each item costs. The `leading` ones, system and developer messages, compactions (which stand for
    all that was before them), the last user message and the last item stay, even where that is too much.
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
    """The items' places by what belongs together, those that begin first at the front."""
    grouping = _Grouping(pair(items))
    for index, item in enumerate(items):
        grouping.add(index, item)
    return sorted((unit for unit in grouping.units if unit), key=min)


class _Grouping:
    """Takes items one after the other, and knows the assistant's turn that is going on."""

    def __init__(self, pairs: Pairs) -> None:
        self.units: list[list[int]] = []
        self._output_of, self._call_of = pairs.output_of, pairs.call_of()
        self._turn: list[int] | None = None
        self._has_spoken = False
        """Whether that turn has a text or a call already: thoughts, or another text, begin the next one."""
        self._unit_of: dict[int, list[int]] = {}
        """The unit of each call, and of each output that stands before its call, by its place."""

    def add(self, index: int, item: InputItem) -> None:
        """The next item, at its place."""
        if type(item) in CALLS:
            self._join(self._speak(index, begins=False), index)
        elif type(item) in OUTPUTS:
            self._answer(index)
        elif isinstance(item, ReasoningItem):
            self._think(index, says_something=bool(item.content or item.summary))
        elif isinstance(item, Message) and item.role == "assistant":
            self._speak(index, begins=True)
        else:
            self._unit(index)
            if type(item) not in SILENT:
                self._turn = None

    def _unit(self, index: int) -> list[int]:
        unit = [index]
        self.units.append(unit)
        return unit

    def _think(self, index: int, *, says_something: bool) -> None:
        """A thought begins a turn; what only carries something for the upstream ends the one that goes on."""
        if self._turn is None or (self._has_spoken and says_something):
            self._turn, self._has_spoken = self._unit(index), False
        else:
            self._turn.append(index)

    def _speak(self, index: int, *, begins: bool) -> list[int]:
        if self._turn is None or (begins and self._has_spoken):
            self._turn = self._unit(index)
        else:
            self._turn.append(index)
        self._has_spoken = True
        return self._turn

    def _join(self, turn: list[int], index: int) -> None:
        """A call, and its output where that came before it."""
        early = self._unit_of.get(self._output_of.get(index, index))
        if early is not None and early is not turn:
            turn.extend(early)
            early.clear()
        self._unit_of[index] = turn

    def _answer(self, index: int) -> None:
        self._turn = None
        unit = self._unit_of.get(self._call_of.get(index, index))
        if unit is None:
            self._unit_of[index] = self._unit(index)
        else:
            unit.append(index)
