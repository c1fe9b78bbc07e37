"""The machines of a stream: deltas to events, events to the Response. No I/O and no async.

`Reducer` turns deltas into events, `Transcript` numbers, checks and folds them, `lifecycle` holds the
tables that both obey.
"""

from __future__ import annotations

from .reducer import Reducer
from .transcript import IllegalEvent, Transcript, fold

__all__ = ["IllegalEvent", "Reducer", "Transcript", "fold"]
