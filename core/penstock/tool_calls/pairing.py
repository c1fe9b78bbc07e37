"""Calls and their outputs: which output of a context belongs to which call.

It knows items by their families' readers in `penstock.tool_calls`, and places of items in one list. Ids need not be
unique in a context, since some upstreams number the calls of each turn anew. It never judges what stands alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import msgspec

from penstock.wire import InputItem

from . import CALLS, OUTPUTS

_CALLS = {kind: read for kind, read in CALLS.items() if kind not in OUTPUTS}
_OUTPUTS = {kind: read for kind, read in OUTPUTS.items() if kind not in CALLS}
"""Calls and outputs that are items of their own. An item that is both needs no partner."""
_PAIRED = frozenset((*_CALLS, *_OUTPUTS))


class Pairs(msgspec.Struct):
    """Which output each call has, by their places."""

    output_of: dict[int, int] = {}
    """The place of a call: that of its output."""
    alone: list[int] = []
    """Calls without an output and outputs without a call, in order."""

    def call_of(self) -> dict[int, int]:
        """The place of an output: that of its call."""
        return {output: call for call, output in self.output_of.items()}


def pair(items: Sequence[InputItem]) -> Pairs:
    """Pair the items: an output belongs to the nearest earlier call of its id that has no output yet.

    Of calls that stand side by side, the first is answered first. An output that stands before the only call of its id
    belongs to that call.
    """
    if _PAIRED.isdisjoint(map(type, items)):
        return Pairs()
    calls: dict[str, int] = {}
    outputs: dict[str, int] = {}
    for place, item in enumerate(items):
        if read_call := _CALLS.get(type(item)):
            known = calls.setdefault(read_call(item).call_id, place)
        elif read_output := _OUTPUTS.get(type(item)):
            known = outputs.setdefault(read_output(item).call_id, place)
        else:
            continue
        # spec: repeated-call-ids
        if known != place:
            return _pair_repeated(items)
    output_of = {place: outputs[call_id] for call_id, place in calls.items() if call_id in outputs}
    if len(calls) == len(outputs) == len(output_of):
        return Pairs(output_of)
    alone = [place for call_id, place in calls.items() if call_id not in outputs]
    alone += [place for call_id, place in outputs.items() if call_id not in calls]
    return Pairs(output_of, sorted(alone))


def _pair_repeated(items: Sequence[InputItem]) -> Pairs:
    """The pairs of items of which several have one id."""
    pairing = _Pairing()
    for place, item in enumerate(items):
        if read_call := _CALLS.get(type(item)):
            pairing.call(place, read_call(item).call_id)
        elif read_output := _OUTPUTS.get(type(item)):
            pairing.output(place, read_output(item).call_id)
        else:
            pairing.is_beside_call = False
    return pairing.close()


class _Pairing:
    """Takes the calls and outputs of a context in their order."""

    def __init__(self) -> None:
        self.is_beside_call = False
        """Whether the item before the next one is a call."""
        self._pairs = Pairs()
        self._waiting: dict[str, list[deque[int]]] = {}
        """Calls without an output, by id; those that stand side by side are in one queue."""
        self._early: dict[str, deque[int]] = {}
        """Outputs without a call, by id."""

    def call(self, place: int, call_id: str) -> None:
        """The next item is a call."""
        queues = self._waiting.setdefault(call_id, [])
        if early := self._early.get(call_id):
            self._join(place, early.popleft())
        elif queues and self.is_beside_call:
            queues[-1].append(place)
        else:
            queues.append(deque([place]))
        self.is_beside_call = True

    def output(self, place: int, call_id: str) -> None:
        """The next item is an output."""
        self.is_beside_call = False
        queues = self._waiting.get(call_id)
        if not queues:
            self._early.setdefault(call_id, deque()).append(place)
            return
        self._join(queues[-1].popleft(), place)
        if not queues[-1]:
            queues.pop()

    def close(self) -> Pairs:
        """There are no more items."""
        alone = [place for queues in self._waiting.values() for queue in queues for place in queue]
        alone += [place for early in self._early.values() for place in early]
        self._pairs.alone = sorted(alone)
        return self._pairs

    def _join(self, call: int, output: int) -> None:
        self._pairs.output_of[call] = output
