"""The transport to upstreams over `fetch`, the HTTP client of JavaScript hosts. Cloudflare Workers have no other.

The host resolves names, holds connections and decodes content codings. A request is ended by its abort signal.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from urllib.parse import quote

import js
from pyodide.ffi import JsException, to_js

from penstock.egress import UrlRefused
from penstock.engine.upstreams.connection_limit import ConnectionLimit
from penstock.limits import Limits
from penstock.ports import FRAMING_HEADERS, Destination, Headers, HttpReply, HttpRequest, TransportError
from penstock_adapters.fault_texts import CLOSED, NO_CONNECTION, NO_HOST, NO_HTTP, NO_TLS, WRONG_CODING

REFUSED = "connection refused"
"""The text for a closed port, and for an address that is not called."""
_LEGAL = "/?:@!$&'()*+,;=%-._~"
"""The characters of a path with its query besides letters and digits (RFC 3986); others are written as %XX."""
_CAUSES_MAX = 5
"""How many errors behind an error are read."""


class FetchTransport:
    """One upstream over `fetch`."""

    def __init__(self, destination: Destination, limits: Limits) -> None:
        self._base = destination.url.rstrip("/")
        self._egress = destination.egress
        self._limit = ConnectionLimit(destination.name, limits)

    async def send(self, request: HttpRequest) -> HttpReply:
        """Send a request and wait for the reply's head. Raises `TransportError`."""
        self._check_egress()
        base = self._base.removesuffix("/v1") if request.beside_v1 else self._base
        options = _options(request)
        await self._limit.acquire()
        controller = js.AbortController.new()
        try:
            options.signal = controller.signal
            response = await js.fetch(base + quote(request.path, safe=_LEGAL), options)
        except BaseException as error:
            self._limit.release()
            controller.abort()
            if isinstance(error, JsException):
                raise _fault(error) from None
            raise
        return FetchReply(response, controller, self._limit.release)

    async def aclose(self) -> None:
        """The host closes its connections itself."""

    def _check_egress(self) -> None:
        """Judge the URL. The addresses of a name are the host's affair: `fetch` of Workers reaches public ones only."""
        # spec: egress
        try:
            if self._egress is not None:
                self._egress.target(self._base)
        except UrlRefused as refused:
            raise TransportError(REFUSED, cause=str(refused)) from None


class FetchReply:
    """A reply whose body is read as it arrives."""

    def __init__(self, response: Any, controller: Any, release: Callable[[], None]) -> None:
        self.status: int = response.status
        self.headers: Mapping[str, str] = dict(response.headers.entries())
        self._reader = response.body.getReader() if response.body else None
        self._controller = controller
        self._release: Callable[[], None] | None = release
        self._reading: asyncio.Future[Any] | None = None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """The next bytes. Raises `TransportError` where the body is cut."""
        if self._reader is None:
            self._release_connection()
            raise StopAsyncIteration
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._reader.read())
        try:
            result = await asyncio.shield(self._reading)  # a cancelled call does not cancel the read
        except JsException as error:
            raise _fault(error, was_connected=True) from None
        self._reading = None
        if result.done:
            self._reader = None
            return await self.__anext__()
        piece: bytes = result.value.to_bytes()
        return piece

    async def aclose(self) -> None:
        """End the request where the body has not ended, so that the upstream stops."""
        if self._reading is not None:
            self._reading.cancel()
        if self._reader is not None:
            self._controller.abort()
        self._release_connection()

    def _release_connection(self) -> None:
        release, self._release = self._release, None
        if release is not None:
            release()


def _options(request: HttpRequest) -> Any:
    """The options of `fetch`. Redirects are not followed, since they are replies too."""
    options: dict[str, Any] = {"method": request.method, "redirect": "manual", "headers": _encoded(request.headers)}
    if request.body:
        options["body"] = request.body
    return to_js(options, dict_converter=js.Object.fromEntries)


def _encoded(headers: Headers) -> list[list[str]]:
    """The header fields with each byte as a character, as `fetch` takes them. Raises `ValueError`."""
    for name, value in headers:
        # spec: no-smuggling
        if name.lower() in FRAMING_HEADERS or "\n" in value or "\r" in value or "\0" in value:
            raise ValueError(f"{name!r} cannot be a header of a request to an upstream, or its value has a line break")
    return [[name, value.encode().decode("latin-1")] for name, value in headers]


def _fault(error: JsException, *, was_connected: bool = False) -> TransportError:
    """The failure in plain words, without the address, which clients do not need."""
    texts = list(_texts(error))
    for sign, fault in _FAULTS.items():
        if any(sign in text for text in texts):
            is_connected, message = fault
            return TransportError(message, was_connected=is_connected or was_connected, cause="; ".join(texts))
    message = CLOSED if was_connected else "the connection failed"
    return TransportError(message, was_connected=was_connected, cause="; ".join(texts))


def _texts(error: Any) -> list[str]:
    """The name, code and message of an error and of its causes."""
    texts: list[str] = []
    while error and len(texts) < _CAUSES_MAX:
        parts = (getattr(error, name, None) for name in ("name", "code", "message"))
        texts.append(" ".join(part for part in parts if isinstance(part, str)))
        error = getattr(error, "cause", None)
    return texts


_FAULTS: dict[str, tuple[bool, str]] = {
    "Network connection lost": (True, CLOSED),
    "ECONNREFUSED": (False, REFUSED),
    "ENOTFOUND": (False, NO_HOST),
    "EAI_AGAIN": (False, NO_HOST),
    "UND_ERR_CONNECT_TIMEOUT": (False, NO_CONNECTION),
    "ERR_SSL_WRONG_VERSION_NUMBER": (False, NO_TLS),
    "HTTPParserError": (True, NO_HTTP),
    "HeadersOverflowError": (True, NO_HTTP),
    "Z_DATA_ERROR": (True, WRONG_CODING),
    "Z_BUF_ERROR": (True, WRONG_CODING),
    "ECONNRESET": (True, CLOSED),
    "UND_ERR_SOCKET": (True, CLOSED),
}
"""Parts of the texts of errors of workerd and of Node.js: whether there was a connection, and the text."""
