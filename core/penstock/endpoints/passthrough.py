"""Passthrough: routes whose requests go to the upstream unchanged, and whose replies come back byte for byte.

They find the upstream by the body's `model`, and know which headers of the reply clients get. They never read the
texts. Of the answer of a model, the end is read once it has passed, for the tokens that it cost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Literal

import msgspec

from penstock.endpoints.ignored import ignored_header
from penstock.endpoints.request_context import RequestContext
from penstock.engine import Engine, Route
from penstock.engine.offload import offload
from penstock.engine.request.request_body import read_body
from penstock.engine.running.deadlines import ClientLeft, Deadlines, OutOfTime, server_stops
from penstock.errors import ApiError, upstream_failed
from penstock.http import Reply
from penstock.patterns import lazy_pattern
from penstock.ports import DirectSource, Headers, HttpReply, Outlet, PassthroughRequest, TransportError
from penstock.telemetry import current

RELAYED = ("/chat/completions", "/completions", "/embeddings", "/rerank", "/tokenize", "/detokenize")
"""The paths that are passed through. Upstreams have the same."""
_FORWARDED = frozenset({"content-type", "cache-control", "retry-after", "retry-after-ms", "x-should-retry"})
_FORWARDED_PREFIXES = ("openai-", "x-ratelimit-")
"""The headers of the upstream's reply that clients get. All others are about its connection to us, or private."""

_RESPONSES = frozenset({"/chat/completions", "/completions", "/responses"})
"""The paths whose replies are answers of a model. They are counted as responses."""
_SENDABLE = lazy_pattern(r"[\t\x20-\x7e]*")
_LAST_PIECES = 4
"""How many pieces of an answer may hold its usage: the last event of a stream is none."""
_METHODS: dict[str, Literal["GET", "POST", "DELETE"]] = {"GET": "GET", "POST": "POST", "DELETE": "DELETE"}


class PassthroughBody(msgspec.Struct):
    """The fields that are read of a body."""

    model: str | None = None
    stream: bool | None = None


class PassthroughEndpoints:
    """The routes that are passed through."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def to(self, path: str) -> Callable[[RequestContext], Awaitable[Reply]]:
        """The endpoint that passes requests through to the upstream's `path`."""

        async def relay(request: RequestContext) -> Reply:
            return await self._relay(request, path)

        return relay

    async def pass_stored(self, request: RequestContext) -> Reply:
        """The endpoint of requests about objects that the upstream stores, which name no model."""
        route = self._engine.routes.stateful_route
        assert route is not None
        http = request.http
        path = http.path.removeprefix("/v1").rstrip("/")
        outbound = PassthroughRequest(
            method=_METHODS[http.method],
            path=f"{path}?{http.query}" if http.query else path,
            body=await request.body() if http.has_body else b"",
            model="",
            named="",
            stream=request.flag("stream"),
            accept=http.headers.get("accept", "*/*"),
            bearer=request.key if route.takes_bearer else None,
            client=request.owner,
        )
        return await self._send(request, route, outbound)

    async def _relay(self, request: RequestContext, path: str) -> Reply:
        body = await request.body()
        parsed, _ = await offload(len(body), read_body, body, PassthroughBody, self._engine.limits)
        del _  # the decoded fields are not held in memory while the upstream answers
        named = parsed.model
        if named is None:
            named = await self._engine.catalog.default_model(request.key)
        current().model = named or ""  # also that of a request that is refused
        model, route = self._engine.routes.choose(named)
        outbound = PassthroughRequest(
            path=path,
            body=body,
            model=model,
            named=parsed.model,
            stream=bool(parsed.stream),
            accept=request.http.headers.get("accept", "*/*"),
            bearer=request.key if route.takes_bearer else None,
            client=request.owner,
            synthetic=request.synthetic,
        )
        return await self._send(request, route, outbound)

    async def _send(self, request: RequestContext, route: Route, outbound: PassthroughRequest) -> Reply:
        record = current()
        record.model = outbound.named or outbound.model
        if _is_response(outbound):
            record.runs()
        deadlines = Deadlines(
            self._engine.limits,
            heartbeats=False,
            idle=outbound.stream,
            disconnected=request.http.disconnected,
            request=request.deadline,
            sent_at=record.sent_at if _is_response(outbound) and outbound.stream else None,
        )
        try:
            reply = await deadlines.wait(route.upstream.relay(outbound))
        except BaseException:
            deadlines.close()
            raise
        assert reply is not None  # None would be a heartbeat, and they are off
        if 400 <= reply.status < 500 and reply.status != 429:  # others were counted with their attempt
            record.upstream_failed("client")
        headers = [*_forwarded(reply), *ignored_header(record.ignored)]
        # spec: hostile-upstreams
        if not all(_SENDABLE.fullmatch(value) for _, value in headers):
            deadlines.close()
            await reply.aclose()
            raise upstream_failed("The upstream's reply has a header with control characters.")
        stream = RelayedStream(reply, deadlines, outbound)
        return Reply(reply.status, headers, self._engine.drain.watch(stream))


class RelayedStream(DirectSource[bytes]):
    """The body of a reply as it arrives: each read is one piece."""

    def __init__(self, reply: HttpReply, deadlines: Deadlines, request: PassthroughRequest) -> None:
        self._reply = reply
        self._deadlines = deadlines
        self._record = current()
        self._record.is_cut = True  # until it has been read to its end
        self._is_response = _is_response(request)
        noted = self._record.response_status, self._record.response_reason  # by a model in this process
        read = ("completed", "") if reply.status < 400 else ("failed", self._record.refusal_code)
        self._ending = noted if noted[0] else read
        self._note_end("cancelled")
        self._is_stream = self._is_response and request.stream and reply.status < 400
        self._last: deque[bytes] = deque(maxlen=_LAST_PIECES)
        self._pieces = self._read()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces

    def send_to(self, outlet: Outlet[bytes]) -> None:
        """Send pieces directly, if the reply can."""
        if isinstance(self._reply, DirectSource):
            self._reply.send_to(Outlet(outlet.is_ready, partial(self._send_now, outlet.send)))

    def _send_now(self, send: Callable[[bytes], None], piece: bytes) -> None:
        self._note_sent(piece)
        send(piece)
        self._deadlines.progress(sent=True)

    async def aclose(self) -> None:
        """End the upstream's reply, whether or not anything was read."""
        self._deadlines.close()
        await self._pieces.aclose()
        await self._reply.aclose()

    def end_early(self) -> None:
        """The server has to stop: cut the body here."""
        self._deadlines.stop(server_stops)

    async def _read(self) -> AsyncGenerator[bytes]:
        """The pieces. Raises `ConnectionAbortedError` where the body is cut, to cut the client's connection too."""
        chunks = aiter(self._reply)
        piece: bytes | None = None
        while True:
            try:
                piece = await self._deadlines.wait(anext(chunks), sent=bool(piece))
            except StopAsyncIteration:
                self._note_whole()
                return
            except ClientLeft:
                return
            except (TransportError, ApiError, OutOfTime) as error:
                self._record.is_cut = False
                self._record.failed(upstream_failed(f"The relayed reply was cut: {error}"))
                if not isinstance(error, OutOfTime):
                    self._record.upstream_failed("upstream")
                self._note_end("failed", "server_error")
                raise ConnectionAbortedError from None
            if piece:
                self._note_sent(piece)
                yield piece

    def _note_sent(self, piece: bytes) -> None:
        """Note when the first piece of an answer is sent, and what its last ones are."""
        self._last.append(piece)
        if self._is_stream and self._record.first_event_s is None:
            self._record.first_event()

    def _note_whole(self) -> None:
        """Record that the reply has reached its end. A model in this process has noted which one it is."""
        self._record.is_cut = False
        if self._record.response_status == "cancelled":
            self._note_end(*(self._ending if self._record.failure is None else ("failed", "")))
        if self._is_response and self._record.input_tokens is None:
            self._note_usage()

    def _note_usage(self) -> None:
        """Record the tokens of an upstream's answer, where it has them at its end."""
        from penstock.dialects.chat_completions.passed_usage import passed_usage  # a server may have no upstream

        if usage := passed_usage(b"".join(self._last)):
            self._record.used(usage)

    def _note_end(self, status: str, reason: str = "") -> None:
        """Record how the reply ended, if it is an answer of a model."""
        if self._is_response:
            self._record.response_status, self._record.response_reason = status, reason


def _is_response(request: PassthroughRequest) -> bool:
    """Whether the reply is an answer of a model."""
    return request.method == "POST" and request.path.partition("?")[0] in _RESPONSES


def _forwarded(reply: HttpReply) -> Headers:
    """The headers of the reply for the client. The length is among them only where the body is not compressed."""
    headers = [(name.lower(), value) for name, value in reply.headers.items() if value.isascii()]
    is_compressed = any(name == "content-encoding" for name, _ in headers)
    return [
        (name, value)
        for name, value in headers
        if name in _FORWARDED
        or name.startswith(_FORWARDED_PREFIXES)
        or (name == "content-length" and not is_compressed)
    ]
