"""The parser: makes the method, target and fields of a head from its bytes, in any chunks, within bounds.

It knows httptools, which parses one head and nothing after it. `heads` knows the meaning of the fields.
"""

from __future__ import annotations

import httptools

from penstock.limits import Limits

from .heads import Fields
from .refusals import malformed, too_large, too_long

_HEAD_END = b"\r\n\r\n"
_BLANKS = b" \t"


class HeadParser:
    """Parses one head after the other, each from `begin` until `is_whole`."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.begin()

    def begin(self) -> None:
        """Expect a new head."""
        self._parser = httptools.HttpRequestParser(self)
        self._size = 0
        self._tail = b""
        """The last bytes, in which the end of the head may begin."""
        self.method = b""
        self.version = ""
        self.url = b""
        self.fields: Fields = []
        self.is_whole = False
        self.is_reusable = False

    def release(self) -> None:
        """Expect nothing more: a parser and its callbacks refer to each other."""
        del self._parser

    def feed(self, data: bytes, start: int) -> int:
        """Take the bytes of the head; the index of the rest. Raises `ApiError` 400, 414 and 431."""
        end = self._end(data, start)
        stop = len(data) if end < 0 else end
        room = self._limits.request_head_bytes_max - self._size
        self._size += stop - start
        self._parse(data[start : min(stop, start + room)])
        # spec: heads
        if stop > start + room:
            raise too_large("The head", self._limits.request_head_bytes_max)
        if not self.is_whole:  # these were empty lines before the head
            self._tail = (self._tail + data[max(start, stop - 3) : stop])[-3:] if end < 0 else b""
        elif self._size > self._limits.request_header_bytes_max:
            self._check_fields()
        return stop

    def _end(self, data: bytes, start: int) -> int:
        """The end of the head, which may have begun in an earlier read; -1 if it has not arrived."""
        if self._tail:
            seam = (self._tail + data[start : start + 3]).find(_HEAD_END)
            if seam >= 0:
                return start + seam + len(_HEAD_END) - len(self._tail)
        found = data.find(_HEAD_END, start)
        return found + len(_HEAD_END) if found >= 0 else -1

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            """The head is complete and requests an upgrade, which may be declined."""
        except httptools.HttpParserError as error:
            # spec: malformed
            raise malformed(str(error)) from None
        # spec: heads
        if len(self.url) > self._limits.request_target_bytes_max:
            raise too_long(self._limits.request_target_bytes_max)

    def _check_fields(self) -> None:
        for name, value in self.fields:
            if len(name) + len(value) > self._limits.request_header_bytes_max:
                raise too_large("A header", self._limits.request_header_bytes_max)

    # Called by httptools, which cannot handle exceptions.

    def on_url(self, url: bytes) -> None:
        """A piece of the target was parsed."""
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header was parsed. httptools leaves blanks at its end, which are no part of it (RFC 9110, section 5.5)."""
        if value[-1:] in _BLANKS:
            value = value.rstrip(_BLANKS)
        self.fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head was parsed. The parser forgets at the end of the message whether the connection can be reused."""
        parser = self._parser
        self.method, self.version = parser.get_method(), parser.get_http_version()
        self.is_whole = True
        self.is_reusable = parser.should_keep_alive()
