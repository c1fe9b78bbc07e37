"""Faults on the wire: which events of a stream are late, broken, sent twice, out of order, or never sent.

It counts the events of one stream and decides what happens to each. It knows no bytes but those of an event's JSON, and
does not wait: the reader of the steps does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from typing import TypeAlias

import msgspec

from .draws import Draws
from .options import SyntheticOptions


class WireFaults(msgspec.Struct, frozen=True, kw_only=True):
    """The faults of one stream. Each number is that of an event, which counts from 0."""

    fail_at: int | None
    error_at: int | None
    disconnect_at: int | None
    stall_at: int | None
    malformed_at: int | None
    duplicate_at: int | None
    reorder_at: int | None
    stall_s: float

    def last(self) -> int:
        """The number of the last event that a fault concerns. An event that is late concerns the one after it."""
        numbers: list[int | None] = [getattr(self, name) for name in _POSITIONS]
        return 1 + max(number for number in numbers if number is not None)


_POSITIONS = tuple(name for name in WireFaults.__struct_fields__ if name.endswith("_at"))


def read_wire_faults(options: SyntheticOptions, draws: Draws) -> WireFaults | None:
    """The faults that the options ask for. None where they ask for none."""
    positions = {name: getattr(options, name) for name in _POSITIONS}
    if all(position is None for position in positions.values()):
        return None
    return WireFaults(**positions, stall_s=draws.draw("stall_ms", options.stall_ms) / 1000)


class Step(Enum):
    """What happens in place of the next event. All but a stall end the stream."""

    STALL = "stall"
    FAIL = "fail"
    ERROR = "error"
    DISCONNECT = "disconnect"


Steps: TypeAlias = Iterator[bytes | Step]


class FaultyEvents:
    """The events of one stream with its faults. `malformed` breaks the JSON of an event."""

    def __init__(self, faults: WireFaults, malformed: Callable[[bytes], bytes]) -> None:
        self._faults = faults
        self._last = faults.last()
        self._malformed = malformed
        self._late: list[bytes] = []
        """What is sent after the next event."""
        self.number = 0
        """The number of the next event."""

    @property
    def are_over(self) -> bool:
        """Whether all later events are sent as they are."""
        return self.number > self._last

    @property
    def fails_next(self) -> bool:
        """Whether the response fails in place of the next event."""
        return self.number == self._faults.fail_at

    def receive(self, event: bytes) -> Steps:
        """What is sent for the next event, and what happens before. After a step that ends the stream nothing comes."""
        yield from self._interrupt()
        yield from self._send(event)
        self.number += 1

    def end(self) -> Steps:
        """What is still to be sent when there are no more events."""
        late, self._late = self._late, []
        yield from late

    def _interrupt(self) -> Steps:
        faults = self._faults
        # spec: synthetic-faults
        for at, step in (
            (faults.stall_at, Step.STALL),
            (faults.disconnect_at, Step.DISCONNECT),
            (faults.fail_at, Step.FAIL),
            (faults.error_at, Step.ERROR),
        ):
            if self.number == at:
                if step is not Step.STALL:
                    yield from self.end()
                yield step

    def _send(self, event: bytes) -> Steps:
        if self.number == self._faults.malformed_at:
            event = self._malformed(event)
        sent = [event, event] if self.number == self._faults.duplicate_at else [event]
        if self.number == self._faults.reorder_at:
            self._late = sent
            return
        yield from sent
        yield from self.end()
