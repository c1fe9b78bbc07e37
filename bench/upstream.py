"""A fake Chat Completions upstream that costs almost nothing: its bytes are computed beforehand.

The model's name is the script: `json-200` or any unknown name is a reply of 200 words; `stream-200` writes
one delta at a time, `stream-200x10` ten per write, `stream-200x10-5ms` one write every 5 ms. (A stream is
sent when the request says `stream: true`; else the same words come as JSON.) It expects no pipelining.
"""

import argparse
import asyncio
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import httptools
import msgspec
import uvloop

from bench import bodies

SCRIPT = re.compile(r"^(?:.*/)?(?:json|stream)-(\d{1,5})(?:x(\d{1,5}))?(?:-(\d{1,5})ms)?$")
BODY_BYTES_MAX = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Script:
    """What a model name asks for: how many deltas, how many per write, and the pause between writes."""

    deltas: int = bodies.DEFAULT_DELTAS
    deltas_per_write: int = 1
    interval_s: float = 0.0


class StreamOptions(msgspec.Struct):
    """The one stream option that changes what is sent."""

    include_usage: bool = False


class Ask(msgspec.Struct):
    """The three fields of a chat request that are read; the rest is skipped, not parsed."""

    model: str = ""
    stream: bool = False
    stream_options: StreamOptions | None = None


ASK = msgspec.json.Decoder(Ask)
MODELS = bodies.with_length(b"200 OK", bodies.JSON_TYPE, b'{"object":"list","data":[]}')
NOT_FOUND = bodies.with_length(b"404 Not Found", bodies.JSON_TYPE, b'{"error":{"message":"no such route"}}')
BAD = bodies.with_length(b"400 Bad Request", bodies.JSON_TYPE, b'{"error":{"message":"unreadable request"}}')


def script_of(model: str) -> Script:
    """Return the script that `model` names; an unknown name gets the default."""
    found = SCRIPT.match(model)
    if not found:
        return Script()
    deltas, per_write, interval_ms = found.groups()
    return Script(int(deltas), max(1, int(per_write or 1)), int(interval_ms or 0) / 1000)


@lru_cache(maxsize=64)
def json_reply(model: str) -> bytes:
    """Return the whole HTTP reply of a JSON completion."""
    body = bodies.chat_completion(model, script_of(model).deltas)
    return bodies.with_length(b"200 OK", bodies.JSON_TYPE, body)


@lru_cache(maxsize=64)
def stream_writes(model: str, include_usage: bool) -> tuple[list[bytes], float]:
    """Return a stream's socket writes (head and role, the deltas, the end) and their interval_s."""
    script = script_of(model)
    first, *deltas, last = map(bodies.http_chunk, bodies.chat_chunks(model, script.deltas, include_usage))
    step = script.deltas_per_write
    batches = [b"".join(deltas[start : start + step]) for start in range(0, len(deltas), step)]
    head = bodies.chunked_head(bodies.SSE_TYPE) + first
    return [head, *batches, last + bodies.http_chunk(b"")], script.interval_s


class UpstreamProtocol(asyncio.Protocol):
    """One connection: parses a request, answers with precomputed bytes, one write per turn of the loop."""

    def __init__(self) -> None:
        """Start idle; the transport comes with `connection_made`."""
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.WriteTransport | None = None
        self._url = self._body = b""
        self._writes: list[bytes] = []
        self._next = 0
        self._interval_s = self._due_at_s = 0.0
        self._handle: asyncio.Handle | None = None
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's is one by duck type only

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the rest of the stream."""
        self._transport = None
        if self._handle:
            self._handle.cancel()

    def data_received(self, data: bytes) -> None:
        """Feed the parser; a client that does not speak HTTP is told so and closed."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._refuse()

    def pause_writing(self) -> None:
        """Wait: the client reads more slowly than we write."""
        self._paused = True

    def resume_writing(self) -> None:
        """Go on where `pause_writing` stopped."""
        self._paused = False
        if self._next < len(self._writes):
            self._schedule()

    # httptools callbacks

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._url = self._body = b""

    def on_url(self, url: bytes) -> None:
        """Collect the target (it may come in pieces)."""
        self._url += url

    def on_body(self, body: bytes) -> None:
        """Collect the body, bounded."""
        self._body += body
        if len(self._body) > BODY_BYTES_MAX:
            self._refuse()

    def on_message_complete(self) -> None:
        """Answer."""
        if self._url.endswith(b"/chat/completions"):
            self._answer_chat()
        else:
            self._write(MODELS if self._url.endswith(b"/models") else NOT_FOUND)

    def _answer_chat(self) -> None:
        try:
            ask = ASK.decode(self._body)
        except msgspec.MsgspecError:
            self._write(BAD)
            return
        if ask.stream:
            self._start_stream(ask)
        else:
            self._write(json_reply(ask.model))

    def _start_stream(self, ask: Ask) -> None:
        usage = bool(ask.stream_options and ask.stream_options.include_usage)
        self._writes, self._interval_s = stream_writes(ask.model, usage)
        self._next, self._due_at_s = 0, self._loop.time()
        self._write_next()

    def _write_next(self) -> None:
        self._handle = None
        self._write(self._writes[self._next])
        self._next += 1
        if self._next < len(self._writes) and not self._paused:
            self._schedule()

    def _schedule(self) -> None:
        # Unpaced writes take one turn of the loop each too: uvloop joins the writes of one turn.
        if self._handle or not self._transport:
            return
        if self._interval_s:
            self._due_at_s += self._interval_s
            self._handle = self._loop.call_at(self._due_at_s, self._write_next)
        else:
            self._handle = self._loop.call_soon(self._write_next)

    def _write(self, data: bytes) -> None:
        if self._transport:
            self._transport.write(data)

    def _refuse(self) -> None:
        self._write(BAD)
        if self._transport:
            self._transport.close()


async def serve(port: int) -> None:
    """Listen on loopback until cancelled."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(UpstreamProtocol, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


def main() -> None:
    """Run the upstream from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
