"""The client of the Runtime API: how a runtime gets its events and sends its replies (HTTP/1.1, RFC 9112).

It has one connection, and one request at a time on it. It needs the standard library only. It never reads an event.
Source: "Using the Lambda runtime API for custom runtimes" of AWS' documentation.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

import msgspec

_VERSION = "/2018-06-01/runtime"
_LINE_BYTES_MAX = 64 * 1024
"""The length of a line of a head."""
_HEADERS_MAX = 100
_BODY_BYTES_MAX = 64 * 1024 * 1024
"""The length of a reply. Events have at most 6 MB."""
_TIME_DIGITS_MAX = 15
"""How many digits a time in Unix milliseconds has until the year 33658."""
_TAKEN = range(200, 300)
"""The statuses of success."""
_REASON_BYTES_MAX = 200
"""How much of a refusal is in an error."""
_STREAMS: Mapping[str, str] = {
    "content-type": "application/vnd.awslambda.http-integration-response",
    "lambda-runtime-function-response-mode": "streaming",
    "transfer-encoding": "chunked",
    "trailer": "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body",
}
_NO_HEADERS: Mapping[str, str] = {}


class RuntimeApiError(Exception):
    """The Runtime API cannot be reached, or its reply cannot be used."""


class Failure(msgspec.Struct, rename="camel", frozen=True):
    """An error that is reported to Lambda."""

    error_type: str
    error_message: str
    stack_trace: tuple[str, ...] = ()


class Invocation(msgspec.Struct, frozen=True):
    """An event with its id. `deadline_ms` is the time at which the function is stopped, in Unix milliseconds."""

    request_id: str
    body: bytes
    deadline_ms: int | None


class _Reply(msgspec.Struct):
    status: int
    headers: dict[str, str]
    body: bytes


class RuntimeApi:
    """One connection to the Runtime API at `address`, a host and a port. Raises `RuntimeApiError`."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._host, _, self._port = address.rpartition(":")
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def next(self) -> Invocation:
        """Wait for the next event, for as long as it takes."""
        reply = await self._ask("GET", "/invocation/next")
        request_id = reply.headers.get("lambda-runtime-aws-request-id")
        if reply.status != 200 or not request_id:
            raise RuntimeApiError(f"no event: status {reply.status}")
        deadline = reply.headers.get("lambda-runtime-deadline-ms", "")
        is_time = deadline.isdecimal() and len(deadline) <= _TIME_DIGITS_MAX
        return Invocation(request_id, reply.body, int(deadline) if is_time else None)

    async def respond(self, request_id: str, body: bytes) -> None:
        """Send a whole result."""
        path = f"/invocation/{request_id}/response"
        _check(await self._ask("POST", path, {"content-type": "application/json"}, body))

    async def stream(self, request_id: str, pieces: AsyncGenerator[bytes | bytearray]) -> None:
        """Send a reply piece by piece. Where `pieces` raises `OSError`, the reply ends with an error."""
        async with aclosing(pieces):
            writer = await self._send_head("POST", f"/invocation/{request_id}/response", _STREAMS)
            try:
                failure = await self._write_chunks(writer, pieces)
            except BaseException:
                self.close()  # the reply has no end, and nothing else can be sent on the connection
                raise
        await self._write(writer, b"0\r\n%b\r\n" % _trailers(failure))
        _check(await self._read_reply())

    async def fail(self, request_id: str, failure: Failure) -> None:
        """Report that an event cannot be answered."""
        await self._report(f"/invocation/{request_id}/error", failure)

    async def fail_init(self, failure: Failure) -> None:
        """Report that the function cannot start."""
        await self._report("/init/error", failure)

    async def restored(self) -> None:
        """Wait until a snapshot of this process was restored (SnapStart)."""
        _check(await self._ask("GET", "/restore/next"))

    def close(self) -> None:
        """Close the connection. The next request opens another one."""
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()

    async def _report(self, path: str, failure: Failure) -> None:
        headers = {"content-type": "application/json", "lambda-runtime-function-error-type": failure.error_type}
        _check(await self._ask("POST", path, headers, msgspec.json.encode(failure)))

    async def _ask(self, method: str, path: str, headers: Mapping[str, str] = _NO_HEADERS, body: bytes = b"") -> _Reply:
        length = {"content-length": str(len(body))} if method == "POST" else {}
        writer = await self._send_head(method, path, {**headers, **length})
        await self._write(writer, body)
        return await self._read_reply()

    async def _send_head(self, method: str, path: str, headers: Mapping[str, str]) -> asyncio.StreamWriter:
        lines = [f"{method} {_VERSION}{path} HTTP/1.1", f"host: {self._address}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        _, writer = await self._connected()
        await self._write(writer, ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        return writer

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None or self._streams[0].at_eof():
            self.close()
            try:
                opening = asyncio.open_connection(self._host, int(self._port), limit=_LINE_BYTES_MAX)
                self._streams = await opening
            except (OSError, ValueError) as error:
                raise RuntimeApiError(f"no connection to {self._address}: {error}") from None
        return self._streams

    async def _write_chunks(
        self, writer: asyncio.StreamWriter, pieces: AsyncGenerator[bytes | bytearray]
    ) -> Failure | None:
        """Write the pieces as chunks. Returns the failure where `pieces` raises `OSError`."""
        try:
            async for piece in pieces:
                if piece:
                    # spec: function-streams
                    await self._write(writer, b"%x\r\n" % len(piece), piece, b"\r\n")
        except OSError as error:
            return Failure("Runtime.StreamCut", str(error) or "The upstream's reply was cut.")
        return None

    async def _write(self, writer: asyncio.StreamWriter, *data: bytes | bytearray) -> None:
        try:
            writer.writelines(data)
            await writer.drain()
        except OSError as error:
            self.close()
            raise RuntimeApiError(f"the connection was lost: {error}") from None

    async def _read_reply(self) -> _Reply:
        reader, _ = await self._connected()
        try:
            reply = await _read_reply(reader)
        except (OSError, ValueError, EOFError, asyncio.LimitOverrunError) as error:
            self.close()
            raise RuntimeApiError(f"no reply: {error}") from None
        if reply.headers.get("connection", "").lower() == "close":
            self.close()
        return reply


def _check(reply: _Reply) -> None:
    """Raises `RuntimeApiError` for a reply that refuses what was asked."""
    if reply.status not in _TAKEN:
        body = reply.body[:_REASON_BYTES_MAX].decode(errors="replace")
        raise RuntimeApiError(f"it was refused with status {reply.status}: {body}")


def _trailers(failure: Failure | None) -> bytes:
    """The trailers of a stream, which report an error after its beginning."""
    if failure is None:
        return b""
    body = b64encode(msgspec.json.encode(failure)).decode()
    lines = f"Lambda-Runtime-Function-Error-Type: {failure.error_type}\r\n"
    return (lines + f"Lambda-Runtime-Function-Error-Body: {body}\r\n").encode()


async def _read_reply(reader: asyncio.StreamReader) -> _Reply:
    """Read one reply. Raises `EOFError`, and `ValueError` for a reply of another form."""
    version, status, *_ = (await _line(reader)).split(" ", 2)
    if not version.startswith("HTTP/1.") or not status.isdecimal():
        raise ValueError("not HTTP/1.1")
    headers = await _read_headers(reader)
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return _Reply(int(status), headers, await _read_chunks(reader))
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > _BODY_BYTES_MAX:
        raise ValueError("the body has no valid length")
    return _Reply(int(status), headers, await reader.readexactly(int(length)))


async def _read_headers(reader: asyncio.StreamReader) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(_HEADERS_MAX):
        line = await _line(reader)
        if not line:
            return headers
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    raise ValueError("too many headers")


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while size := int((await _line(reader)).partition(";")[0], 16):
        if len(body) + size > _BODY_BYTES_MAX:
            raise ValueError("the body is too long")
        body += await reader.readexactly(size)
        await _line(reader)
    await _read_headers(reader)  # trailers
    return bytes(body)


async def _line(reader: asyncio.StreamReader) -> str:
    return (await reader.readuntil(b"\r\n")).decode("latin-1").rstrip("\r\n")
