"""Server-sent events: a writer of our events, and a reader of upstreams' streams.

Both are incremental and do no I/O (HTML Living Standard, section 9.2, "Server-sent events"). The writer makes one
buffer of a whole batch, since sending costs ten times as much as encoding an event. It never splits an event. The
reader accepts any split of the bytes, all three line endings, comments, and `data:` with or without a space.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import json

from penstock import json_codec
from penstock.errors import upstream_failed
from penstock.text_runs import GrowingText, Recorded, TextRun
from penstock.wire import Event, UnknownEvent

_FIELDS = frozenset((b"", b"id", b"retry"))
"""The names of fields that are ignored. The name of a comment is empty."""
_STRAY_BYTES_MAX = 2_000
_DATA = b"data: "
_HEAD_BYTES_MAX = 200
"""The longest head that is expected again. A stream holds the expected head in memory to its end."""

DONE = b"data: [DONE]\n\n"
HEARTBEAT = b": ping\n\n"

_heads: dict[type[Event], bytes] = {}


def encode_event(event: Event) -> bytes:
    """The bytes of one event."""
    return bytes(encode_events((event,)))


def encode_events(events: Sequence[Recorded]) -> bytes | bytearray:
    """The bytes of a batch of events, in one buffer."""
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
    """The format of the bytes of each event of a text."""
    text.frame = _head(text.event(0, "")).replace(b"%", b"%%") + text.form + b"\n\n"
    return text.frame


def _head(event: Event) -> bytes:
    """The bytes before the JSON of an event. `event:` equals the JSON's `type`, which a class has only one of."""
    cls = type(event)
    if cls is UnknownEvent:
        return _unknown_head(event.type)
    # spec: framing
    head = _heads[cls] = f"event: {event.type}\ndata: ".encode()
    return head


def _unknown_head(name: str) -> bytes:
    """The head of an unknown event. An unprintable name is left out: it could add lines to our stream."""
    return f"event: {name}\ndata: ".encode() if name.isprintable() else b"data: "


class SseReader:
    """Reads the data of each event. Raises `ApiError` for an event of over `event_bytes_max` bytes.

    With `is_lenient`, the data of an event with the name `error`, and a line that begins with `error:`, are returned
    as `{"error": …}`. A line that is a JSON object or `[DONE]` is returned as data. Where there are no blank lines, an
    event ends at the data of the next one.
    """

    def __init__(self, *, event_bytes_max: int, is_lenient: bool = False) -> None:
        self.stray = b""
        """The beginning of the lines that are no field of an event, for an error message."""
        self._is_lenient = is_lenient
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
                return events  # there are no line ends but those of each head and the two of each event
            return self._take_whole(chunk)
        if self._rest and self._extends_line(chunk):
            return []
        text = bytes(self._rest + chunk) if self._rest else chunk
        if self._at_start and not (text := self._after_bom(text)):
            return []
        carry = b""
        # spec: quirk-framing
        if b"\r" in text:
            if text.endswith(b"\r"):  # its "\n" may come with the next read
                text, carry = text[:-1], b"\r"
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = text.split(b"\n")
        self._rest = bytearray(rest + carry)
        events = self._take(lines)
        self._is_clean = not (self._rest or self._data or self._is_error)
        self._check_size()
        return events

    def close(self) -> list[bytes]:
        """The data of an event that the end of the stream cut off before its blank line, if any."""
        rest, self._rest = bytes(self._rest), bytearray()
        return self._take([rest.rstrip(b"\r"), b""])

    def _extends_line(self, chunk: bytes) -> bool:
        """Whether the chunk only adds to a line. It is not parsed yet: a line of megabytes arrives in many reads."""
        if self._at_start or b"\n" in chunk or b"\r" in chunk or self._rest.endswith(b"\r"):
            return False
        self._rest += chunk
        self._check_size()
        return True

    def _check_size(self) -> None:
        if len(self._rest) + self._data_bytes > self._event_bytes_max:
            raise upstream_failed(f"The upstream sent an event of over {self._event_bytes_max} bytes.")

    def _after_bom(self, text: bytes) -> bytes:
        """The text without a byte order mark. Empty until the first three bytes have arrived."""
        if len(text) < 3 and b"\xef\xbb\xbf".startswith(text):
            self._rest = bytearray(text)
            return b""
        self._at_start = False
        self._rest.clear()
        return text.removeprefix(b"\xef\xbb\xbf")

    def _expect(self, head: bytes) -> None:
        """Expect the next events to have this head before their data, as most events do."""
        self._head = head
        self._between = b"\n\n" + head
        self._lines = head.count(b"\n") + 2

    def _take_whole(self, chunk: bytes) -> list[bytes]:
        """Read a chunk of whole events, while nothing is pending."""
        events: list[bytes] = []
        for block in chunk.split(b"\n\n"):
            head = self._head
            if block.startswith(head) and block.find(b"\n", len(head)) < 0:
                events.append(block[len(head) :])
            elif block.startswith(_DATA) and block.find(b"\n") < 0:
                self._expect(_DATA)
                events.append(block[6:])
            elif block:
                events += self._take_lines(block)
        return events

    def _take_lines(self, block: bytes) -> list[bytes]:
        """Read an event of several lines. Most have a name, which matters only if it is `error`."""
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
                events += self._add_data(line[6:] if line.startswith(b"data: ") else line[5:])
            elif line:
                events += self._other_line(line)
            elif self._data or self._is_error:
                events.append(self._event())
        return events

    def _add_data(self, value: bytes) -> list[bytes]:
        """Add a line of data. The event before it, if that has ended without a blank line."""
        # spec: odd-framing
        ended = [self._event()] if self._data and self._is_lenient and _is_next(self._data, value) else []
        self._data.append(value)
        self._data_bytes += len(value) + 1  # empty lines count too
        return ended

    def _event(self) -> bytes:
        """The data of the event that ends here."""
        data = b"\n".join(self._data)
        wrapped = _wrapped(data) if self._is_error else data
        self._data, self._data_bytes, self._is_error = [], 0, False
        return wrapped

    def _other_line(self, line: bytes) -> list[bytes]:
        """Read a line that is no data: the name of the event, another field, or a text that is no field."""
        name, colon, value = line.partition(b":")
        if name.strip().lower() == b"data" and self._is_lenient:
            return self._add_data(value.strip())
        if name == b"event":
            self._is_error = self._is_lenient and value.strip() == b"error"
        elif name == b"error" and colon and self._is_lenient:
            # spec: error-shapes
            return [_wrapped(value)]
        elif self._is_lenient and (_is_object(line) or line == b"[DONE]"):
            return [line]
        elif name not in _FIELDS:
            self._add_stray(line)
        elif not name and b"error" in value.lower():
            self._add_stray(value.strip())
        return []

    def _add_stray(self, line: bytes) -> None:
        if len(self.stray) < _STRAY_BYTES_MAX:
            self.stray = (self.stray + b"\n" + line if self.stray else line)[:_STRAY_BYTES_MAX]


def _is_next(data: list[bytes], value: bytes) -> bool:
    """Whether data begins another event than the data before it, which is a whole one."""
    return len(data) == 1 and _is_object(data[0]) and value.startswith((b"{", b"[DONE]"))


def _is_object(line: bytes) -> bool:
    return line.startswith(b"{") and line.rstrip().endswith(b"}")


def _wrapped(data: bytes) -> bytes:
    """The data of an error as one JSON object. The data may be JSON or a text."""
    data = data.strip() or b"{}"
    is_json = data.startswith((b"{", b"[", b'"'))
    return b'{"error":%b}' % (data if is_json else json.encode(data.decode(errors="replace")))
