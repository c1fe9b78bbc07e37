"""The entry point of a Worker: the class `Default`, which Cloudflare calls for each request.

Importing it does nothing: variables and bindings are read at the first request. Source: the package
`workers-runtime-sdk`, whose ASGI adapter translates requests and replies.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, ClassVar

from js import AbortController, Object, Response, TransformStream
from pyodide.ffi import JsException
from workers import WorkerEntrypoint, asgi

from penstock_adapters.asgi import Receive, Scope, Send

from .d1.binding import D1Database
from .fetch_transport import FetchTransport
from .kv_binding import KvNamespace
from .stores import stores_of
from .worker import Worker


class Default(WorkerEntrypoint):
    """The Worker. Its module exports this class: `from penstock_adapters.cloudflare.entry_point import Default`."""

    _shared: ClassVar[Worker | None] = None
    """The Worker of this instance. It is made with the first request: before, there are no variables."""

    async def fetch(self, request: Any) -> Any:
        """RequestApplication a request of HTTP."""
        worker = self._worker()
        bounded = BoundedRequest(getattr(request, "js_object", request), worker.body_bytes_max)
        answer = RequestApplication(worker)
        response = await asgi.fetch(answer, bounded, self.env, self.ctx)
        return answer.cuttable(response) if answer.streams else response

    async def scheduled(self, *_: Any) -> None:
        """Remove what has expired from the store. A cron trigger calls this."""
        await self._worker().sweep()

    def _worker(self) -> Worker:
        if Default._shared is None:
            Default._shared = _worker_of(getattr(self.env, "_env", self.env))  # the SDK wraps it without its names
        return Default._shared


class BoundedRequest:
    """A request of JavaScript, whose body ends soon after the bound: the SDK reads all of it before the application."""

    def __init__(self, request: Any, bytes_max: int) -> None:
        self.method = request.method
        self.url = request.url
        self.headers = request.headers
        self.body = _first_bytes(request.body, bytes_max) if request.body else None


async def _first_bytes(body: Any, bytes_max: int) -> AsyncIterator[Any]:
    count = 0
    async for piece in body:
        yield piece
        count += piece.byteLength
        if count > bytes_max:
            return


class RequestApplication:
    """The application for one request. A stream that has no end is cut: the SDK would leave it open for ever."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.streams = False
        self._is_whole = False
        self._cut = AbortController.new()

    def cuttable(self, response: Any) -> Any:
        """The response, whose body fails when it is cut."""
        return Response.new(response.body.pipeThrough(TransformStream.new(), signal=self._cut.signal), response)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """RequestApplication a request, and end where its client has left."""

        async def send_message(message: Any) -> None:
            if message["type"] == "http.response.body":
                self._is_whole = not message.get("more_body", False)
                self.streams = self.streams or not self._is_whole
            try:
                await send(message)
            except JsException as error:
                raise OSError("the client has left") from error

        await self._worker(scope, receive, send_message)
        if scope["type"] == "http" and self.streams and not self._is_whole:
            self._cut.abort()


def _worker_of(env: Any) -> Worker:
    """The Worker of an environment, whose texts are variables and secrets, and whose objects are bindings."""
    variables = {name: value for name in Object.keys(env) if isinstance(value := getattr(env, name), str)}
    return Worker(variables, FetchTransport, stores_of(env, D1Database, KvNamespace))
