"""The parser: the bytes of a head, however they come, to its method, target and fields, within bounds.

It knows httptools, which reads one head and nothing behind it. What the fields mean, `heads` knows.
"""

from __future__ import annotations

import httptools

from penstock.limits import Limits

from .heads import Fields
from .refusals import malformed, too_large, too_long

_HEAD_END = b"\r\n\r\n"


class HeadParser:
    """One head after the other, each from `begin` until `is_whole`."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.begin()

    def begin(self) -> None:
        """Expect a new head."""
        self._parser = httptools.HttpRequestParser(self)
        self._size = 0
        self._tail = b""
        """The end of what has come, in which the end of the head may begin."""
        self.url = b""
        self.fields: Fields = []
        self.is_whole = False
        self.is_reusable = False

    def release(self) -> None:
        """Expect nothing more: a parser and what it calls hold each other."""
        del self._parser

    def feed(self, data: bytes, start: int) -> int:
        """Take what belongs to the head; where the rest begins. Raises `ApiError` 400, 414 and 431."""
        end = self._end(data, start)
        stop = len(data) if end < 0 else end
        room = self._limits.request_head_bytes_max - self._size
        self._size += stop - start
        self._parse(data[start : min(stop, start + room)])
        # spec: heads
        if stop > start + room:
            raise too_large("The head", self._limits.request_head_bytes_max)
        if not self.is_whole:  # where this looked like the end, it was one of empty lines before the head
            self._tail = (self._tail + data[max(start, stop - 3) : stop])[-3:] if end < 0 else b""
        elif self._size > self._limits.request_header_bytes_max:
            self._check_fields()
        return stop

    def method(self) -> bytes:
        """The method, once the head is whole."""
        method: bytes = self._parser.get_method()
        return method

    def version(self) -> str:
        """The version, once the head is whole."""
        version: str = self._parser.get_http_version()
        return version

    def _end(self, data: bytes, start: int) -> int:
        """Where the head ends, though the end may have begun in an earlier read; -1 where that is not in sight."""
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
            """The head is whole, and asks for an upgrade, which may be declined."""
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

    # What httptools calls. It takes no exceptions, so that nothing else happens here.

    def on_url(self, url: bytes) -> None:
        """A piece of the target was read."""
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header was read."""
        self.fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head was read. Whether the connection may go on, the parser forgets when the message is over."""
        self.is_whole = True
        self.is_reusable = self._parser.should_keep_alive()
