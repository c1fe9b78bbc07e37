"""The state machines of a stream: from deltas to events, and from events to the Response. No I/O and no async.

`Reducer` turns deltas into events. `Transcript` numbers, checks and folds them, by the tables of `lifecycle`.
"""

from __future__ import annotations

from .reducer import Reducer
from .transcript import IllegalEvent, Transcript, fold

__all__ = ["IllegalEvent", "Reducer", "Transcript", "fold"]
