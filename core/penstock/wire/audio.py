"""The audio family: the events of a response with audio output.

They belong to no item and change nothing in the Response: only the stream contains the audio.
"""

from typing import ClassVar

from ._base import UNSET, Event, Fold, UnsetType, nothing


class AudioDelta(Event, kw_only=True, tag="response.audio.delta"):
    """A piece of the audio, in base64."""

    fold: ClassVar[Fold] = nothing()

    delta: str
    obfuscation: str | UnsetType = UNSET


class AudioDone(Event, kw_only=True, tag="response.audio.done"):
    """The audio is complete."""

    fold: ClassVar[Fold] = nothing()


class AudioTranscriptDelta(Event, kw_only=True, tag="response.audio.transcript.delta"):
    """A piece of the transcript of the audio."""

    fold: ClassVar[Fold] = nothing()

    delta: str
    obfuscation: str | UnsetType = UNSET


class AudioTranscriptDone(Event, kw_only=True, tag="response.audio.transcript.done"):
    """The transcript of the audio is complete."""

    fold: ClassVar[Fold] = nothing()
