"""A small Runtime API of AWS Lambda, for the bench: it hands out events, and notes when the bytes of replies arrive.

It serves one function at a time on loopback, and checks nothing of what is posted.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

SEPARATOR = bytes(8)
"""What is between the prelude of a stream and its body."""


@dataclass(slots=True)
class Posted:
    """When the first byte of a reply's body came, and its last."""

    first_s: float = 0.0
    last_s: float = 0.0


@dataclass(slots=True)
class RuntimeApi:
    """Hands out events, and notes the times of the replies."""

    events: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    posted: asyncio.Queue[Posted] = field(default_factory=asyncio.Queue)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        with contextlib.suppress(EOFError, OSError, asyncio.CancelledError):  # the function ends, or the bench
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                if head.startswith("get"):
                    writer.write(invocation(await self.events.get()))
                else:
                    await self.posted.put(await read_body(reader, head))
                    writer.write(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
        writer.close()


def invocation(event: bytes) -> bytes:
    """The reply with an event, which has a minute."""
    fields = {
        "lambda-runtime-aws-request-id": "1",
        "lambda-runtime-deadline-ms": int(time.time() * 1000) + 60_000,
        "lambda-runtime-invoked-function-arn": "arn:aws:lambda:eu-west-1:1:function:bench",
        "content-type": "application/json",
        "content-length": len(event),
    }
    lines = ["HTTP/1.1 200 OK", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode() + event


async def read_body(reader: asyncio.StreamReader, head: str) -> Posted:
    """Read the body of a reply to its end. That of a stream begins after its prelude."""
    posted, whole = Posted(), b""
    streams = "transfer-encoding: chunked" in head
    async for piece in pieces(reader, head):
        whole += piece
        if not posted.first_s and (not streams or whole.partition(SEPARATOR)[2]):
            posted.first_s = time.perf_counter()
    posted.last_s = time.perf_counter()
    return posted


async def pieces(reader: asyncio.StreamReader, head: str) -> AsyncIterator[bytes]:
    """The pieces of a body as they come."""
    if "transfer-encoding: chunked" not in head:
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        while length > 0:
            piece = await reader.read(length)
            length -= len(piece)
            yield piece
        return
    while size := int((await reader.readline()).partition(b";")[0], 16):
        yield await reader.readexactly(size)
        await reader.readline()
    while (await reader.readline()).strip():
        pass


def event_for(model: str, *, stream: bool) -> bytes:
    """An event of a Function URL."""
    body = json.dumps({"model": model, "input": "Hi", "stream": stream})
    http = {
        "method": "POST",
        "path": "/v1/responses",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "bench",
    }
    domain = "abc.lambda-url.eu-west-1.on.aws"
    context = {"domainName": domain, "stage": "$default", "http": http, "accountId": "1", "requestId": "1"}
    headers = {"content-type": "application/json", "host": domain}
    event = {"version": "2.0", "rawPath": "/v1/responses", "rawQueryString": "", "headers": headers, "body": body}
    return json.dumps(event | {"routeKey": "$default", "requestContext": context, "isBase64Encoded": False}).encode()
