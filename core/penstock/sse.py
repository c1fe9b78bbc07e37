"""Server-sent events: a writer of our events, and a reader of anybody's bytes.

Both are incremental and do no I/O (HTML Living Standard, section 9.2, "Server-sent events"). The writer makes one
buffer of a whole batch, since a send costs ten times what encoding an event does; it never splits an event. The
reader takes any split of the bytes, any of the three line endings, comments, and `data:` with or without a space.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import json

from penstock import json_codec
from penstock.errors import upstream_failed
from penstock.text_runs import GrowingText, Recorded, TextRun
from penstock.wire import Event, UnknownEvent

_FIELDS = frozenset((b"", b"id", b"retry"))
"""The names of lines that say nothing to us; that of a comment is empty."""
_STRAY_BYTES_MAX = 2_000
_DATA = b"data: "
_HEAD_BYTES_MAX = 200
"""A longer head is not expected again: a stream holds it to its end."""

DONE = b"data: [DONE]\n\n"
HEARTBEAT = b": ping\n\n"

_heads: dict[type[Event], bytes] = {}


def encode_event(event: Event) -> bytes:
    """One event as it stands on the wire."""
    return bytes(encode_events((event,)))


def encode_events(events: Sequence[Recorded]) -> bytes | bytearray:
    """A batch of events as one buffer, for one send."""
    if len(events) == 1 and isinstance(run := events[0], TextRun):
        return b"".join(run.write(run.text.frame or _frame(run.text)))
    buffer = bytearray()
    for event in events:
        if isinstance(event, TextRun):
            buffer += encode_events([event])
            continue
        buffer += _heads.get(type(event)) or _head(event)
        json_codec.encode_into(event, buffer, -1)
        buffer += b"\n\n"
    return json_codec.unmarked(buffer)


def _frame(text: GrowingText) -> bytes:
    """The form of each event of a text, as it stands on the wire."""
    text.frame = _head(text.event(0, "")).replace(b"%", b"%%") + text.form + b"\n\n"
    return text.frame


def _head(event: Event) -> bytes:
    """What stands before the JSON of an event; `event:` equals the JSON's `type`, and a class has but one."""
    cls = type(event)
    if cls is UnknownEvent:
        return _unknown_head(event.type)
    # spec: framing
    head = _heads[cls] = f"event: {event.type}\ndata: ".encode()
    return head


def _unknown_head(name: str) -> bytes:
    """No upstream gets a line of its own into our stream by the name of its event."""
    return f"event: {name}\ndata: ".encode() if name.isprintable() else b"data: "


class SseReader:
    """Bytes in, the data of each event out. An event of over `event_bytes_max` bytes is the upstream's fault.

    With `wraps_errors`, what is an error by its place, and maybe not by its data, is given as `{"error": …}`: the data
    of an event named `error`, and a line that begins with `error:`. A line that is a JSON object is data by itself.
    """

    def __init__(self, *, event_bytes_max: int, wraps_errors: bool = False) -> None:
        self.stray = b""
        """The first line that is no field of an event, as far as it helps to tell what was sent instead of a stream."""
        self._wraps_errors = wraps_errors
        self._is_error = False
        self._event_bytes_max = event_bytes_max
        self._rest = bytearray()
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._at_start = True
        self._is_clean = False
        self._expect(_DATA)

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of every event that `chunk` ends."""
        if self._is_clean and chunk[-2:] == b"\n\n" and b"\r" not in chunk:
            head = self._head
            events = chunk[len(head) : -2].split(self._between)
            if chunk.startswith(head) and chunk.count(b"\n") == self._lines * len(events):
                return events  # there is no line end but that of each head and the two of each event
            return self._take_whole(chunk)
        if self._rest and self._goes_on_with(chunk):
            return []
        text = bytes(self._rest + chunk) if self._rest else chunk
        if self._at_start and not (text := self._after_bom(text)):
            return []
        held = b""
        # spec: quirk-framing
        if b"\r" in text:
            if text.endswith(b"\r"):  # its "\n" may come with the next read
                text, held = text[:-1], b"\r"
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = text.split(b"\n")
        self._rest = bytearray(rest + held)
        events = self._take(lines)
        self._is_clean = not (self._rest or self._data or self._is_error)
        self._check_size()
        return events

    def close(self) -> list[bytes]:
        """The data of an event that the end of the stream cut off before its blank line, if any."""
        rest, self._rest = bytes(self._rest), bytearray()
        return self._take([rest.rstrip(b"\r"), b""])

    def _goes_on_with(self, chunk: bytes) -> bool:
        """Whether the chunk only lengthens a line. It is kept unread, since a line of megabytes comes in many reads."""
        if self._at_start or b"\n" in chunk or b"\r" in chunk or self._rest.endswith(b"\r"):
            return False
        self._rest += chunk
        self._check_size()
        return True

    def _check_size(self) -> None:
        if len(self._rest) + self._data_bytes > self._event_bytes_max:
            raise upstream_failed(f"The upstream sent an event of over {self._event_bytes_max} bytes.")

    def _after_bom(self, text: bytes) -> bytes:
        """The text without a byte order mark; nothing while the first three bytes are not all there."""
        if len(text) < 3 and b"\xef\xbb\xbf".startswith(text):
            self._rest = bytearray(text)
            return b""
        self._at_start = False
        self._rest.clear()
        return text.removeprefix(b"\xef\xbb\xbf")

    def _expect(self, head: bytes) -> None:
        """This stood before the data of an event. Most events have the same as the one before."""
        self._head = head
        self._between = b"\n\n" + head
        self._lines = head.count(b"\n") + 2

    def _take_whole(self, chunk: bytes) -> list[bytes]:
        """Nothing is pending, and the chunk holds whole events."""
        events: list[bytes] = []
        for block in chunk.split(b"\n\n"):
            if block.startswith(_DATA) and block.find(b"\n") < 0:
                self._expect(_DATA)
                events.append(block[6:])
            elif block:
                events += self._take_lines(block)
        return events

    def _take_lines(self, block: bytes) -> list[bytes]:
        """An event of several lines: most have a name, which nobody needs unless it is that of an error."""
        start = block.find(b"\n") + 1
        is_named = block.startswith(b"event: ") and block[7:start].strip() != b"error"
        if is_named and block.startswith(_DATA, start) and block.find(b"\n", start) < 0:
            if start <= _HEAD_BYTES_MAX:
                self._expect(block[: start + 6])
            return [block[start + 6 :]]
        return self._take([*block.split(b"\n"), b""])

    def _take(self, lines: list[bytes]) -> list[bytes]:
        events: list[bytes] = []
        for line in lines:
            if line.startswith(b"data:"):
                value = line[6:] if line.startswith(b"data: ") else line[5:]
                self._data.append(value)
                self._data_bytes += len(value) + 1  # lines without anything in them add up too
            elif line:
                events += self._other_line(line)
            elif self._data or self._is_error:
                data = b"\n".join(self._data)
                events.append(_wrapped(data) if self._is_error else data)
                self._data, self._data_bytes, self._is_error = [], 0, False
        return events

    def _other_line(self, line: bytes) -> list[bytes]:
        """A line that is no data: the name of the event, or something that stands where none of its fields does."""
        name, colon, value = line.partition(b":")
        if name == b"event":
            self._is_error = self._wraps_errors and value.strip() == b"error"
        elif name == b"error" and colon and self._wraps_errors:
            # spec: error-shapes
            return [_wrapped(value)]
        elif line.startswith(b"{") and line.endswith(b"}") and self._wraps_errors:
            return [line]
        elif name not in _FIELDS and not self.stray:
            self.stray = line[:_STRAY_BYTES_MAX]
        return []


def _wrapped(data: bytes) -> bytes:
    """An error as one object, whether its data is JSON or plain words."""
    data = data.strip() or b"{}"
    is_json = data.startswith((b"{", b"[", b'"'))
    return b'{"error":%b}' % (data if is_json else json.encode(data.decode(errors="replace")))
