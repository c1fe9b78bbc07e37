"""What the tests of the core share: plans from plain requests, ids that count, upstreams that do as they are given.

Everything runs in this process and in a fraction of a second; no test here opens a socket.
"""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count, pairwise
from typing import Any, NamedTuple, TypeVar

import msgspec
from hypothesis import strategies as st

from penstock.access import Access
from penstock.engine import Plan, Policies, Route, Routes, Run, decode, make_plan, resolve
from penstock.engine.context.sealing import Seal
from penstock.errors import ApiError
from penstock.http import Reply, Request
from penstock.json_codec import encode
from penstock.limits import Limits
from penstock.ports import Deltas, HttpReply, HttpRequest, PromptTemplate, TransportError, Turn, Upstream
from penstock.secrets import Secret
from penstock.service import Service
from penstock.tool_calls import CallFormat
from penstock.transcript import Reducer, Transcript
from penstock.transcript.deltas import Delta, ReasoningDelta, ReasoningRun, TextDelta, TextRun
from penstock.wire import Event, Model, Response, StreamEvent, TextConfig, TextFormat, Usage

Json = dict[str, Any]
T = TypeVar("T")

NOW_S = 1_700_000_000
LIMITS = Limits(retry_backoff_s=0.001)
"""Limits for tests: the real ones, but for a wait that would only cost time."""
IMPATIENT = Limits(retry_backoff_s=0.001, idle_s=0.2, head_wait_s=0.05)
"""The same for upstreams that send nothing; a busy machine may take a while between two steps."""
USAGE = Usage(input_tokens=1, output_tokens=1, total_tokens=2)
LOCAL = {"host": "localhost"}
JSON_HEADERS = LOCAL | {"content-type": "application/json"}

decode_event = msgspec.json.Decoder(StreamEvent).decode


def to_json(value: Any) -> Any:
    """A struct as a client sees it."""
    return json.loads(encode(value))


def from_json(value: Any, kind: Any) -> Any:
    """The struct of what a client sends."""
    return msgspec.json.decode(json.dumps(value), type=kind)


def counted_ids() -> Callable[[str], str]:
    """Ids that count from 1 instead of being random."""
    numbers = count(1)
    return lambda prefix: f"{prefix}{next(numbers)}"


def now_s() -> int:
    return NOW_S


def skeleton(**fields: Any) -> Response:
    """The Response as it begins."""
    begun = {"id": "resp_1", "created_at": NOW_S, "status": "in_progress", "model": "any"}
    return Response(**begun | {"text": TextConfig(format=TextFormat(), verbosity="medium")} | fields)


def singly(deltas: Iterable[Delta]) -> list[Delta]:
    """The deltas, those of runs one by one: which pieces one read returned is no part of the content."""
    one: dict[type[Any], Callable[[str], Delta]] = {TextRun: TextDelta, ReasoningRun: ReasoningDelta}
    runs = [[one[type(delta)](text) for text in delta.texts] if type(delta) in one else [delta] for delta in deltas]
    return [delta for run in runs for delta in run]


# Deltas to events, without an upstream.


class Recording:
    """A reducer and its transcript; every event is encoded as soon as it is there."""

    def __init__(
        self,
        forms: Mapping[str, CallFormat] | None = None,
        limits: Limits = LIMITS,
        *,
        in_events: bool = True,
        **options: Any,
    ) -> None:
        self.transcript = Transcript()
        self.reducer = Reducer(
            self.transcript, forms=forms or {}, limits=limits, new_id=counted_ids(), now_s=now_s, **options
        )
        self.recorded: list[Event] = []
        self.events: list[Json] = []
        begin = self.reducer.begin if in_events else self.reducer.begin_whole
        begin(skeleton())
        self._take()

    def record(self, deltas: Iterable[Delta], estimate: Callable[[Response], Usage] = lambda _: USAGE) -> None:
        """As the engine does: an error ends the response."""
        try:
            self.receive(deltas)
            self.transcript.record(self.reducer.ending(estimate))
        except ApiError as error:
            self.fail(error)
        self._take()

    def receive(self, deltas: Iterable[Delta]) -> None:
        for delta in deltas:
            self.reducer.receive_all([delta])
            self._take()

    def fail(self, error: ApiError) -> None:
        self.transcript.record(self.reducer.failure(error))
        self._take()

    def _take(self) -> None:
        fresh = self.transcript.take()
        self.recorded += fresh
        self.events += map(to_json, fresh)


# Garbage.


@contextmanager
def fresh_garbage() -> Iterator[None]:
    """Within it, the collector looks at new objects only: the tests before have left a million others."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


# An upstream by its bytes.


class Scripted:
    """A transport whose every reply is given: a status, headers, and pieces of a body.

    A piece is bytes, an error to raise, or None, which sends nothing more until the reader closes.
    """

    def __init__(self, *replies: ScriptedReply | TransportError | None) -> None:
        self.replies = list(replies)
        self.requests: list[HttpRequest] = []

    async def send(self, request: HttpRequest) -> HttpReply:
        """The next reply; the last one is given again and again."""
        reply = self.replies[min(len(self.requests), len(self.replies) - 1)]
        self.requests.append(request)
        if reply is None:
            await asyncio.Event().wait()
        if isinstance(reply, ScriptedReply):
            return reply
        raise reply or TransportError("nobody is there")

    async def aclose(self) -> None:
        """Nothing is held."""


class ScriptedReply:
    """One reply of a `Scripted`."""

    def __init__(
        self, *pieces: bytes | TransportError | None, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        self.status = status
        self.headers = {"content-type": "text/event-stream"} if headers is None else headers
        self.pieces = list(pieces)
        self.read = 0
        self.closed = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._read()

    async def _read(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            self.read += 1
            if piece is None:
                await asyncio.Event().wait()
            elif isinstance(piece, TransportError):
                raise piece
            else:
                yield piece

    async def aclose(self) -> None:
        self.closed += 1


# An upstream by its deltas.


class FakeUpstream:
    """An upstream that sends given batches of deltas.

    An exception is raised, an event waited for; None sends nothing more.
    """

    def __init__(
        self, *batches: list[Delta] | Exception | asyncio.Event | None, opening: asyncio.Event | None = None
    ) -> None:
        self.batches = batches
        self.opening = opening
        self.turns: list[Turn] = []
        self.size: int | None = None
        """What it reports of the size of its contexts."""
        self.count: Callable[[Turn], int | None] = lambda turn: None
        """How it counts; it may raise."""
        self.closed = 0

    async def open(self, turn: Turn) -> Deltas:
        self.turns.append(turn)
        if self.opening is not None:
            await self.opening.wait()
        return _Playing(self)

    async def models(self, bearer: Secret | None) -> list[Model]:
        return [Model(id="told")]

    async def count_tokens(self, turn: Turn) -> int | None:
        return self.count(turn)

    async def context_tokens(self, model: str, bearer: Secret | None) -> int | None:
        return self.size

    async def aclose(self) -> None:
        """Nothing is held."""


class _Playing:
    def __init__(self, upstream: FakeUpstream) -> None:
        self._upstream = upstream
        self._batches = list(upstream.batches)

    def __aiter__(self) -> AsyncIterator[list[Delta]]:
        return self

    async def __anext__(self) -> list[Delta]:
        while self._batches:
            batch = self._batches[0]
            if batch is None or isinstance(batch, asyncio.Event):
                await (batch or asyncio.Event()).wait()
            self._batches.pop(0)
            if isinstance(batch, Exception):
                raise batch
            if isinstance(batch, list):
                return batch
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self._upstream.closed += 1


# The path.


def routes(upstream: Upstream, **fields: Any) -> Routes:
    return Routes([Route(name="test", upstream=upstream, **fields)], "any")


def plan(
    upstream: Upstream | None = None,
    policies: Policies | None = None,
    *,
    to: Routes | None = None,
    bearer: Secret | None = None,
    client: str = "",
    seal: Seal | None = None,
    **request: Any,
) -> Plan:
    """The plan of a request, which contains at least an input."""
    decoded = decode(json.dumps({"input": "Hi"} | request).encode(), LIMITS)
    return make_plan(
        decoded,
        at_once(resolve(decoded)),
        to or routes(upstream or FakeUpstream()),
        policies or Policies(),
        bearer=bearer,
        client=client,
        response_id="resp_0",
        created_at=NOW_S,
        seal=seal,
    )


class OpenSealer:
    """Seals so that a test can read it: `kind:owner:` and the text in hexadecimal digits."""

    def seal(self, kind: str, owner: str, plaintext: bytes) -> str:
        return f"{kind}:{owner}:{plaintext.hex()}"

    def open(self, kind: str, owner: str, blob: str) -> bytes | None:
        head = f"{kind}:{owner}:"
        with suppress(ValueError):
            return bytes.fromhex(blob.removeprefix(head)) if blob.startswith(head) else None
        return None


class Table:
    """Templates in memory, by id and version."""

    def __init__(self, **templates: Any) -> None:
        self.templates: dict[str, dict[str, Any]] = templates

    async def versions(self, prompt_id: str) -> list[str]:
        return list(self.templates.get(prompt_id, {}))

    async def template(self, prompt_id: str, version: str) -> PromptTemplate:
        return PromptTemplate(f"{prompt_id}/{version}.toml", json.dumps(self.templates[prompt_id][version]).encode())


SEAL = Seal(OpenSealer(), "me", LIMITS.sealed_chars_max)


def at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """What a coroutine gives that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    raise AssertionError("it waits")


def make_run(plan: Plan, limits: Limits = LIMITS, **options: Any) -> Run:
    """A run with ids that go on counting where the plan's ended. Needs a running loop."""
    return Run(plan, limits, new_id=counted_ids(), now_s=now_s, **options)


def service(upstream: Upstream, **options: Any) -> Service:
    return Service(routes(upstream), **{"access": Access([]), "limits": LIMITS} | options)


class Answer(NamedTuple):
    """A reply, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


async def ask(
    service: Service,
    body: Json | bytes = b"",
    method: str = "POST",
    path: str = "/v1/responses",
    headers: dict[str, str] | None = None,
) -> Answer:
    """One request, as a server would hand it on."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    reply = await service.handle(
        Request(method=method, path=path, headers=JSON_HEADERS if headers is None else LOCAL | headers, body=sent)
    )
    return Answer(reply.status, dict(reply.headers), await drain(reply))


async def drain(reply: Reply) -> bytes:
    """The whole body, and the stream's end."""
    if reply.body is None:
        return b""
    if isinstance(reply.body, bytes):
        return reply.body
    try:
        return b"".join([bytes(piece) async for piece in reply.body])
    finally:
        await reply.body.aclose()


# Splits.


def split(whole: bytes, cuts: Iterable[int]) -> list[bytes]:
    """The pieces of a text that is cut at some places; places that are too far are taken from the start again."""
    ends = sorted({cut % (len(whole) + 1) for cut in cuts})
    return [whole[start:end] for start, end in pairwise([0, *ends, len(whole)])]


CUTS = st.lists(st.integers(0, 10_000), max_size=12)
"""Places to cut anything at."""
