"""A Responses reply as deltas: a stream in any split, or a whole Response.

It knows which events are the upstream's own lifecycle (the transcript writes ours) and which are the answer (they are
relayed). An unknown event or field is relayed too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Union, get_args

import msgspec

from penstock import json_codec
from penstock.errors import ApiError, upstream_failed
from penstock.invalid_unicode import replace_lone_surrogates
from penstock.sse import SseReader
from penstock.transcript.deltas import Delta, Relayed, RelayedItem
from penstock.upstream_errors import read_error
from penstock.upstream_replies import reported_error
from penstock.wire import OutputItem, StreamEvent

from .ending import deltas_of, read_ending
from .pieces import PieceReader
from .sealed_thoughts import SealedThoughts


class _Own(msgspec.Struct, tag_field="type", tag=""):
    """An event of the upstream's own life."""


class _Begins(_Own, tag=""):
    """Its response has begun; ours has too."""


class _Ends(_Own, tag=""):
    """Its response has ended. `response` is empty where it is absent."""

    response: msgspec.Raw = msgspec.Raw()


class _Errs(_Own, tag=""):
    """The stream ends in an error."""


_OWN: dict[str, type[_Own]] = {
    "response.created": _Begins,
    "response.queued": _Begins,
    "response.in_progress": _Begins,
    "response.completed": _Ends,
    "response.incomplete": _Ends,
    "response.failed": _Ends,
    "error": _Errs,
}
"""What is not relayed, by its type."""
_EVENTS = [
    *(msgspec.defstruct(cls.__name__, [], bases=(cls,), tag=tag) for tag, cls in _OWN.items()),
    *(cls for cls in get_args(StreamEvent) if cls.__struct_config__.tag not in _OWN),
]
_decode_event = json_codec.Decoder[Any](Union[tuple(_EVENTS)], lenient=True).decode  # noqa: UP007 - they are no literals
_decode_items = json_codec.Decoder[list[Any]](list[OutputItem], lenient=True).decode


class _TokenCount(msgspec.Struct):
    """The reply of `POST /responses/input_tokens`."""

    input_tokens: int


def read_token_count(body: bytes) -> int:
    """The tokens of an input. Raises `ApiError`."""
    try:
        return msgspec.json.decode(body, type=_TokenCount).input_tokens
    except (msgspec.DecodeError, UnicodeError):
        raise upstream_failed("The upstream's count of tokens cannot be read.") from None


class ResponsesDecoder:
    """One reply. Its first byte shows whether it is a stream or a JSON body."""

    _sse: SseReader | None = None
    """The reader of a stream, once there is one."""
    _pieces: PieceReader
    _body: bytearray | None = None
    """A JSON body so far, once there is one."""

    def __init__(self, *, event_bytes_max: int, sealed_thoughts: SealedThoughts | None = None) -> None:
        self.is_done = False
        self._sealed_thoughts = sealed_thoughts
        self._event_bytes_max = event_bytes_max

    @property
    def has_finished(self) -> bool:
        """Whether the terminal event was read."""
        return self.is_done

    def feed(self, chunk: bytes) -> list[Delta]:
        """The deltas that this chunk completes. Raises `ApiError` where the upstream reports an error."""
        if self._sse is not None:
            return self._events(self._sse.feed(chunk))
        if self._body is None:
            if not (begun := chunk.lstrip()):
                return []
            if not begun.startswith(b"{"):
                self._sse, self._pieces = SseReader(event_bytes_max=self._event_bytes_max), PieceReader()
                return self._events(self._sse.feed(chunk))
            self._body = bytearray()
        self._body += chunk
        if len(self._body) > self._event_bytes_max:
            raise upstream_failed(f"The upstream sent a reply of over {self._event_bytes_max} bytes.")
        return []

    def close(self) -> list[Delta]:
        """The end of the reply. A reply without a reported end was cut short."""
        deltas: list[Delta] = []
        if self._body is not None:
            deltas += _read(self._whole, bytes(self._body), "response")
        elif self._sse is not None:
            deltas += self._events(self._sse.close())
        if not self.is_done:
            raise upstream_failed("The upstream's stream ended before its response did.")
        return deltas

    def _events(self, read: list[bytes]) -> list[Delta]:
        deltas: list[Delta] = []
        at = 0
        while at < len(read) and not self.is_done:
            if run := self._pieces.run(read, at):
                deltas.append(run)
                at += len(run.texts)
                continue
            if (data := read[at]).strip() != b"[DONE]":
                deltas += _read(self._event, data, "event of a response")
            at += 1
        return deltas

    def _event(self, data: bytes) -> Iterable[Delta]:
        event = _decode_event(data)
        if not isinstance(event, _Own):
            return self._relayed(event)
        if isinstance(event, _Errs):
            raise reported_error(read_error(msgspec.json.decode(data)))
        return self._ended(event) if isinstance(event, _Ends) else ()

    def _relayed(self, event: Any) -> Iterable[Delta]:
        return (Relayed(event),) if self._sealed_thoughts is None else self._sealed_thoughts.take(event)

    def _ended(self, event: _Ends) -> list[Delta]:
        self.is_done = True
        return deltas_of(read_ending(bytes(event.response)))

    def _whole(self, body: bytes) -> Iterable[Delta]:
        """A Response that came whole: its items, each at once, and its end."""
        self.is_done = True
        ending = read_ending(body)
        if not ending.output:
            raise _no_response(body)
        items = _decode_items(bytes(ending.output))
        deltas: list[Delta] = [delta for item in items for delta in self._relayed_item(item)]
        return deltas + deltas_of(ending)

    def _relayed_item(self, item: Any) -> Iterable[Delta]:
        return (RelayedItem(item),) if self._sealed_thoughts is None else self._sealed_thoughts.take_item(item)


def _no_response(body: bytes) -> ApiError:
    """What a JSON object without an output is: an error, mostly."""
    error = read_error(msgspec.json.decode(body))
    return reported_error(error) if error.message else upstream_failed("The upstream sent what is no response.")


def _read(read: Callable[[bytes], Iterable[Delta]], data: bytes, what: str) -> Iterable[Delta]:
    """The deltas of JSON. Invalid characters in it are replaced. Raises `ApiError`."""
    try:
        return read(data)
    except (msgspec.DecodeError, UnicodeError):
        data = replace_lone_surrogates(data)
    except RecursionError as error:
        raise upstream_failed(f"The upstream sent what is no {what}: {error}") from None
    try:
        return read(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise upstream_failed(f"The upstream sent what is no {what}: {error}") from None
