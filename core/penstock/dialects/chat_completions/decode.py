"""A Chat Completions reply as deltas: a stream in any split, or a whole JSON body.

It knows the ways in which backends frame a reply, end it and report errors. `messages` reads the message itself.
"""

from __future__ import annotations

from contextlib import suppress
from typing import get_args

import msgspec

from penstock import lenient
from penstock.errors import ApiError, untraced, upstream_failed
from penstock.sse import SseReader
from penstock.transcript.deltas import Delta, Finish, ResponseFields, TextDelta, UsageDelta
from penstock.upstream_errors import is_error, read_error
from penstock.upstream_replies import reported_error
from penstock.wire import ServiceTier

from . import wire
from .extras import ExtrasReader
from .finish import FinishReasons
from .messages import MessageReader
from .objects import objects_in
from .pack_extras import pack_extras
from .plain import PlainReader, PlainReply, read_plain_reply
from .think import InlineThink, ThinkSplitter
from .unknown_values import UnknownValues
from .usage import ReadUsage, UsageReader

_decode = msgspec.json.Decoder(wire.ReadReply).decode

_BOM = b"\xef\xbb\xbf"
_WORD_BYTES_MAX = 20
_SIGNS_OF_LIFE = frozenset((b"", b"null", b"ping", b"pong", b"heartbeat", b"keepalive", b"keep-alive", b"keep_alive"))
"""What some send as data to keep a connection alive."""
_ENDS = frozenset((b"[DONE]", b"DONE"))
"""What ends a stream, in capitals."""
_TIERS = frozenset(get_args(ServiceTier))
_CHAR_BYTES_MAX = 4
"""In UTF-8 (RFC 3629)."""
_QUOTED_CHARS_MAX = 200
"""How much of a reply that is no JSON an error quotes."""


class ChatDecoder:
    """One reply. Its first byte shows whether it is a stream or a JSON body: not every backend's headers do."""

    is_done = False
    _begun = b""
    _sse: SseReader | None = None
    _body: bytearray | None = None
    _first_line: bytes | None = None
    """The first line of a body, once it has ended."""
    _plain: PlainReader
    _message: MessageReader
    _has_delta = _has_message = False
    _tier: str | None = None
    _words: str | None = None
    """The message of a chunk without an answer, for the error that is raised where no answer comes."""
    _finish: Finish | None = None
    _error: ApiError | None = None

    def __init__(
        self,
        *,
        inline_think: InlineThink,
        event_bytes_max: int,
        unknown: UnknownValues | None = None,
        finish_reasons: FinishReasons | None = None,
        origin: str | None = "",
        returned_bytes_max: int = 2**20,
    ) -> None:
        self._event_bytes_max = event_bytes_max
        self._inline_think = inline_think
        self._unknown = unknown or UnknownValues()
        self._origin, self._returned_bytes_max = origin, returned_bytes_max
        self._finish_reasons = finish_reasons or FinishReasons({}, self._unknown)
        self._usage = UsageReader()

    def feed(self, chunk: bytes) -> list[Delta]:
        """The deltas that this chunk completes. Raises `ApiError` where the upstream reports an error."""
        if self._sse is not None:
            return self._take_events(self._sse.feed(chunk))
        if self._body is not None:
            return self._feed_body(self._body, chunk)
        return self._feed_first(chunk)

    @property
    def has_finished(self) -> bool:
        """Whether the upstream reported an end, in either of the two ways."""
        # spec: quirk-no-done
        return self._finish is not None or self.is_done

    def close(self) -> list[Delta]:
        """The end of the reply: what was held back, and the finish. A reply without a reported end was cut short."""
        out: list[Delta] = []
        if self._body is not None:
            if not self._inline_think and (plain := read_plain_reply(self._body)) is not None:
                return self._close_plain(plain)
            self._message = self._new_message()
            self._reply(bytes(self._body), out)
            out += self._message.close()
        elif self._sse is not None:
            out += self._take_events(self._sse.close())
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None
        if self._sse is not None:
            out += self._message.close()
        out.append(self._end())
        return out

    def _close_plain(self, reply: PlainReply) -> list[Delta]:
        [choice] = reply.choices
        out: list[Delta] = [TextDelta(choice.message.content)]
        self._cost(reply.usage, out)
        if reply.service_tier:
            self._served(reply.service_tier, out)
        out.append(self._finish_reasons.read(choice.finish_reason, None) or Finish())
        return out

    def _end(self) -> Finish:
        """How the answer ended. Raises `ApiError` where it has no end, or is none."""
        finish = self._finish or Finish()
        if not self.has_finished:
            if self._body is not None and not self._words:
                raise _no_completion(bytes(self._body))
            message = f"The upstream ended its reply before it was finished{self._aside()}."
            raise self._stray_error() or upstream_failed(message)
        # spec: nothing-is-failed
        if not (self._has_delta or self._has_message or finish.incomplete):
            raise upstream_failed(f"The upstream's reply is empty, without a message in it{self._aside()}.")
        return finish

    def _aside(self) -> str:
        """What the upstream sent beside any answer, for an error message."""
        words = self._words or (_quoted(self._sse.stray) if self._sse is not None else "")
        return f": {words}" if words else ""

    def _stray_error(self, before: bytes = b"") -> ApiError | None:
        """The error in the lines that are no field of an event, if that is what they are."""
        if self._sse is None or not self._sse.stray:
            return None
        try:
            value = lenient.loads(before + self._sse.stray)
        except ValueError:
            return None
        # spec: error-shapes
        return reported_error(read_error(value)) if isinstance(value, dict) and is_error(value) else None

    def _feed_first(self, chunk: bytes) -> list[Delta]:
        """Find out whether the reply is a stream, a JSON body or a page of HTML."""
        self._begun = (self._begun + chunk).lstrip()
        if _BOM.startswith(self._begun):
            return []
        self._begun = self._begun.removeprefix(_BOM)
        first, begun = self._begun[:1], self._begun
        self._begun = b""
        if first in (b"{", b"["):
            self._body = bytearray()
            return self._feed_body(self._body, begun)
        if first == b"<":
            # spec: quirk-errors
            raise upstream_failed("The upstream answered with a page of HTML: is its URL right?", retriable=False)
        return self._begin_stream(begun)

    def _begin_stream(self, begun: bytes) -> list[Delta]:
        self._plain, self._message = PlainReader(), self._new_message()
        self._sse = SseReader(event_bytes_max=self._event_bytes_max, is_lenient=True)
        return self._take_events(self._sse.feed(begun))

    def _new_message(self) -> MessageReader:
        extras = ExtrasReader(self._origin, bytes_max=self._returned_bytes_max)
        think = ThinkSplitter(is_opened=self._inline_think == "opened") if self._inline_think else None
        return MessageReader(think=think, unknown=self._unknown, extras=extras)

    def _feed_body(self, body: bytearray, chunk: bytes) -> list[Delta]:
        body += chunk
        if len(body) > self._event_bytes_max:
            raise upstream_failed(f"The upstream sent a reply of over {self._event_bytes_max} bytes.")
        if self._first_line is None and b"\n" in chunk:
            line, _, chunk = bytes(body).partition(b"\n")
            self._first_line = line.rstrip()
        # spec: odd-framing
        if self._first_line and self._first_line.endswith(b"}") and chunk.strip():
            self._body = None
            return self._begin_stream(bytes(body))
        return []

    def _take_events(self, events: list[bytes]) -> list[Delta]:
        """The deltas of these events. An error is raised after the deltas before it have been returned."""
        out: list[Delta] = []
        at, count = 0, len(events)
        try:
            while at < count and not self.is_done:
                run = self._plain.run(events, at)
                if run is not None:
                    self._has_delta = True
                    self._message.read_run(run, out)
                    at += len(run.texts)
                    if at == count:
                        break
                self._take_event(events[at], out)
                at += 1
        except ApiError as error:
            if not out:
                raise
            self._error, self.is_done = untraced(error), True
        return out

    def _take_event(self, data: bytes, out: list[Delta]) -> None:
        if data == b"[DONE]":
            self.is_done = True
        else:
            self._reply(data, out)

    def _reply(self, data: bytes, out: list[Delta]) -> None:
        """One chunk, or a whole completion."""
        try:
            reply = _decode(data)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            reply = self._read_several(data, out) or self._read_odd(data.strip())
        choices = reply.choices
        if not (choices or reply.usage) or reply.error:
            self._apart(data)
        # spec: quirk-no-choices
        for choice in choices or ():
            if not choice.index:  # only one was asked for
                self._choice(choice, data, out)
            # spec: calls-apart
            elif choice.message is not None and choice.message.tool_calls:
                self._message.read_whole(wire.ReadMessage(tool_calls=choice.message.tool_calls), None, out)
        # spec: sources-beside
        if reply.search_results or reply.citations:
            self._message.add_sources([*(reply.search_results or ()), *(reply.citations or ())])
        # spec: quirk-usage
        self._cost(reply.usage or reply.other_usage, out)
        if reply.service_tier:
            self._served(reply.service_tier, out)

    def _apart(self, data: bytes) -> None:
        """A reply without an answer. Raises `ApiError` where it is an error."""
        try:
            value = lenient.loads(data)
        except ValueError:  # it is nested deeper than any error
            return
        if isinstance(value, dict):
            error = read_error(value)
            # spec: quirk-errors
            if is_error(value):
                raise reported_error(error)
            self._words = self._words or error.message

    def _choice(self, choice: wire.ReadChoice, data: bytes, out: list[Delta]) -> None:
        delta, message = choice.delta, choice.message
        if _has_parts(delta) or _has_parts(message):
            self._message.take_parts(data)
        if choice.text and delta is None and message is None:
            delta = wire.ReadMessage(content=choice.text)
        if delta is not None:
            self._has_delta = True
            self._message.read(delta, choice.logprobs, out)
        if message is not None:
            self._has_message = True
            is_whole = self._body is not None or self._has_delta
            (self._message.read_whole if is_whole else self._message.read)(message, choice.logprobs, out)
        if choice.error:
            raise reported_error(read_error(choice.error))
        # spec: quirk-finish
        if choice.finish_reason or choice.native_finish_reason:
            self._cost(choice.usage, out)
            self._finished(self._finish_reasons.read(choice.finish_reason, choice.native_finish_reason))
        if self._body is not None:  # a whole reply has ended, whether or not it states the reason
            self._finished(Finish())

    def _cost(self, read: ReadUsage | None, out: list[Delta]) -> None:
        """What the turn cost; few backends report it in the choice."""
        if read and (usage := self._usage.read(read)):
            out.append(UsageDelta(usage))

    def _served(self, tier: str | None, out: list[Delta]) -> None:
        """The tier that served the request, where it is one that a Response can have."""
        # spec: served-tiers
        if tier != self._tier and tier in _TIERS:
            self._tier = tier
            out.append(ResponseFields({"service_tier": tier}))

    def _finished(self, finish: Finish | None) -> None:
        """Take an end. One that was cut stays so, whatever comes behind it."""
        if finish is not None and (self._finish is None or self._finish.incomplete is None):
            self._finish = finish

    def _read_several(self, data: bytes, out: list[Delta]) -> wire.ReadReply | None:
        """Read chunks without a break between them; None where there are no two of them."""
        objects = objects_in(data)
        if not objects:
            return None
        # spec: objects-without-breaks
        self._body = None
        for each in objects:
            self._take_event(each, out)
        return wire.ReadReply(choices=[])

    def _read_odd(self, data: bytes) -> wire.ReadReply:
        """A reply that is not as it should be, as far as it can be read. Raises `ApiError` for what is none."""
        data = _unwrapped(data)
        if data.startswith(b":") or data.lower() in _SIGNS_OF_LIFE:
            return wire.ReadReply(choices=[])
        if data.upper() in _ENDS:
            self.is_done = True
            return wire.ReadReply(choices=[])
        data = pack_extras(data)
        with suppress(msgspec.DecodeError, UnicodeError, RecursionError):
            return _decode(data)
        try:
            value = lenient.loads(data)
            if isinstance(value, dict) and isinstance(value.get("choices", []), list | dict | None):
                return lenient.fit(value, wire.ReadReply)
        except ValueError:
            raise self._stray_error(data + b"\n") or _no_completion(data) from None
        error = read_error(value)
        raise reported_error(error) if error.message else _no_completion(data)


def _has_parts(message: wire.ReadMessage | None) -> bool:
    return message is not None and type(message.content) is list


def _unwrapped(data: bytes) -> bytes:
    """The data without a further name of the field before it, and without quotes around a word."""
    while data.startswith(b"data:"):
        data = data[len(b"data:") :].strip()
    return data.strip(b'"') if len(data) < _WORD_BYTES_MAX else data


def _no_completion(data: bytes) -> ApiError:
    return upstream_failed(f"The upstream sent what is not a chat completion: {_quoted(data)}")


def _quoted(data: bytes) -> str:
    text = data[: _CHAR_BYTES_MAX * _QUOTED_CHARS_MAX].decode(errors="replace")
    return text[:_QUOTED_CHARS_MAX]
