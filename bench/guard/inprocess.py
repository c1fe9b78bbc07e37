"""Penstock in process, by its public class `Service.handle`, in front of an upstream that only hands over bytes.

No socket and no server: what remains is Penstock's own work, the same in each run.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from bench import bodies
from bench.agent_body import Json, agent_turn
from bench.upstream import ROUTES, Ask, Language, StreamOptions
from bench.verify import fault_of
from penstock import Drivers, Settings, build
from penstock.http import Request
from penstock.ports import Destination, DirectSource, HttpRequest, Outlet
from penstock.settings import UpstreamSettings

SYNTHETIC = "synthetic"
ASK = Ask("bench", stream_options=StreamOptions(include_usage=True))
SHORT: Json = {"input": "Count."}


@dataclass(frozen=True, slots=True)
class Case:
    """One request, and how its reply comes from the upstream."""

    name: str
    deltas: int = bodies.DEFAULT_DELTAS
    stream: bool = False
    one_read: bool = False
    """Whether one read brings all deltas; else each comes alone."""
    relays: bool = False
    """Whether the upstream's language is Responses."""
    synthetic: bool = False
    """Whether there is no upstream, but the built-in model."""
    store: bool = False
    ask: Json = field(default_factory=lambda: SHORT)

    @property
    def body(self) -> bytes:
        """The request as a client sends it."""
        length = {"max_output_tokens": self.deltas} if self.synthetic else {}
        model = SYNTHETIC if self.synthetic else f"stream-{self.deltas}"
        return orjson.dumps(self.ask | {"model": model, "stream": self.stream, "store": self.store} | length)

    @property
    def language(self) -> Language:
        """What the upstream answers in."""
        return ROUTES[b"responses" if self.relays else b"completions"]

    @property
    def text_chars(self) -> int:
        """The exact length of a good reply's text."""
        return self.deltas * bodies.WORD_CHARS

    def settings(self, folder: Path) -> Settings:
        """Return the settings of the service."""
        upstream = UpstreamSettings(
            name="bench", url="http://127.0.0.1:1/v1", dialect="responses" if self.relays else "chat_completions"
        )
        store = f"sqlite:///{folder}/penstock.db" if self.store else "none://"
        return Settings(store=store, upstreams=[] if self.synthetic else [upstream])


JSON = Case("json")
AGENT = Case("agent", ask=agent_turn())
STREAM = Case("stream", stream=True)
RUN = Case("run", stream=True, one_read=True)


class Reply(DirectSource[bytes]):
    """An upstream's reply of which every read is known beforehand."""

    status = 200
    _outlet: Outlet[bytes] | None = None

    def __init__(self, reads: Sequence[bytes], content_type: str) -> None:
        """Bring `reads`, one after another."""
        self.headers: Mapping[str, str] = {"content-type": content_type}
        self._reads = iter(reads)

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return the reads."""
        return self

    async def __anext__(self) -> bytes:
        """Return the next read. Where there is an outlet, it gets every read."""
        for read in self._reads:
            if self._outlet is None:
                return read
            self._outlet.send(read)
        raise StopAsyncIteration

    def send_to(self, outlet: Outlet[bytes]) -> None:
        """Send every read to the outlet."""
        self._outlet = outlet

    async def aclose(self) -> None:
        """Do nothing: there is no connection."""


class Wire:
    """A transport that answers every request with the bytes of a case."""

    def __init__(self, case: Case) -> None:
        """Prepare both replies, since Penstock may ask for either."""
        first, *deltas, last = case.language.events(ASK, case.deltas)
        self._reads = [first, b"".join(deltas), last] if case.one_read else [first, *deltas, last]
        self._body = [case.language.body(ASK, case.deltas)]

    async def send(self, request: HttpRequest) -> Reply:
        """Return the reply that is asked for."""
        if asked_for_stream(request.body):
            return Reply(self._reads, "text/event-stream")
        return Reply(self._body, "application/json")

    async def aclose(self) -> None:
        """Do nothing: there is no connection."""


def asked_for_stream(body: bytes) -> bool:
    """Return whether an upstream is asked for a stream."""
    return bool(orjson.loads(body).get("stream"))


def always() -> bool:
    """Return that the client takes more."""
    return True


async def never() -> None:
    """Wait for a client to leave that never does."""
    await asyncio.Event().wait()


class Hop:
    """A service, and the one request that it gets again and again."""

    def __init__(self, case: Case, folder: Path) -> None:
        """Build the service; its store, if it has one, is in `folder`."""
        self.case, self._body = case, case.body
        wire = Wire(case)

        def connect(_: Destination, __: object) -> Wire:
            return wire

        self.service = build(case.settings(folder), Drivers(connect=connect))
        self._headers = {
            "host": "127.0.0.1:8080",
            "content-type": "application/json",
            "content-length": str(len(self._body)),
            "accept": "*/*",
            "user-agent": "bench",
        }

    async def ask(self) -> bytes:
        """Send the request and read the whole reply, as a server does."""
        request = Request(
            method="POST", path="/v1/responses", headers=self._headers, body=self._body, disconnected=never
        )
        reply = await self.service.handle(request)
        if reply.body is None or isinstance(reply.body, bytes):
            return reply.body or b""
        pieces: list[bytes | bytearray] = []
        take = pieces.append
        if isinstance(reply.body, DirectSource):
            reply.body.send_to(Outlet(always, take))
        async for piece in reply.body:
            take(piece)
        await reply.body.aclose()
        return b"".join(pieces)

    async def checked(self) -> bytes:
        """Ask, and raise `SystemExit` where the reply is bad. The synthetic model's is cut at its bound of tokens."""
        body = await self.ask()
        fault = None if self.case.synthetic else fault_of(200, body, self.case.stream, self.case.text_chars)
        if fault:
            raise SystemExit(f"{self.case.name}: {fault}")
        return body

    async def aclose(self) -> None:
        """Close the service."""
        await self.service.aclose()
