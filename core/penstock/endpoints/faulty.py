"""Replies with the faults that options of the synthetic model ask for. All other replies are returned unchanged.

A server without that model imports nothing of it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from penstock.engine import Run
from penstock.http import Stream

if TYPE_CHECKING:
    from penstock.dialects.synthetic.wire_faults import WireFaults


def faulty_events(stream: Stream, run: Run) -> Stream:
    """The stream of a run, with its faults."""
    faults = _faults(run)
    if faults is None:
        return stream
    from .faulty_replies import events_with

    return events_with(faults, stream, run)


def faulty_json(body: bytes, run: Run) -> bytes | Stream:
    """The JSON of a run's Response, with its faults."""
    faults = _faults(run)
    if faults is None:
        return body
    from .faulty_replies import json_with

    return json_with(faults, body)


def faulty_messages(batches: AsyncGenerator[list[bytes]], run: Run) -> AsyncGenerator[list[bytes]]:
    """The messages of a run on a WebSocket, with its faults."""
    faults = _faults(run)
    if faults is None:
        return batches
    from .faulty_replies import messages_with

    return messages_with(faults, batches, run)


def _faults(run: Run) -> WireFaults | None:
    decide = run.plan.route.wire_faults
    return None if decide is None else decide(run.plan.turn)
