"""WebSocket over a bare socket: frames that break the rules, and those that no client would send.

Each ends its own connection with the code of RFC 6455 and one line of the log, and nothing else.
"""

from __future__ import annotations

import contextlib
import json
import struct

import pytest

from live.conftest import Start
from live.test_bodies import GROWTH_BYTES_MAX, LATE_S
from live.test_heads import resident
from requirements import shows
from support.ignored_headers import judged
from support.raw import Connection
from support.server import PenstockServer
from support.upstream import ScriptedUpstream
from support.waiting import until

HANDSHAKE = {
    "connection": "keep-alive, Upgrade",
    "upgrade": "WebSocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "content-length": "",
}
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MASK = b"mask"
BODY_BYTES_MAX = 64 * 1024
FRAGMENTS_BYTES_MAX = 8 * 10**6
"""Of 600 kB in fragments of two bytes."""
CREATE = json.dumps({"type": "response.create", "model": "text", "input": "Hello?"}).encode()


def frame(opcode: int, data: bytes = b"", *, fin: bool = True, masked: bool = True, reserved: int = 0) -> bytes:
    head = bytes([(0x80 if fin else 0) | reserved | opcode])
    size = len(data)
    mark = 0x80 if masked else 0
    if size < 126:
        head += bytes([mark | size])
    elif size < 65_536:
        head += struct.pack("!BH", mark | 126, size)
    else:
        head += struct.pack("!BQ", mark | 127, size)
    if not masked:
        return head + data
    return head + MASK + bytes(byte ^ MASK[index % 4] for index, byte in enumerate(data))


def result_of(connection: Connection) -> tuple[int, bytes]:
    """The opcode and data of the next frame of the server."""
    first, size = connection.file.read(2)
    if size == 126:
        [size] = struct.unpack("!H", connection.file.read(2))
    elif size == 127:
        [size] = struct.unpack("!Q", connection.file.read(8))
    return first & 15, connection.file.read(size)


def opened(server: PenstockServer) -> Connection:
    connection = Connection(server.url)
    connection.send("GET", "/responses", headers=HANDSHAKE)
    assert connection.head()[0] == 101
    return connection


@pytest.fixture
def narrow(start: Start, upstream: ScriptedUpstream) -> PenstockServer:
    return start("--upstream", upstream.url, PENSTOCK_LIMITS_BODY_BYTES_MAX=str(BODY_BYTES_MAX))


BROKEN: dict[str, tuple[bytes, int]] = {
    "text that is no UTF-8": (frame(TEXT, b'{"type": "\xff"}'), 1007),
    "half a character": (frame(TEXT, "ä".encode()[:1]), 1007),
    "a surrogate": (frame(TEXT, b"\xed\xa0\x80"), 1007),
    "text that is no UTF-8, in two fragments": (frame(TEXT, b"a", fin=False) + frame(CONTINUATION, b"\xff"), 1007),
    "text that is no UTF-8, twice": (frame(TEXT, b"\xff") * 2, 1007),
    "text that is no UTF-8, and a goodbye": (frame(TEXT, b"\xff") + frame(CLOSE, b"\x03\xe8"), 1000),
    "a reason that is no UTF-8": (frame(CLOSE, b"\x03\xe8\xff"), 1007),
    "a frame without a mask": (frame(TEXT, b"{}", masked=False), 1002),
    "an unknown opcode": (frame(3), 1002),
    "an unknown control opcode": (frame(11), 1002),
    "a reserved bit": (frame(TEXT, b"{}", reserved=0x40), 1002),
    "a ping in fragments": (frame(PING, fin=False), 1002),
    "a ping of over 125 bytes": (frame(PING, b"x" * 126), 1002),
    "a continuation of nothing": (frame(CONTINUATION, b"{}"), 1002),
    "a message within a message": (frame(TEXT, b"{", fin=False) + frame(TEXT, b"}"), 1002),
    "a goodbye of one byte": (frame(CLOSE, b"\x03"), 1002),
    "a goodbye with a code that is none": (frame(CLOSE, b"\x03\xed"), 1002),
    "a frame that is too large": (frame(TEXT, b" " * (BODY_BYTES_MAX + 1)), 1009),
    "a message that is too large": (
        frame(TEXT, b" " * BODY_BYTES_MAX, fin=False) + frame(CONTINUATION, b" "),
        1009,
    ),
    "a size that no memory holds": (b"\x81\xff" + b"\x7f" + b"\xff" * 7 + MASK, 1009),
}


@shows("ws-frames")
@pytest.mark.parametrize("name", BROKEN)
def test_a_frame_that_breaks_the_rules(narrow: PenstockServer, name: str) -> None:
    data, code = BROKEN[name]
    known = len(narrow.lines)
    with opened(narrow) as connection:
        connection.socket.sendall(data)
        opcode, payload = result_of(connection)
        assert (opcode, int.from_bytes(payload[:2])) == (CLOSE, code)
        payload[2:].decode()
        assert connection.file.read() == b""
    assert "Traceback" not in "".join(narrow.lines[known:])
    with opened(narrow) as other:
        other.socket.sendall(frame(PING, b"there?"))
        assert result_of(other) == (PONG, b"there?")


@shows("ws-frames")
def test_one_line_reports_it(narrow: PenstockServer) -> None:
    known = len(narrow.lines)
    with opened(narrow) as connection:
        connection.socket.sendall(frame(TEXT, b"\xff"))
        assert connection.file.read()
    until(lambda: [line for line in narrow.lines[known:] if "closed with 1007" in line])
    of_others = ("/responses", "closed with 1009")  # lines of earlier connections may come late
    lines = [line for line in narrow.lines[known:] if not any(other in line for other in of_others)]
    assert len(lines) == 1, lines


def test_a_message_in_many_fragments(server: PenstockServer) -> None:
    pieces = [frame(CONTINUATION, bytes([byte]), fin=False) + frame(CONTINUATION, fin=False) for byte in CREATE]
    for opcode in (TEXT, BINARY):
        with opened(server) as connection:
            connection.socket.sendall(frame(opcode, fin=False) + b"".join(pieces) + frame(CONTINUATION))
            assert json.loads(result_of(connection)[1])["type"] == "response.created"


@shows("ws-frames")
def test_fragments_cost_what_is_in_them(server: PenstockServer) -> None:
    with opened(server) as connection:
        connection.socket.sendall(frame(TEXT, fin=False) + frame(PING))
        assert result_of(connection) == (PONG, b"")
        before = resident(server)
        for _ in range(30):
            connection.socket.sendall(frame(CONTINUATION, b"  ", fin=False) * 10_000)
        connection.socket.sendall(frame(PING))
        assert result_of(connection) == (PONG, b"")
        assert resident(server) - before < FRAGMENTS_BYTES_MAX


@shows("ws-frames")
def test_pongs_that_are_not_taken_are_not_held(server: PenstockServer) -> None:
    with opened(server) as connection:
        before = resident(server)
        connection.socket.settimeout(2.0)
        with contextlib.suppress(TimeoutError):
            for number in range(300):
                connection.socket.sendall(frame(PING, b"%0125d" % number) * 1_000)
        assert resident(server) - before < GROWTH_BYTES_MAX
        connection.socket.settimeout(LATE_S)
        connection.socket.sendall(frame(PING, b"last"))
        while result_of(connection) != (PONG, b"last"):
            pass


def test_a_message_behind_the_handshake(server: PenstockServer) -> None:
    """It comes too early, and is not lost."""
    with Connection(server.url) as connection:
        lines = [f"{name}: {value}" for name, value in HANDSHAKE.items() if value]
        head = "\r\n".join(["GET /v1/responses HTTP/1.1", f"host: {connection.host}", *lines, "", ""])
        connection.socket.sendall(head.encode() + frame(TEXT, CREATE))
        assert connection.head()[0] == 101
        assert json.loads(result_of(connection)[1])["type"] == "response.created"


HANDSHAKES: dict[str, tuple[int, dict[str, str]]] = {
    "no key": (400, {"sec-websocket-key": ""}),
    "a key that is none": (400, {"sec-websocket-key": "x"}),
    "another version": (426, {"sec-websocket-version": "8"}),
    "no version": (426, {"sec-websocket-version": ""}),
    "a header that is long": (400, {"x": "y" * 9_000}),
}


@shows("ws-frames")
@pytest.mark.parametrize("name", HANDSHAKES)
def test_a_handshake_that_is_refused(server: PenstockServer, name: str) -> None:
    status, headers = HANDSHAKES[name]
    with Connection(server.url) as connection:
        connection.send("GET", "/responses", headers=HANDSHAKE | headers)
        answer = connection.answer()
        assert judged(answer.status, answer.headers, answer.writes).status == status
        assert connection.file.read() == b""
