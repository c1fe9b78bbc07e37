"""A fake upstream that costs almost nothing: its bytes are computed beforehand. It answers in two languages.

`/chat/completions` is asked in OpenAI's older API, `/responses` in its newer one.

The model's name is the script: `json-200` or any unknown name is a reply of 200 words; `stream-200` writes
one delta at a time, `stream-200x10` ten per write, `stream-200x10-5ms` one write every 5 ms. (A stream is
sent when the request has `stream: true`; else the same words come as JSON.) It expects no pipelining. Paced
streams write in different milliseconds, as far as there are enough of them. `tool-200` calls the first tool that is
offered, and writes 200 words once it has read an output.
"""

import argparse
import asyncio
import re
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import httptools
import msgspec
import uvloop

from bench import bodies, tool_turns

SCRIPT = re.compile(r"^(?:.*/)?(?:json|stream|tool)-(\d{1,5})(?:x(\d{1,5}))?(?:-(\d{1,5})ms)?$")
TOOL = "tool-"
BODY_BYTES_MAX = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Script:
    """What a model name asks for: how many deltas, how many per write, and the pause between writes."""

    deltas: int = bodies.DEFAULT_DELTAS
    deltas_per_write: int = 1
    interval_s: float = 0.0


class StreamOptions(msgspec.Struct, frozen=True):
    """The one stream option that changes what is sent."""

    include_usage: bool = False


class Ask(msgspec.Struct, frozen=True):
    """The three fields of a request that are read; the rest is skipped, not parsed."""

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


class Language(ABC):
    """What a route answers."""

    @abstractmethod
    def body(self, ask: Ask, deltas: int) -> bytes:
        """Return the body of a JSON reply."""

    @abstractmethod
    def events(self, ask: Ask, deltas: int) -> list[bytes]:
        """Return what precedes the deltas of a stream, each delta, and the end."""

    @abstractmethod
    def call(self, ask: Ask, function: str) -> bytes:
        """Return the body of a reply that calls a function."""

    @abstractmethod
    def call_events(self, ask: Ask, function: str) -> list[bytes]:
        """Return the same as a stream."""


class ChatCompletions(Language):
    """The language of `/chat/completions`."""

    def body(self, ask: Ask, deltas: int) -> bytes:
        """Return a completion."""
        return bodies.chat_completion(ask.model, deltas)

    def events(self, ask: Ask, deltas: int) -> list[bytes]:
        """Return its chunks, with usage where it is asked for."""
        usage = bool(ask.stream_options and ask.stream_options.include_usage)
        return bodies.chat_chunks(ask.model, deltas, usage)

    def call(self, ask: Ask, function: str) -> bytes:
        """Return a completion."""
        return tool_turns.chat_call(ask.model, function)

    def call_events(self, ask: Ask, function: str) -> list[bytes]:
        """Return its chunks."""
        return tool_turns.chat_call_events(ask.model, function)


class Responses(Language):
    """The language of `/responses`."""

    def body(self, ask: Ask, deltas: int) -> bytes:
        """Return a completed Response."""
        return bodies.response_json(deltas)

    def events(self, ask: Ask, deltas: int) -> list[bytes]:
        """Return its events, those before and behind the deltas joined."""
        events = bodies.response_events(deltas)
        begin, end = bodies.EVENTS_BEFORE_DELTAS, bodies.EVENTS_BEFORE_DELTAS + deltas
        return [b"".join(events[:begin]), *events[begin:end], b"".join(events[end:])]

    def call(self, ask: Ask, function: str) -> bytes:
        """Return a completed Response."""
        return tool_turns.response_call(function)

    def call_events(self, ask: Ask, function: str) -> list[bytes]:
        """Return its events."""
        return tool_turns.response_call_events(function)


ROUTES: dict[bytes, Language] = {b"completions": ChatCompletions(), b"responses": Responses()}
"""By the last word of the path."""


@lru_cache(maxsize=64)
def json_reply(language: Language, ask: Ask) -> bytes:
    """Return the whole HTTP reply as JSON."""
    body = language.body(ask, script_of(ask.model).deltas)
    return bodies.with_length(b"200 OK", bodies.JSON_TYPE, body)


@lru_cache(maxsize=64)
def stream_writes(language: Language, ask: Ask) -> list[bytes]:
    """Return a stream's socket writes: the head and what precedes the deltas, the deltas, the end."""
    script = script_of(ask.model)
    first, *deltas, last = map(bodies.http_chunk, language.events(ask, script.deltas))
    step = script.deltas_per_write
    batches = [b"".join(deltas[start : start + step]) for start in range(0, len(deltas), step)]
    head = bodies.chunked_head(bodies.SSE_TYPE) + first
    return [head, *batches, last + bodies.http_chunk(b"")]


def call_writes(language: Language, ask: Ask, function: str) -> list[bytes]:
    """Return the socket writes of a reply that calls a function."""
    if not ask.stream:
        return [bodies.with_length(b"200 OK", bodies.JSON_TYPE, language.call(ask, function))]
    events = map(bodies.http_chunk, language.call_events(ask, function))
    return [b"".join((bodies.chunked_head(bodies.SSE_TYPE), *events, bodies.http_chunk(b"")))]


class Beats:
    """Spreads paced streams over the milliseconds of their interval: the loop's timers have no finer ones.

    Streams that begin at the same time would else write at the same time, and their chunks would come in one read.
    """

    def __init__(self) -> None:
        """Begin without streams."""
        self._taken: Counter[tuple[float, int]] = Counter()

    def take(self, interval_s: float) -> int:
        """Return the millisecond of the interval in which fewest streams write, and count one more in it."""
        beats = range(max(1, round(interval_s * 1000)))
        beat = min(beats, key=lambda beat: self._taken[interval_s, beat])
        self._taken[interval_s, beat] += 1
        return beat

    def give_back(self, interval_s: float, beat: int) -> None:
        """Count one less."""
        self._taken[interval_s, beat] -= 1


BEATS = Beats()


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
        self._beat: int | None = None
        self._handle: asyncio.Handle | None = None
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's is one by duck type only

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the rest of the stream."""
        self._transport = None
        self._leave_beat()
        if self._handle:
            self._handle.cancel()

    def data_received(self, data: bytes) -> None:
        """Feed the parser; a client that does not send HTTP gets 400 and is closed."""
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
        word = self._url.rpartition(b"/")[2]
        language = ROUTES.get(word)
        if language:
            self._answer(language)
        else:
            self._write(MODELS if word == b"models" else NOT_FOUND)

    def _answer(self, language: Language) -> None:
        try:
            ask = ASK.decode(self._body)
            function = tool_turns.called(self._body) if TOOL in ask.model else ""
        except msgspec.MsgspecError:
            self._write(BAD)
            return
        if function:
            self._start_stream(call_writes(language, ask, function), 0.0)
        elif ask.stream:
            self._start_stream(stream_writes(language, ask), script_of(ask.model).interval_s)
        else:
            self._write(json_reply(language, ask))

    def _start_stream(self, writes: list[bytes], interval_s: float) -> None:
        self._writes, self._interval_s, self._next = writes, interval_s, 0
        if interval_s:
            self._beat = BEATS.take(interval_s)
            self._due_at_s = self._loop.time() // interval_s * interval_s + self._beat / 1000
        self._write_next()

    def _write_next(self) -> None:
        self._handle = None
        self._write(self._writes[self._next])
        self._next += 1
        if self._next == len(self._writes):
            self._leave_beat()
        elif not self._paused:
            self._schedule()

    def _leave_beat(self) -> None:
        if self._beat is not None:
            BEATS.give_back(self._interval_s, self._beat)
            self._beat = None

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
