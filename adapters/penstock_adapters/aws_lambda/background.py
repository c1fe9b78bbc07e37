"""Background responses in a function: the events that ask for their runs, directly or by a queue, and their results.

It knows the form of a message, and of a batch of SQS. Each response is run to its end, or its message is a failure,
which Lambda or SQS repeats later. Source: "Using Lambda with Amazon SQS" of AWS' documentation.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import msgspec

from .events import Event, Record

Perform: TypeAlias = Callable[[str, str], Awaitable[bool]]
"""Runs the response of an owner and an id. False where it has not ended."""

_log = logging.getLogger("penstock.aws_lambda")


class Message(msgspec.Struct, frozen=True):
    """What asks for the run of a stored response."""

    penstock_background: str
    """The id of the response."""
    owner: str = ""


class NotDone(Exception):
    """A response has not ended: another process has it. The event must come again."""


_decode_message = msgspec.json.Decoder(Message).decode


async def do_work(event: Event, perform: Perform) -> dict[str, Any] | None:
    """Do the work of an event. Returns the result of a batch: the messages that must come again.

    Raises `NotDone` for a response that was asked for directly.
    """
    if not event.records:
        assert event.penstock_background is not None
        if not await perform(event.owner, event.penstock_background):
            raise NotDone(f"response {event.penstock_background} has not ended: another process has it")
        return None
    failed = [record.message_id for record in event.records if not await _is_done(record, perform)]
    # spec: asked-again
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


async def _is_done(record: Record, perform: Perform) -> bool:
    """Whether a message needs not come again. One that cannot be read is left to the queue of dead messages."""
    try:
        message = _decode_message(record.body)
    except msgspec.MsgspecError as error:
        _log.error("message %s is no background response: %s", record.message_id, error)
        return False
    try:
        return await perform(message.owner, message.penstock_background)
    except Exception:
        _log.exception("message %s comes again", record.message_id)
        return False
