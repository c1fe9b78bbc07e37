"""Remote upstreams: a dialect and a transport together.

It makes one attempt, and knows from a failure whether another attempt may succeed; the pool decides whether there is
one. Errors are masked here, before they are read or logged, so that keys of the request are not repeated in them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import TypeVar

from penstock.engine.context.estimate import has_media
from penstock.engine.offload import LARGE_BYTES, offload
from penstock.engine.planning.redaction import secrets_of
from penstock.errors import ApiError, unavailable, upstream_failed
from penstock.ids import random_digits
from penstock.limits import Limits
from penstock.ports import (
    AttemptFailed,
    Deltas,
    Dialect,
    Exchange,
    Headers,
    Health,
    HttpReply,
    HttpRequest,
    NoFreeConnection,
    PassthroughRequest,
    RequestRejected,
    Transport,
    TransportError,
    Turn,
)
from penstock.secrets import Secret
from penstock.telemetry import NO_TRACE, Trace, current
from penstock.too_long import context_tokens_in
from penstock.upstream_replies import KeyOwner
from penstock.wire import Model

from .attempt_log import AttemptLog
from .context_windows import ContextSizes, ContextTokens
from .masking import Mask
from .passthrough_body import BufferedReply, PeekedReply, replace_model
from .remote_deltas import MakeMask, RemoteDeltas

T = TypeVar("T")

_TRY_AGAIN = frozenset({500, 502, 503, 504})
_HEALTH: dict[int, Health] = {500: "unknown", 502: "sick", 503: "sick", 504: "sick"}
"""The upstream's health by status; any other status means that it works. A request may be the cause of a 500."""
_KEY_REFUSED = frozenset({401, 403})
_NOT_PEEKED = frozenset({*range(300, 400), 402, 429})
_NO_ROUTE = frozenset({404, 405, 501})
_BUSY_S = 1.0
"""After how many seconds a client without a free connection may retry."""
_STATUS_MAX = 599
"""The largest status code (RFC 9110, section 15)."""
_SPAN_DIGITS = 16
"""The hexadecimal digits of the id of a span."""
_BESIDE_V1 = frozenset({"/tokenize", "/detokenize"})
"""Paths that are passed on, and that are no routes of OpenAI's API."""


class RemoteUpstream:
    """An upstream over a transport, in its dialect. `headers` are added to every request."""

    def __init__(
        self,
        dialect: Dialect,
        transport: Transport,
        limits: Limits,
        *,
        name: str = "default",
        url: str = "",
        key: Secret | None = None,
        headers: Iterable[tuple[str, Secret]] = (),
        context_tokens: ContextTokens | None = None,
    ) -> None:
        self._dialect = dialect
        self._transport = transport
        self._limits = limits
        self._attempts = AttemptLog(name, url)
        self._key = key
        self._headers = list(headers)
        self._header_names = frozenset(name.lower() for name, _ in self._headers)
        self._mask = Mask([*([key] if key else []), *(value for _, value in self._headers)])
        self._sizes = ContextSizes(context_tokens, self._read_sizes)

    async def open(self, turn: Turn) -> Deltas:
        """Send the turn. Raises `ApiError`, and `AttemptFailed` where another attempt may succeed."""
        mask = partial(self._mask_for, turn.bearer, turn)
        encode = self._dialect.encode
        request = encode(turn) if turn.size < LARGE_BYTES else await offload(turn.size, encode, turn)
        reply: HttpReply | None = None
        while reply is None:
            request.head_s = turn.head_s
            try:
                reply = await self._send(request, turn.bearer, mask)
            except RequestRejected as error:
                self._learn(turn.model, error)
                again = None if isinstance(error, AttemptFailed) else self._dialect.encode_again(turn, error)
                if again is None:
                    raise
                request = again
        if request.left_out:
            # spec: refused-fields
            current().left_out = request.left_out
        deltas = RemoteDeltas(reply, self._dialect.decoder(turn), mask)
        if reply.headers.get("content-type", "").lower().startswith(("text/event-stream", "text/plain")):
            return deltas
        return await deltas.read_all()

    async def models(self, bearer: Secret | None) -> list[Model]:
        """Ask the upstream for its models. Raises `ApiError`."""
        return self._dialect.decode_models(await self._ask(self._dialect.models_request(), bearer))

    async def count_tokens(self, turn: Turn) -> int | None:
        """Ask the upstream's tokenizer, if it has one and the turn is text only. Raises `ApiError`.

        A preset may have routes that a server of its kind lacks: `llama_cpp.server` has fewer than llama.cpp's own.
        """
        exchange = None if has_media(turn) else self._dialect.count(turn)
        try:
            return None if exchange is None else await self._run_exchange(exchange, turn.bearer)
        except RequestRejected as refusal:
            # spec: tokenizer-routes
            if refusal.upstream_status in _NO_ROUTE:
                return None
            raise

    async def context_tokens(self, model: str, bearer: Secret | None) -> int | None:
        """The configured size, or that of an error message or of the list of models. Raises `ApiError`."""
        return await self._sizes.of(model, bearer)

    async def relay(self, request: PassthroughRequest) -> HttpReply:
        """Pass the request on; errors about the server's own key are not. Raises `ApiError` and `AttemptFailed`.

        A successful reply is masked too, except for the client's own key: it may be a stream with an error in it.
        """
        http_request = HttpRequest(
            method=request.method,
            path=request.path,
            beside_v1=request.path in _BESIDE_V1,
            headers=[*([("content-type", "application/json")] if request.body else []), ("accept", request.accept)],
            body=await _with_upstream_model(request),
            head_s=request.head_s,
        )
        mask = partial(self._mask_for, request.bearer)
        reply = await self._exchange(http_request, request.bearer, mask)
        is_about_us = reply.status in _KEY_REFUSED and self._key_owner(request.bearer) != "client"
        if reply.status >= 500 or reply.status in _NOT_PEEKED or is_about_us:
            raise await self._refusal(http_request, reply, request.bearer, mask)
        if reply.status < 300:
            return self._mask.reply(reply)
        return await self._peeked(http_request, reply)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    def _learn(self, model: str, refusal: RequestRejected) -> None:
        """Store the context size, if the error message contains it."""
        # spec: learned-contexts
        if refusal.code == "context_length_exceeded" and (tokens := context_tokens_in(refusal.message)):
            self._sizes.learn(model, tokens)

    async def _read_sizes(self, bearer: Secret | None) -> dict[str, int]:
        return self._dialect.decode_context_sizes(await self._ask(self._dialect.models_request(), bearer))

    async def _run_exchange(self, exchange: Exchange[T], bearer: Secret | None) -> T:
        """The result of an exchange of several requests."""
        try:
            request = next(exchange)
            while True:
                request = exchange.send(await self._ask(request, bearer))
        except StopIteration as end:
            value: T = end.value
            return value

    async def _ask(self, request: HttpRequest, bearer: Secret | None) -> bytes:
        """The whole body of a reply."""
        reply = await self._send(request, bearer, partial(self._mask_for, bearer))
        try:
            return await _read(reply, self._limits.upstream_event_bytes_max)
        except TransportError as error:
            raise _unreachable(error) from None
        finally:
            await reply.aclose()

    async def _send(self, request: HttpRequest, bearer: Secret | None, mask: MakeMask) -> HttpReply:
        """A successful reply to one attempt. Raises `ApiError` and `AttemptFailed`."""
        reply = await self._exchange(request, bearer, mask)
        if 200 <= reply.status < 300:
            return reply
        raise await self._refusal(request, reply, bearer, mask)

    async def _exchange(self, request: HttpRequest, bearer: Secret | None, mask: MakeMask) -> HttpReply:
        """The reply to one attempt, with any status; masked if it is not successful. Raises `AttemptFailed`."""
        self._attempts.sent(request)
        if self._key is not None or bearer is not None or self._headers:
            request.headers += _credentials(self._key or bearer, self._headers)
        if (trace := current().trace) is not NO_TRACE:
            request.headers += self._trace_headers(trace)
        try:
            if request.head_s is None:
                reply = await self._transport.send(request)
            else:
                async with asyncio.timeout(request.head_s):
                    reply = await self._transport.send(request)
            if 200 <= reply.status < 300:
                return reply
            await _check_status(reply)
            return mask().reply(reply)
        except NoFreeConnection as error:
            # spec: upstream-saturation
            raise AttemptFailed(unavailable(str(error), _BUSY_S), "unknown", again=False) from None
        except TransportError as error:
            # spec: plain-faults
            self._attempts.lost(request, str(error), mask().text(error.cause))
            raise _lost(error, request) from None  # a local name of what is raised would be a cycle
        except TimeoutError:
            self._attempts.lost(request, f"no answer within {request.head_s:g} s")
            late = upstream_failed(f"The upstream did not answer within {request.head_s:g} s.", status=504)
            raise _provoked(AttemptFailed(late, "sick", again=False), request) from None

    def _trace_headers(self, trace: Trace) -> Headers:
        """The trace context of the client, with a new span for this attempt. Configured headers are not replaced."""
        headers = trace.headers(random_digits()[:_SPAN_DIGITS])
        return [each for each in headers if each[0] not in self._header_names]

    async def _peeked(self, request: HttpRequest, reply: HttpReply) -> HttpReply:
        """An error reply that is passed on unchanged; its beginning is logged. Raises `AttemptFailed`."""
        try:
            first = await anext(aiter(reply), b"")
        except TransportError as error:
            await reply.aclose()
            raise _provoked(AttemptFailed(_unreachable(error), "sick", again=False), request) from None
        self._attempts.refused(request, reply.status, first)
        _note_code(self._dialect.error(reply.status, reply.headers, first, key="client"))
        return PeekedReply(reply, first)

    async def _refusal(self, request: HttpRequest, reply: HttpReply, bearer: Secret | None, mask: MakeMask) -> ApiError:
        """The error that a reply means; the reply is read and closed."""
        try:
            body = await _read(reply, self._limits.upstream_error_bytes_max)
        except TransportError:
            body = b""
        finally:
            await reply.aclose()
        # spec: upstream-errors
        self._attempts.refused(request, reply.status, body)
        error = self._dialect.error(reply.status, reply.headers, body, key=self._key_owner(bearer))
        # spec: masked-keys
        mask().error(error)  # the body may have had it in another form
        _note_code(error)
        if error.status < 500 and error.status != 429:
            return RequestRejected(error, upstream_status=reply.status)
        # spec: no-redirects
        has_reply = reply.status not in _KEY_REFUSED and reply.status >= 400
        buffered = BufferedReply(reply, body, retriable=error.retriable) if has_reply else None
        health = _HEALTH.get(reply.status, "well")
        again = reply.status in _TRY_AGAIN
        refusal = AttemptFailed(error, health, again=again, reply=buffered, upstream_status=reply.status)
        return _provoked(refusal, request)

    def _mask_for(self, bearer: Secret | None, turn: Turn | None = None) -> Mask:
        """A mask for all secrets of a request. It is made only when there is something to mask."""
        secrets = [each.secret for each in secrets_of(turn.request, turn.extras)] if turn else []
        return self._mask.also([*([bearer] if bearer else []), *secrets])

    def _key_owner(self, bearer: Secret | None) -> KeyOwner:
        """Whose key the upstream receives."""
        if self._key is None:
            return "none" if bearer is None else "client"
        return "server"


async def _with_upstream_model(request: PassthroughRequest) -> bytes:
    """The body with the upstream's own name for the model."""
    if request.named == request.model:
        return request.body
    return await offload(len(request.body), replace_model, request.body, request.model)


async def _check_status(reply: HttpReply) -> None:
    """Raise `TransportError` for a reply that is not a final one."""
    # spec: hostile-upstreams
    if not 200 <= reply.status <= _STATUS_MAX:
        await reply.aclose()
        problem = f"it answered with status {reply.status}, which is not a final status"
        raise TransportError(problem, was_connected=True)


def _note_code(error: ApiError) -> None:
    """Note what an error reply means, for a client that gets the reply itself."""
    current().refusal_code = error.code or error.type


def _credentials(key: Secret | None, headers: list[tuple[str, Secret]]) -> Headers:
    sent = [(name, value.reveal()) for name, value in headers]
    return [("authorization", f"Bearer {key.reveal()}"), *sent] if key else sent


async def _read(reply: HttpReply, bytes_max: int) -> bytes:
    """The body, up to the limit."""
    body = bytearray()
    async for chunk in reply:
        body += chunk
        if len(body) >= bytes_max:
            break
    return bytes(body[:bytes_max])


def _unreachable(error: TransportError) -> ApiError:
    what = "did not answer" if error.was_connected else "cannot be reached"
    return upstream_failed(f"The upstream {what}: {error}", status=504 if error.timed_out else 502)


def _lost(error: TransportError, request: HttpRequest) -> AttemptFailed:
    """What becomes of a request that got no reply."""
    lost = AttemptFailed(_unreachable(error), "sick", again=not error.timed_out)
    return _provoked(lost, request) if error.was_connected else lost


def _provoked(refusal: AttemptFailed, request: HttpRequest) -> AttemptFailed:
    """The failed attempt, with the request as its possible cause."""
    # spec: blameless-upstreams
    refusal.provoked_by = hash((request.method, request.path, request.body))
    return refusal
