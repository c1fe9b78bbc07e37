"""The audio family: the events of a response that speaks.

They belong to no item and leave nothing in the Response: what was heard, only the stream tells.
"""

from __future__ import annotations

from typing import ClassVar

from ._base import UNSET, Event, Fold, UnsetType, nothing


class AudioDelta(Event, kw_only=True, tag="response.audio.delta"):
    """A piece of the speech, in base64."""

    fold: ClassVar[Fold] = nothing()

    delta: str
    obfuscation: str | UnsetType = UNSET


class AudioDone(Event, kw_only=True, tag="response.audio.done"):
    """The speech is whole."""

    fold: ClassVar[Fold] = nothing()


class AudioTranscriptDelta(Event, kw_only=True, tag="response.audio.transcript.delta"):
    """A piece of what is spoken, in writing."""

    fold: ClassVar[Fold] = nothing()

    delta: str
    obfuscation: str | UnsetType = UNSET


class AudioTranscriptDone(Event, kw_only=True, tag="response.audio.transcript.done"):
    """The writing is whole."""

    fold: ClassVar[Fold] = nothing()
