"""The relays: routes whose requests go to the upstream as they are, and whose replies come back byte for byte.

They know which upstream that is, by the body's `model`, and which headers are the client's business. They never look
into what is said.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Literal

import msgspec

from penstock.endpoints.request_context import Call
from penstock.engine import Engine, Route
from penstock.engine.offload import offload
from penstock.engine.request.request_body import read_body
from penstock.engine.running.deadlines import ClientLeft, Deadlines, OutOfTime
from penstock.errors import ApiError, upstream_failed
from penstock.http import Reply
from penstock.ports import Headers, HttpReply, PassthroughRequest, TransportError
from penstock.telemetry import current

RELAYED = ("/chat/completions", "/completions", "/embeddings", "/rerank")
"""What upstreams have under the same path."""
_TOLD = frozenset({"content-type", "cache-control", "retry-after", "retry-after-ms", "x-should-retry"})
_TOLD_PREFIXES = ("openai-", "x-ratelimit-")
"""The upstream's headers that clients read. Any other is about its connection to us, or none of their business."""

_SENDABLE = re.compile(r"[\t\x20-\x7e]*")
_METHODS: dict[str, Literal["GET", "POST", "DELETE"]] = {"GET": "GET", "POST": "POST", "DELETE": "DELETE"}


class Asked(msgspec.Struct):
    """What a relay reads of a body."""

    model: str | None = None
    stream: bool | None = None


class Relays:
    """The routes of relays."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def to(self, path: str) -> Callable[[Call], Awaitable[Reply]]:
        """The endpoint that passes requests on to the upstream's `path`."""

        async def relay(call: Call) -> Reply:
            return await self._relay(call, path)

        return relay

    async def pass_on(self, call: Call) -> Reply:
        """The endpoint of requests about what the upstream keeps, which name no model."""
        route = self._engine.routes.stateful_route
        assert route is not None
        request = call.request
        path = request.path.removeprefix("/v1").rstrip("/")
        outbound = PassthroughRequest(
            method=_METHODS[request.method],
            path=f"{path}?{request.query}" if request.query else path,
            body=await call.body() if request.has_body else b"",
            model="",
            named="",
            stream=call.flag("stream"),
            accept=request.headers.get("accept", "*/*"),
            bearer=call.key if route.takes_bearer else None,
            client=call.owner,
        )
        return await self._send(call, route, outbound)

    async def _relay(self, call: Call, path: str) -> Reply:
        body = await call.body()
        asked, _ = await offload(len(body), read_body, body, Asked, self._engine.limits)
        del _  # what was read of the body is not held while the upstream answers
        named = asked.model
        if named is None:
            named = await self._engine.catalog.default_model(call.key)
        model, route = self._engine.routes.choose(named)
        outbound = PassthroughRequest(
            path=path,
            body=body,
            model=model,
            named=asked.model,
            stream=bool(asked.stream),
            accept=call.request.headers.get("accept", "*/*"),
            bearer=call.key if route.takes_bearer else None,
            client=call.owner,
        )
        return await self._send(call, route, outbound)

    async def _send(self, call: Call, route: Route, outbound: PassthroughRequest) -> Reply:
        current().model = outbound.named or outbound.model
        watch = Deadlines(
            self._engine.limits, heartbeats=False, idle=outbound.stream, disconnected=call.request.disconnected
        )
        try:
            reply = await watch.wait(route.upstream.relay(outbound))
        except BaseException:
            watch.close()
            raise
        assert reply is not None  # that would be a heartbeat, and there are none
        headers = _told(reply)
        # spec: hostile-upstreams
        if not all(_SENDABLE.fullmatch(value) for _, value in headers):
            watch.close()
            await reply.aclose()
            raise upstream_failed("The upstream's reply has a header with control characters.")
        return Reply(reply.status, headers, self._engine.drain.watch(RelayedStream(reply, watch)))


class RelayedStream:
    """The body of a reply as it comes: each read is one piece."""

    def __init__(self, reply: HttpReply, watch: Deadlines) -> None:
        self._reply = reply
        self._watch = watch
        self._record = current()
        self._record.is_cut = True  # until it was read to its end
        self._pieces = self._read()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces

    async def aclose(self) -> None:
        """End the call of the upstream, whether or not anything was read."""
        self._watch.close()
        await self._pieces.aclose()
        await self._reply.aclose()

    def end_early(self) -> None:
        """The server has to stop: the body is cut where it is."""
        self._watch.stop(OutOfTime)

    async def _read(self) -> AsyncGenerator[bytes]:
        """Raises `ConnectionAbortedError` where the body is cut, so that the client's connection is cut too."""
        chunks = aiter(self._reply)
        while True:
            try:
                piece = await self._watch.wait(anext(chunks))
            except StopAsyncIteration:
                self._record.is_cut = False
                return
            except ClientLeft:
                return
            except (TransportError, ApiError, OutOfTime) as error:
                self._record.is_cut = False
                self._record.failed(upstream_failed(f"The relayed reply was cut: {error}"))
                raise ConnectionAbortedError from None
            if piece:
                yield piece


def _told(reply: HttpReply) -> Headers:
    """What the client is told of the reply's headers; its length only where the bytes are as they were sent."""
    headers = [(name.lower(), value) for name, value in reply.headers.items() if value.isascii()]
    is_coded = any(name == "content-encoding" for name, _ in headers)
    return [
        (name, value)
        for name, value in headers
        if name in _TOLD or name.startswith(_TOLD_PREFIXES) or (name == "content-length" and not is_coded)
    ]
