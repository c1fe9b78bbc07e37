"""The parser of replies on one connection: it fills the expected reply from bytes. It does no I/O.

llhttp knows the grammar; here are the bounds, informational replies, and the end of a body without a length. It is
strict where two readers could disagree on the end of a reply (RFC 9112, section 6.3): it rejects a reply with both a
length and a transfer-encoding, and any transfer-encoding but chunked.
"""

from __future__ import annotations

from itertools import chain
from typing import NoReturn

import httptools

from penstock.limits import Limits
from penstock_adapters.fault_texts import CLOSED, ENDLESS, EXPECTS_TLS, INFORMATIONAL_MAX, NO_HTTP

from .faults import TransportFault
from .replies import IncomingReply

_SWITCHING_PROTOCOLS = 101
_TLS_ALERT = b"\x15\x03"
"""The beginning of a TLS alert."""


class ReplyParser:
    """Parses one reply after the other. It cannot be used after a fault."""

    def __init__(self, limits: Limits) -> None:
        self._framing_bytes_max = limits.upstream_framing_bytes_max
        self._headers_max = limits.upstream_headers_max
        self._reply: IncomingReply | None = None
        self._fault: TransportFault | None = None
        self._is_informational = False
        self._informational = 0
        self._fields: list[tuple[bytes, bytes]] = []
        self._pieces: list[bytes] = []
        self._framing_bytes = 0
        """The bytes since the last piece of the body: of a head, trailers, or a line between chunks."""
        self._ends_with_connection = False
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self.can_be_reused = True
        """Whether another reply may follow on the connection after this one."""
        self.has_begun = False
        """Whether any byte of the reply has arrived."""

    def expect(self, reply: IncomingReply) -> None:
        """Expect this reply next."""
        self._reply = reply
        self._pieces = reply.pieces
        self.has_begun = False
        self._informational = 0
        self._begin_head()

    def feed(self, data: bytes) -> TransportFault | None:
        """Take the bytes of a read while a reply is expected. Bytes after the reply's end are not parsed."""
        reply, parser = self._reply, self._parser
        assert reply is not None
        assert parser is not None
        pieces = len(self._pieces)
        try:
            parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.can_be_reused = False
            if reply.has_ended:
                return None
            is_tls = not self.has_begun and data.startswith(_TLS_ALERT)
            return self._fault or TransportFault(
                EXPECTS_TLS if is_tls else NO_HTTP, cause=f"{type(error).__name__}: {error}"
            )
        self.has_begun = True
        if len(self._pieces) != pieces:
            self._framing_bytes = 0
            return None
        self._framing_bytes += len(data)
        if self._framing_bytes > self._framing_bytes_max and not reply.has_ended:
            return self._too_much()
        return None

    def end(self) -> TransportFault | None:
        """The upstream has closed the connection. That may be the end of the reply, or else it is a fault."""
        reply = self._reply
        if reply is not None and reply.has_head and self._ends_with_connection:
            reply.has_ended = True
            return None
        return TransportFault(CLOSED)

    def close(self) -> None:
        """Release llhttp's parser, which refers to this one."""
        self._parser = self._reply = None

    # Called by llhttp.

    def on_message_begin(self) -> None:
        """A reply begins; if none is expected, it is an error."""
        if self._reply is None:
            self._refuse(TransportFault(NO_HTTP, cause="bytes after the end of a reply"))

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head, or of the trailers, which are ignored."""
        self._fields.append((name, value))
        if len(self._fields) > self._headers_max:
            self._refuse(self._too_much())

    def on_headers_complete(self) -> None:
        """The head is complete, or that of an informational reply, which another one follows."""
        reply, parser = self._reply, self._parser
        assert reply is not None
        assert parser is not None
        status = parser.get_status_code()
        self._is_informational = 100 <= status < 200 and status != _SWITCHING_PROTOCOLS
        if self._is_informational:
            self._skip()
            return
        headers = self._read_fields()
        coding = headers.get("transfer-encoding")
        # spec: upstream-framing
        if coding is not None and coding.lower() != "chunked":
            self._refuse(TransportFault(NO_HTTP, cause="a transfer-encoding that is not chunked"))
        if coding is not None and parser.get_http_version() == "1.0":
            self.can_be_reused = False  # "the framing is faulty", RFC 9112, section 6.1
        self._ends_with_connection = coding is None and "content-length" not in headers
        reply.status, reply.headers = status, headers
        reply.has_head = True
        if status == _SWITCHING_PROTOCOLS:
            self._end(can_be_reused=False)

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        """The end of the reply."""
        if self._reply is not None and not self._is_informational:
            assert self._parser is not None
            self._end(can_be_reused=self._parser.should_keep_alive())

    def _begin_head(self) -> None:
        self._fields.clear()
        self._framing_bytes = 0

    def _read_fields(self) -> dict[str, str]:
        """The fields of the head by name; the values of a repeated field are joined."""
        if sum(map(len, chain.from_iterable(self._fields))) > self._framing_bytes_max:
            self._refuse(self._too_much())
        fields = [
            (name.decode("latin-1").lower(), value.strip(b" \t").decode("latin-1")) for name, value in self._fields
        ]
        headers = dict(fields)
        if len(headers) < len(fields):
            headers = {name: ", ".join([value for key, value in fields if key == name]) for name in headers}
        return headers

    def _skip(self) -> None:
        """Discard an informational reply."""
        self._informational += 1
        if self._informational > INFORMATIONAL_MAX:
            self._refuse(TransportFault(ENDLESS))
        self._begin_head()

    def _end(self, *, can_be_reused: bool) -> None:
        assert self._reply is not None
        self.can_be_reused = self.can_be_reused and can_be_reused
        self._reply.has_ended = True
        self._reply, self._pieces = None, []

    def _refuse(self, fault: TransportFault) -> NoReturn:
        """Stop llhttp, whose own error has no reason."""
        self._fault = fault
        raise ValueError

    def _too_much(self) -> TransportFault:
        limits = f"upstream_framing_bytes_max ({self._framing_bytes_max}) or upstream_headers_max ({self._headers_max})"
        return TransportFault(NO_HTTP, cause=f"a head, a line or trailers beyond limits.{limits}")
