"""Calls and their outputs: which output of a context belongs to which call.

It reads items by the functions of `penstock.tool_calls`, and works with their indexes. Ids may repeat in a context,
since some upstreams number the calls of each turn from one. It does not decide about items without a partner.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import msgspec

from penstock.wire import InputItem

from . import CALLS, OUTPUTS

_CALLS = {kind: read for kind, read in CALLS.items() if kind not in OUTPUTS}
_OUTPUTS = {kind: read for kind, read in OUTPUTS.items() if kind not in CALLS}
"""Calls and outputs that are separate items. An item that is both needs no partner."""
_PAIRED = frozenset((*_CALLS, *_OUTPUTS))


class Pairs(msgspec.Struct):
    """Which output each call has, by their indexes in the context."""

    output_of: dict[int, int] = {}
    """The index of the output of each call, by the index of the call."""
    alone: list[int] = []
    """Calls without an output and outputs without a call, in order."""

    def call_of(self) -> dict[int, int]:
        """The index of the call of each output, by the index of the output."""
        return {output: call for call, output in self.output_of.items()}


def pair(items: Sequence[InputItem]) -> Pairs:
    """Pair the items: an output belongs to the nearest earlier call with its id that has no output yet.

    Among adjacent calls, the first is answered first. An output before the only call with its id belongs to that call.
    """
    if _PAIRED.isdisjoint(map(type, items)):
        return Pairs()
    calls: dict[str, int] = {}
    outputs: dict[str, int] = {}
    for index, item in enumerate(items):
        if read_call := _CALLS.get(type(item)):
            known = calls.setdefault(read_call(item).call_id, index)
        elif read_output := _OUTPUTS.get(type(item)):
            known = outputs.setdefault(read_output(item).call_id, index)
        else:
            continue
        # spec: repeated-call-ids
        if known != index:
            return _pair_repeated(items)
    output_of = {index: outputs[call_id] for call_id, index in calls.items() if call_id in outputs}
    if len(calls) == len(outputs) == len(output_of):
        return Pairs(output_of)
    alone = [index for call_id, index in calls.items() if call_id not in outputs]
    alone += [index for call_id, index in outputs.items() if call_id not in calls]
    return Pairs(output_of, sorted(alone))


def _pair_repeated(items: Sequence[InputItem]) -> Pairs:
    """The pairs where several calls or outputs have the same id."""
    pairing = _Pairing()
    for index, item in enumerate(items):
        if read_call := _CALLS.get(type(item)):
            pairing.call(index, read_call(item).call_id)
        elif read_output := _OUTPUTS.get(type(item)):
            pairing.output(index, read_output(item).call_id)
        else:
            pairing.is_after_call = False
    return pairing.close()


class _Pairing:
    """Gets the calls and outputs of a context in their order."""

    def __init__(self) -> None:
        self.is_after_call = False
        """Whether the last item is a call."""
        self._pairs = Pairs()
        self._waiting: dict[str, list[deque[int]]] = {}
        """Calls without an output, by id. Adjacent calls are in one queue."""
        self._early: dict[str, deque[int]] = {}
        """Outputs without a call, by id."""

    def call(self, index: int, call_id: str) -> None:
        """The next item is a call."""
        queues = self._waiting.setdefault(call_id, [])
        if early := self._early.get(call_id):
            self._join(index, early.popleft())
        elif queues and self.is_after_call:
            queues[-1].append(index)
        else:
            queues.append(deque([index]))
        self.is_after_call = True

    def output(self, index: int, call_id: str) -> None:
        """The next item is an output."""
        self.is_after_call = False
        queues = self._waiting.get(call_id)
        if not queues:
            self._early.setdefault(call_id, deque()).append(index)
            return
        self._join(queues[-1].popleft(), index)
        if not queues[-1]:
            queues.pop()

    def close(self) -> Pairs:
        """There are no more items."""
        alone = [index for queues in self._waiting.values() for queue in queues for index in queue]
        alone += [index for early in self._early.values() for index in early]
        self._pairs.alone = sorted(alone)
        return self._pairs

    def _join(self, call: int, output: int) -> None:
        self._pairs.output_of[call] = output
