"""The calls of one turn: which of them are of hosted tools, how their items begin, and what the model reads of them.

It reads the deltas of the turn, hands on all others, and does no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from penstock.errors import upstream_failed
from penstock.ids import NewId
from penstock.limits import Limits
from penstock.ports import Outcome, ToolCall, ToolReply
from penstock.transcript.deltas import (
    AnnotationDelta,
    Delta,
    Extras,
    Finish,
    ItemClosed,
    ItemOpened,
    ResponseFields,
    TextDelta,
    TextRun,
    ToolCallDelta,
    UpstreamFailed,
    UsageDelta,
)
from penstock.wire import FunctionCall, FunctionCallOutput, IncompleteReason, InputItem, Usage

from .cited_text import CitedText
from .functions import HostedFunctions


class HostedCall(msgspec.Struct, kw_only=True):
    """A call of a hosted tool in this turn."""

    index: int
    name: str
    call: ToolCall | None
    """None for a call that is one too many."""
    pieces: list[str] = []
    outcome: Outcome | None = None
    has_item: bool = False

    @property
    def runs(self) -> bool:
        """Whether it is to be run."""
        return self.call is not None and self.outcome is None and not self.call.waits


class TurnCalls:
    """Reads one turn of the model. Calls of other functions than these are the client's."""

    def __init__(self, functions: HostedFunctions, too_many: str, text: CitedText, limits: Limits) -> None:
        self._functions = functions
        self._calls_max = limits.output_items_max
        self._chars_max = self._chars_left = limits.output_bytes_max
        self._text = text
        self._too_many = too_many
        """What the model reads of a call that is one too many."""
        self._clients: set[int] = set()
        self._unnamed: dict[int, list[ToolCallDelta]] = {}
        """The pieces of calls whose names have not arrived."""
        self.hosted: dict[int, HostedCall] = {}
        """The calls of hosted tools, by their indexes in the turn."""
        self.usage: Usage | None = None
        self.incomplete: IncompleteReason | None = None
        """Why the turn is incomplete. Its calls are not run then."""
        self.has_failed = False

    @property
    def is_last(self) -> bool:
        """Whether no call of this turn is to be run: it has none of a hosted tool, or is incomplete."""
        return self.has_failed or self.incomplete is not None or not self.hosted

    @property
    def has_client_calls(self) -> bool:
        """Whether the client has to run a call of this turn."""
        return bool(self._clients or self._unnamed)

    @property
    def waits(self) -> bool:
        """Whether a call waits for the client's approval."""
        return any(hosted.call is not None and hosted.call.waits for hosted in self.hosted.values())

    def receive(self, batch: Iterable[Delta]) -> list[Delta]:
        """The deltas for the reducer, in place of a batch of the model's."""
        given: list[Delta] = []
        for delta in batch:
            read = _READ.get(type(delta))
            given += self._other(delta) if read is None else read(self, delta)
        return given

    def _other(self, delta: Delta) -> list[Delta]:
        """A delta that ends the part of the text, if one is open, or is no output."""
        return [delta] if type(delta) in _BESIDE_OUTPUT else [*self._text.close(), delta]

    def _cited(self, delta: TextDelta | TextRun) -> list[Delta]:
        return self._text.feed(delta)

    def close(self) -> list[Delta]:
        """The turn is complete: so are the arguments of its calls."""
        given: list[Delta] = self._text.close() + self.unnamed()
        for hosted in self.hosted.values():
            if hosted.call is None:
                hosted.outcome = Outcome(item=None, reply=self._too_many)
            elif hosted.outcome is None:
                given += self._of(hosted, hosted.call.close())
        return given

    def unnamed(self) -> list[Delta]:
        """The pieces of calls that have no name, which the reducer reports as an error of the upstream."""
        return [piece for pieces in self._unnamed.values() for piece in pieces]

    def add_approved(self, call: ToolCall | None) -> list[Delta]:
        """A call of an earlier response that the client has approved. None for one that is one too many."""
        index = -1 - len(self.hosted)
        hosted = self.hosted[index] = HostedCall(index=index, name="", call=call)
        if call is None:
            hosted.outcome = Outcome(item=None)
            return []
        return self._of(hosted, call.begin()) + ([] if hosted.outcome else self._of(hosted, call.close()))

    def unseen(self, new_id: NewId) -> list[InputItem]:
        """The calls that have no item, and what the model reads of them, as items for the next turn."""
        calls = [(new_id("call_"), hosted) for hosted in self.hosted.values() if not hosted.has_item]
        made: list[InputItem] = [
            FunctionCall(call_id=call_id, name=hosted.name, arguments="".join(hosted.pieces) or "{}")
            for call_id, hosted in calls
        ]
        return made + [FunctionCallOutput(call_id=call_id, output=_reply(hosted)) for call_id, hosted in calls]

    def ended(self, hosted: HostedCall, outcome: Outcome) -> list[Delta]:
        """A call has this outcome."""
        hosted.outcome = outcome
        return [] if outcome.item is None else [ItemClosed(outcome.item, outcome.reply, self._text.last_source)]

    def _call(self, delta: ToolCallDelta) -> list[Delta]:
        index = delta.index
        if index in self._clients:
            return [delta]
        self._spend(len(delta.arguments))
        if hosted := self.hosted.get(index):
            return self._arguments(hosted, delta.arguments)
        pieces = self._unnamed.setdefault(index, [])
        pieces.append(delta)
        if len(self._unnamed) + len(self.hosted) > self._calls_max:
            raise upstream_failed(f"The upstream made more than {self._calls_max} calls in a turn.", retriable=False)
        return self._named(index, delta.name) if delta.name else []

    def _spend(self, chars: int) -> None:
        """Count arguments that wait here, of which the reducer may see none."""
        self._chars_left -= chars
        # spec: memory
        if self._chars_left < 0:
            raise upstream_failed(f"The upstream wrote more than {self._chars_max} characters.", retriable=False)

    def _named(self, index: int, name: str) -> list[Delta]:
        """The name of a call has arrived."""
        pieces: list[Any] = self._unnamed.pop(index)
        if name not in self._functions:
            self._clients.add(index)
            return [*self._text.close(), *pieces]
        hosted = self.hosted[index] = HostedCall(index=index, name=name, call=self._functions.call(name))
        given = self._text.close() + (self._of(hosted, hosted.call.begin()) if hosted.call else [])
        return given + self._arguments(hosted, "".join(piece.arguments for piece in pieces))

    def _arguments(self, hosted: HostedCall, fragment: str) -> list[Delta]:
        hosted.pieces.append(fragment)
        if hosted.call is None or hosted.outcome is not None or not fragment:
            return []
        return self._of(hosted, hosted.call.arguments(fragment))

    def _of(self, hosted: HostedCall, steps: Iterable[Any]) -> list[Delta]:
        """The steps of a call as deltas for the reducer."""
        given: list[Delta] = []
        for step in steps:
            given += self.step(hosted, step)
        return given

    def step(self, hosted: HostedCall, step: Any) -> list[Delta]:
        """A step of a call as deltas for the reducer."""
        if isinstance(step, Outcome):
            return self.ended(hosted, step)
        if isinstance(step, ItemOpened):
            hosted.has_item = True
            step.call = hosted.index if hosted.index >= 0 else None
        return [step]

    def _usage(self, delta: UsageDelta) -> list[Delta]:
        self.usage = delta.usage
        return []

    def _finish(self, delta: Finish) -> list[Delta]:
        self.incomplete = delta.incomplete
        return []

    def _failed(self, delta: UpstreamFailed) -> list[Delta]:
        self.has_failed = True
        return [delta]


_READ: dict[type[Any], Callable[[TurnCalls, Any], list[Delta]]] = {
    TextDelta: TurnCalls._cited,
    TextRun: TurnCalls._cited,
    ToolCallDelta: TurnCalls._call,
    UsageDelta: TurnCalls._usage,
    Finish: TurnCalls._finish,
    UpstreamFailed: TurnCalls._failed,
}
"""The deltas that are not handed on as they are. `_other` gets all others."""


_BESIDE_OUTPUT = frozenset({Extras, AnnotationDelta, ResponseFields})
"""Deltas that end no part of a text."""


def _reply(hosted: HostedCall) -> ToolReply:
    return hosted.outcome.reply if hosted.outcome is not None else ""
